//! What happens to gradients before they change the parameters.

use crate::error::TrainError;

/// Receives the gradients of each step before they are clipped and used.
///
/// Several machines that train one network can add up their gradients here; gradients can also be changed or recorded.
pub trait Exchange: Send {
    /// Changes the gradients of a batch in place: one array for each parameter array, in order, including arrays that
    /// are not trained.
    ///
    /// # Errors
    /// Any error ends the training.
    fn exchange(&mut self, gradients: &mut [Vec<f32>]) -> Result<(), TrainError>;
}
