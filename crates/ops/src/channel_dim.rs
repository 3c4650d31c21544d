//! The axis of the channels, as PyTorch's `dim`.

use crate::{OpError, Shape};
use serde::{Deserialize, Serialize};

/// PyTorch's `dim` for an operator that works along the channels of a network's values: 1, the default, or the same
/// axis counted from the end, -3 for images and -1 for vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ChannelDim(isize);

impl Default for ChannelDim {
    fn default() -> Self {
        ChannelDim(1)
    }
}

impl ChannelDim {
    pub(crate) fn is_default(&self) -> bool {
        *self == ChannelDim::default()
    }

    /// Fails, naming the argument, if it is not the channel axis of a value of this shape.
    pub(crate) fn check(
        self,
        operator: &'static str,
        argument: &'static str,
        shape: Shape,
    ) -> Result<(), OpError> {
        let from_the_end = -(shape.axes().len() as isize);
        if self.0 == 1 || self.0 == from_the_end {
            return Ok(());
        }
        let problem =
            format!("is {}, must be 1 or {from_the_end}, the axis of the channels of {shape}", self.0);
        Err(OpError::argument(operator, argument, problem))
    }
}
