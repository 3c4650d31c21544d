//! The exponential moving average of the weights.

use convscope_kernels::memory;
use convscope_ops::OutOfMemory;

use crate::error::TrainError;
use crate::optimizer::saved_state;

/// A second copy of the weights that slowly follows the trained ones and often does better on new images.
///
/// After the t-th step (counted from 0) `average += (1 - d) * (weight - average)` with `d = min(decay, (1 + t) / (10 +
/// t))`, so that the random start is soon forgotten (TensorFlow's `ExponentialMovingAverage` with `num_updates`). The
/// running statistics of batch normalisation are not averaged: a [session](crate::Session) recomputes them for the
/// averaged weights, from up to 4,096 training images.
///
/// ```
/// use convscope_train::ema::Ema;
/// let mut ema = Ema::new(0.999, [[0.0_f32].as_slice()])?;
/// ema.begin_step();
/// ema.update(0, &[1.0]);
/// assert_eq!(ema.average(0), [0.9]);
/// # Ok::<(), convscope_ops::OutOfMemory>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    step_count: u64,
    share: f32,
    averages: Vec<Vec<f32>>,
}

impl Ema {
    /// Averages that start at the current weights; `decay` is in `[0, 1)`.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new<'a>(decay: f64, weights: impl IntoIterator<Item = &'a [f32]>) -> Result<Self, OutOfMemory> {
        Ok(Self {
            decay,
            step_count: 0,
            share: 0.0,
            averages: weights.into_iter().map(memory::copy).collect::<Result<_, _>>()?,
        })
    }

    /// The decay.
    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// Starts the averaging after an optimizer step.
    pub fn begin_step(&mut self) {
        let t = self.step_count as f64;
        self.share = (1.0 - self.decay.min((1.0 + t) / (10.0 + t))) as f32;
        self.step_count += 1;
    }

    /// Moves the average of weight `index` towards its current value.
    ///
    /// # Panics
    /// If there is no such weight or its length has changed.
    pub fn update(&mut self, index: usize, weight: &[f32]) {
        let average = &mut self.averages[index];
        assert_eq!(average.len(), weight.len());
        for (average, &weight) in average.iter_mut().zip(weight) {
            *average += self.share * (weight - *average);
        }
    }

    /// The average of weight `index`.
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn average(&self, index: usize) -> &[f32] {
        &self.averages[index]
    }

    /// How many steps were started.
    pub fn step_count(&self) -> u64 {
        self.step_count
    }

    /// The state for a checkpoint, apart from the [step count](Self::step_count): `ema.<weight index>`.
    pub fn state(&self) -> impl Iterator<Item = (String, &[f32])> {
        self.averages.iter().enumerate().map(|(index, average)| (format!("ema.{index}"), average.as_slice()))
    }

    /// Restores a state written from [`state`](Self::state); `find` looks up an array by name.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if an array is missing or has a different length; nothing is then changed.
    pub fn restore<'a>(
        &mut self,
        step_count: u64,
        find: impl Fn(&str) -> Option<&'a [f32]>,
    ) -> Result<(), TrainError> {
        let saved: Vec<&[f32]> = self
            .state()
            .map(|(name, average)| saved_state(&name, average.len(), &find))
            .collect::<Result<_, _>>()?;
        for (average, saved) in self.averages.iter_mut().zip(saved) {
            average.copy_from_slice(saved);
        }
        self.step_count = step_count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decay_warms_up_to_its_limit() {
        let mut ema = Ema::new(0.2, [[1.0_f32, 5.0].as_slice(), &[0.0]]).unwrap();
        let mut expected = 0.0_f64;
        for decay in [0.1, 2.0 / 11.0, 0.2, 0.2] {
            ema.begin_step();
            ema.update(1, &[1.0]);
            expected += (1.0 - decay) * (1.0 - expected);
            assert!((f64::from(ema.average(1)[0]) - expected).abs() < 1e-7);
        }
        assert_eq!(ema.average(0), [1.0, 5.0]);
    }

    #[test]
    fn restored_average_continues_with_the_same_bits() {
        let mut ema = Ema::new(0.9, [[0.5_f32, -0.25].as_slice()]).unwrap();
        for step in 0..5 {
            ema.begin_step();
            ema.update(0, &[step as f32, 0.3]);
        }
        let mut resumed = Ema::new(0.9, [[0.0_f32, 0.0].as_slice()]).unwrap();
        let saved = ema.average(0).to_vec();
        resumed.restore(ema.step_count(), |name| (name == "ema.0").then_some(saved.as_slice())).unwrap();
        for ema in [&mut ema, &mut resumed] {
            ema.begin_step();
            ema.update(0, &[7.0, 0.1]);
        }
        assert_eq!(ema.average(0), resumed.average(0));
        assert!(resumed.restore(1, |_| Some([1.0_f32].as_slice())).is_err());
    }
}
