//! Sharpness-aware minimization.

use convscope_graph::{Executor, GraphError, Parameters, StepOutcome, TrainingBatch};
use convscope_kernels::memory;
use convscope_ops::{Loss, OutOfMemory, Parameter, Role};

/// Gives each step the gradient at the nearby point where the batch has the highest loss, so that training ends where
/// the loss is low all around.
///
/// This is the adaptive form (Kwon et al., "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of
/// Deep Neural Networks", 2021). With the gradient `g` of all parameters `w`, that point is
///
/// ```text
/// w + rho T^2 g / |T g|,    T = |w| + 0.01 for weights and the factors of normalisation, 1 for biases
/// ```
///
/// where `|T g|` is the Euclidean norm over all parameters. `rho` is above 0; the paper uses 0.5 to 2. A step computes
/// two gradients, so it takes about twice as long; its loss and running statistics are those of `w`.
///
/// ```
/// use convscope_graph::{Graph, Parameters, preset};
/// use convscope_train::sam::Sam;
/// let graph = Graph::new(preset("plain8", [3, 8, 8], 2)?)?;
/// let mut parameters = Parameters::new(&graph, 1)?;
/// let gradients: Vec<Vec<f32>> = parameters.tensors().iter().map(|tensor| vec![1.0; tensor.slice().len()]).collect();
/// let before = parameters.clone();
/// let mut sam = Sam::new(0.5, &parameters)?;
/// sam.climb(&mut parameters, &gradients);
/// assert_ne!(parameters, before);
/// sam.descend(&mut parameters);
/// assert_eq!(parameters, before);
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sam {
    rho: f64,
    /// Copies of all arrays, including untrained ones, and their batch counts.
    kept: Vec<(Vec<f32>, u64)>,
}

/// Added to the magnitude of a weight, so that weights near zero move too.
const ETA: f32 = 0.01;

impl Sam {
    /// `None` for a `rho` of 0.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn wanted(rho: f64, parameters: &Parameters) -> Result<Option<Sam>, OutOfMemory> {
        (rho > 0.0).then(|| Sam::new(rho, parameters)).transpose()
    }

    /// Allocates memory for a copy of these parameters. `rho` is finite and above 0.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(rho: f64, parameters: &Parameters) -> Result<Sam, OutOfMemory> {
        let copy = |tensor: &Parameter| Ok((memory::copy(tensor.slice())?, 0));
        Ok(Sam { rho, kept: parameters.tensors().iter().map(copy).collect::<Result<_, _>>()? })
    }

    /// Moves all trained parameters to where the loss is high; one gradient per array, in order. If the gradients are
    /// all zero, or not finite, nothing moves.
    ///
    /// # Panics
    /// If the arrays are not those given to [`new`](Self::new).
    pub fn climb(&mut self, parameters: &mut Parameters, gradients: &[Vec<f32>]) {
        let tensors = parameters.tensors_mut();
        for ((kept, batches), tensor) in self.kept.iter_mut().zip(&*tensors) {
            kept.copy_from_slice(tensor.slice());
            *batches = tensor.batches;
        }
        let trained = || tensors.iter().zip(gradients).filter(|(tensor, _)| tensor.role.is_trained());
        let norm = trained().map(|(tensor, gradient)| scaled_squares(tensor, gradient)).sum::<f64>().sqrt();
        let step = (self.rho / norm) as f32;
        if !(norm.is_finite() && step.is_finite()) {
            return;
        }
        let trained = tensors.iter_mut().zip(gradients).filter(|(tensor, _)| tensor.role.is_trained());
        for (tensor, gradient) in trained {
            let is_scaled = is_scaled(tensor.role);
            for (w, &g) in tensor.slice_mut().iter_mut().zip(gradient) {
                let scale = if is_scaled { w.abs() + ETA } else { 1.0 };
                *w += step * scale * scale * g;
            }
        }
    }

    /// Restores everything to its state before [`climb`](Self::climb).
    pub fn descend(&self, parameters: &mut Parameters) {
        for ((kept, batches), tensor) in self.kept.iter().zip(parameters.tensors_mut()) {
            tensor.slice_mut().copy_from_slice(kept);
            tensor.batches = *batches;
        }
    }
}

