//! What happens to gradients before they change the parameters.

use crate::error::TrainError;

/// Is given the gradients of each step before they are clipped and used.
///
/// Several machines that train one network add up their gradients here; gradients can also be changed or recorded.
pub trait Exchange: Send {
    /// Changes the gradients of a batch in place: one array for each array of parameters, in their order, those of arrays that are
    /// not trained too.
    ///
    /// # Errors
    /// What ends the training.
    fn exchange(&mut self, gradients: &mut [Vec<f32>]) -> Result<(), TrainError>;
}
