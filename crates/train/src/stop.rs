//! Early stopping: remembers the epoch with the best validation loss and stops when it is too long ago.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// What an epoch's validation loss means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The best so far: keep these weights.
    Improved,
    /// Not the best; continue.
    Continue,
    /// No improvement for as many epochs as the patience allows: end the run.
    Stop,
}

/// Follows the validation loss; serialised, it is part of a checkpoint.
///
/// ```
/// use std::num::NonZeroU64;
/// use convscope_train::stop::{EarlyStopping, Verdict};
/// let mut stopping = EarlyStopping::new(NonZeroU64::new(2));
/// let verdicts = [0.9, 0.7, 0.8, 0.7].map(|loss| stopping.observe(loss));
/// assert_eq!(verdicts, [Verdict::Improved, Verdict::Improved, Verdict::Continue, Verdict::Stop]);
/// assert_eq!(stopping.best().unwrap().epoch, 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    patience: Option<NonZeroU64>,
    #[serde(default)]
    min_delta: f64,
    epoch: u64,
    best: Option<Best>,
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Its validation loss.
    pub loss: f64,
}

impl EarlyStopping {
    /// Stops after `patience` epochs in a row without a lower loss; without patience, never.
    pub fn new(patience: Option<NonZeroU64>) -> Self {
        Self { patience, min_delta: 0.0, epoch: 0, best: None }
    }

    /// Counts a loss as lower only if it is below the lowest one by more than this, as Keras' `EarlyStopping`. Default 0.
    #[must_use]
    pub fn with_min_delta(self, min_delta: f64) -> Self {
        Self { min_delta, ..self }
    }

    /// Adds the validation loss of the next epoch. Only a strictly lower loss is an improvement; one that is not finite
    /// never is.
    pub fn observe(&mut self, loss: f64) -> Verdict {
        self.epoch += 1;
        if loss.is_finite() && self.best.is_none_or(|best| loss < best.loss - self.min_delta) {
            self.best = Some(Best { epoch: self.epoch, loss });
            return Verdict::Improved;
        }
        let waited = self.epoch - self.best.map_or(0, |best| best.epoch);
        if self.patience.is_some_and(|patience| waited >= patience.get()) {
            Verdict::Stop
        } else {
            Verdict::Continue
        }
    }

    /// The best epoch so far, if any loss was finite.
    pub fn best(&self) -> Option<Best> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_from_the_best_epoch() {
        let mut stopping = EarlyStopping::new(NonZeroU64::new(3));
        let losses = [1.0, 1.1, 1.2, 0.5, 0.6, f64::NAN, 0.5];
        let verdicts = losses.map(|loss| stopping.observe(loss));
        use Verdict::{Continue, Improved, Stop};
        assert_eq!(verdicts, [Improved, Continue, Continue, Improved, Continue, Continue, Stop]);
        assert_eq!(stopping.best(), Some(Best { epoch: 4, loss: 0.5 }));
    }

    #[test]
    fn a_small_improvement_is_none_with_a_delta() {
        let mut stopping = EarlyStopping::new(NonZeroU64::new(2)).with_min_delta(0.125);
        let verdicts = [1.0, 0.9375, 0.75, 0.625, 0.626].map(|loss| stopping.observe(loss));
        use Verdict::{Continue, Improved, Stop};
        assert_eq!(verdicts, [Improved, Continue, Improved, Continue, Stop]);
        assert_eq!(stopping.best(), Some(Best { epoch: 3, loss: 0.75 }));
    }

    #[test]
    fn without_patience_a_run_never_stops_and_still_knows_its_best() {
        let mut stopping = EarlyStopping::new(None);
        assert_eq!(stopping.observe(f64::NAN), Verdict::Continue);
        assert_eq!(stopping.observe(0.3), Verdict::Improved);
        assert!((0..100).all(|_| stopping.observe(0.4) == Verdict::Continue));
        assert_eq!(stopping.best().unwrap().epoch, 2);
    }

    #[test]
    fn survives_json_bit_for_bit() {
        let mut stopping = EarlyStopping::new(NonZeroU64::new(3));
        let mut loss = 0.1_f64;
        for _ in 0..2000 {
            loss = f64::from_bits(loss.to_bits() - 0x0000_0123_4567_89ab);
            stopping.observe(loss);
            let text = serde_json::to_string(&stopping).unwrap();
            let back: EarlyStopping = serde_json::from_str(&text).unwrap();
            assert_eq!(back.best.unwrap().loss.to_bits(), loss.to_bits());
        }
    }
}