/// The loss of a batch, leaving the gradients for the optimizer's step in the executor.
///
/// # Errors
/// As [`Executor::train_step`].
pub(crate) fn gradients_of(
    batch: TrainingBatch<'_>,
    executor: &mut Executor,
    parameters: &mut Parameters,
    loss: &Loss,
    sam: Option<&mut Sam>,
) -> Result<StepOutcome, GraphError> {
    let outcome = executor.train_step(parameters, batch, loss, None)?;
    if let Some(sam) = sam {
        sam.climb(parameters, executor.gradients());
        let above = executor.train_step(parameters, batch, loss, None);
        sam.descend(parameters);
        above?;
    }
    Ok(outcome)
}

fn is_scaled(role: Role) -> bool {
    matches!(role, Role::Weight { .. } | Role::Scale)
}

/// The squares of `T g`, in eight parallel sums.
fn scaled_squares(tensor: &Parameter, gradient: &[f32]) -> f64 {
    let is_scaled = is_scaled(tensor.role);
    let square = |w: f32, g: f32| {
        let scaled = if is_scaled { (w.abs() + ETA) * g } else { g };
        f64::from(scaled) * f64::from(scaled)
    };
    let (weights, rest_of_weights) = tensor.slice().as_chunks::<8>();
    let (chunks, rest) = gradient.as_chunks::<8>();
    let mut lanes = [0.0_f64; 8];
    for (weights, chunk) in weights.iter().zip(chunks) {
        for ((lane, &w), &g) in lanes.iter_mut().zip(weights).zip(chunk) {
            *lane += square(w, g);
        }
    }
    let rest: f64 = rest_of_weights.iter().zip(rest).map(|(&w, &g)| square(w, g)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::{Graph, preset};

    /// Arrays of every role, with values and gradients of both signs.
    fn parameters() -> (Parameters, Vec<Vec<f32>>) {
        let graph = Graph::new(preset("plain8-bn", [3, 8, 8], 3).unwrap()).unwrap();
        let mut parameters = Parameters::new(&graph, 7).unwrap();
        let mut gradients = Vec::new();
        for (index, tensor) in parameters.tensors_mut().iter_mut().enumerate() {
            let wave = |at: usize, step: f64| ((at + 31 * index) as f64 * step).sin() as f32;
            tensor.slice_mut().iter_mut().enumerate().for_each(|(at, w)| *w += 0.3 * wave(at, 0.7));
            gradients.push((0..tensor.slice().len()).map(|at| 0.1 * wave(at, 1.3)).collect());
        }
        (parameters, gradients)
    }

    #[test]
    fn climbs_by_the_formula_and_comes_back_to_the_same_bits() {
        let (before, gradients) = parameters();
        let scale = |tensor: &Parameter, w: f32| match tensor.role {
            Role::Weight { .. } | Role::Scale => f64::from(w.abs()) + 0.01,
            Role::Bias { .. } | Role::Shift | Role::Value { .. } => 1.0,
            Role::RunningMean | Role::RunningVar | Role::BatchesTracked | Role::Fixed { .. } => 0.0,
        };
        let mut squares = 0.0;
        for (tensor, gradient) in before.tensors().iter().zip(&gradients) {
            for (&w, &g) in tensor.slice().iter().zip(gradient) {
                squares += (scale(tensor, w) * f64::from(g)).powi(2);
            }
        }
        let mut after = before.clone();
        let mut sam = Sam::new(0.7, &before).unwrap();
        sam.climb(&mut after, &gradients);
        for ((kept, moved), gradient) in before.tensors().iter().zip(after.tensors()).zip(&gradients) {
            for ((&w, &up), &g) in kept.slice().iter().zip(moved.slice()).zip(gradient) {
                let expected = f64::from(w) + 0.7 * scale(kept, w).powi(2) * f64::from(g) / squares.sqrt();
                assert!((f64::from(up) - expected).abs() < 1e-6, "{}: {up} is not {expected}", kept.key);
            }
        }
        // The second gradient counts the batch again.
        after.tensors_mut().iter_mut().for_each(|tensor| tensor.batches += 1);
        sam.descend(&mut after);
        assert_eq!(after, before);
    }

    #[test]
    fn gradients_that_are_zero_or_not_finite_move_nothing() {
        for wrong in [0.0, f32::NAN, f32::INFINITY] {
            let (before, mut gradients) = parameters();
            match wrong {
                0.0 => gradients.iter_mut().for_each(|gradient| gradient.fill(0.0)),
                _ => gradients[2][1] = wrong,
            }
            let mut after = before.clone();
            Sam::new(0.7, &before).unwrap().climb(&mut after, &gradients);
            assert_eq!(after, before, "{wrong}");
        }
    }
}
