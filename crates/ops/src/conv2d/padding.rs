//! Rows and columns that are added around an input.

use super::NAME;
use crate::{OpError, PaddingMode, Pair};
use convscope_kernels::conv::Padding;
use serde::{Deserialize, Serialize};

/// Rows and columns added around an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "padding must be a number, two numbers for rows and columns, numbers for top, bottom, left and right, or one of same, valid, same_upper"
)]
pub enum ConvPadding {
    /// This many at each side.
    Size(Pair),
    /// Another number at each side; `{ top = 0, bottom = 1, left = 0, right = 1 }` in a file.
    Sides(Sides),
    /// By name.
    Named(NamedPadding),
}

/// Rows and columns added at each of the four sides; those that are not given are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sides {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before.
    pub left: usize,
    /// Columns behind.
    pub right: usize,
}

impl From<Padding> for Sides {
    fn from(Padding { top, bottom, left, right }: Padding) -> Sides {
        Sides { top, bottom, left, right }
    }
}

impl From<Sides> for ConvPadding {
    fn from(sides: Sides) -> ConvPadding {
        ConvPadding::Sides(sides)
    }
}

impl From<usize> for ConvPadding {
    fn from(padding: usize) -> ConvPadding {
        ConvPadding::Size(padding.into())
    }
}

impl From<[usize; 2]> for ConvPadding {
    fn from(padding: [usize; 2]) -> ConvPadding {
        ConvPadding::Size(padding.into())
    }
}

impl From<NamedPadding> for ConvPadding {
    fn from(padding: NamedPadding) -> ConvPadding {
        ConvPadding::Named(padding)
    }
}

/// Paddings that follow from the other arguments; the first two are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// As many as keep the output as large as the input; an odd one is added at the bottom and the right. Stride 1
    /// only.
    Same,
    /// None.
    Valid,
    /// As many as give `ceil(input / stride)` rows and columns, so that their number depends on the size of the input;
    /// an odd one is added at the bottom and the right. TensorFlow's `'same'` and ONNX's `SAME_UPPER`.
    SameUpper,
}

impl ConvPadding {
    /// PyTorch's `'same'`.
    pub const SAME: ConvPadding = ConvPadding::Named(NamedPadding::Same);
    /// PyTorch's `'valid'`.
    pub const VALID: ConvPadding = ConvPadding::Named(NamedPadding::Valid);
    /// TensorFlow's `'same'`.
    pub const SAME_UPPER: ConvPadding = ConvPadding::Named(NamedPadding::SameUpper);

    pub(super) fn resolve(
        self,
        input: [usize; 2],
        kernel: [usize; 2],
        dilation: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Padding, OpError> {
        match self {
            ConvPadding::Size(pair) => {
                let Pair { rows, columns } = pair.within(NAME, "padding", 0)?;
                Ok(Padding { top: rows, bottom: rows, left: columns, right: columns })
            }
            ConvPadding::Sides(Sides { top, bottom, left, right }) => {
                Pair::from([top, left]).within(NAME, "padding", 0)?;
                Pair::from([bottom, right]).within(NAME, "padding", 0)?;
                Ok(Padding { top, bottom, left, right })
            }
            ConvPadding::Named(NamedPadding::Valid) => Ok(Padding::default()),
            ConvPadding::Named(NamedPadding::Same) if stride != [1, 1] => {
                let problem = format!("is 'same', which needs stride 1, not {stride:?}");
                Err(OpError::argument(NAME, "padding", problem))
            }
            ConvPadding::Named(NamedPadding::Same) => {
                Ok(shared_out([0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1))))
            }
            ConvPadding::Named(NamedPadding::SameUpper) => Ok(shared_out([0, 1].map(|axis| {
                let last_start = (input[axis].div_ceil(stride[axis]).max(1) - 1) * stride[axis];
                (last_start + dilation[axis] * (kernel[axis] - 1) + 1).saturating_sub(input[axis])
            }))),
        }
    }
}

pub(super) fn no_padding() -> ConvPadding {
    ConvPadding::Size(0.into())
}

pub(super) fn is_no_padding(padding: &ConvPadding) -> bool {
    *padding == no_padding()
}

pub(super) fn is_zeros(mode: &PaddingMode) -> bool {
    *mode == PaddingMode::Zeros
}

/// Rows and columns in all, half at each side.
fn shared_out([rows, columns]: [usize; 2]) -> Padding {
    let (top, left) = (rows / 2, columns / 2);
    Padding { top, bottom: rows - top, left, right: columns - left }
}
