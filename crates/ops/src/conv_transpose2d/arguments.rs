//! The arguments of a transposed convolution.

use crate::Pair;
use serde::Deserialize;

/// The arguments of [`conv_transpose2d()`](crate::conv_transpose2d()), with PyTorch's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvTranspose2dArguments {
    /// Steps in the output from one input pixel's window to the next; default 1.
    pub stride: Pair,
    /// Rows and columns removed at each side of the output; default 0.
    pub padding: Pair,
    /// Extra rows and columns of the output at the bottom and the right; default 0.
    pub output_padding: Pair,
    /// Groups of channels that are convolved separately; default 1.
    pub groups: usize,
    /// Distance between the taps of a window; default 1.
    pub dilation: Pair,
}

impl Default for ConvTranspose2dArguments {
    fn default() -> Self {
        ConvTranspose2dArguments {
            stride: 1.into(),
            padding: 0.into(),
            output_padding: 0.into(),
            groups: 1,
            dilation: 1.into(),
        }
    }
}
