//! Windows that slide over an image, as PyTorch's `kernel_size`, `stride`, `padding`, `dilation` and `ceil_mode`
//! place them.

use crate::limits::check_plane;
use crate::{OpError, Pair};
use convscope_kernels::pool::Span;

/// The arguments of a pooling with sliding windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sliding {
    pub(crate) operator: &'static str,
    pub(crate) kernel_size: Pair,
    /// As in PyTorch: the kernel's size if not given.
    pub(crate) stride: Option<Pair>,
    pub(crate) padding: Pair,
    pub(crate) dilation: Pair,
    pub(crate) ceil_mode: bool,
}

/// One window along one axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Its positions inside the image.
    pub(crate) inside: Span,
    /// How many positions it covers in the padded image.
    pub(crate) padded: usize,
}

impl Sliding {
    /// The windows over an image of `input` rows and columns, along each axis.
    ///
    /// The number of windows is `(input + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1`, rounded
    /// down, or with `ceil_mode` up, where the last window must still start inside the image or the padding before
    /// it.
    pub(crate) fn windows(&self, input: [usize; 2]) -> Result<[Vec<Window>; 2], OpError> {
        let kernel = self.kernel_size.at_least_one(self.operator, "kernel_size")?.array();
        let stride = self.stride.unwrap_or(self.kernel_size).at_least_one(self.operator, "stride")?.array();
        let dilation = self.dilation.at_least_one(self.operator, "dilation")?.array();
        let padding = self.padding.within(self.operator, "padding", 0)?.array();
        if padding[0] > kernel[0] / 2 || padding[1] > kernel[1] / 2 {
            let problem = format!("is {padding:?}, at most half of kernel_size {kernel:?} is allowed");
            return Err(OpError::argument(self.operator, "padding", problem));
        }
        let reach = [0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1) + 1);
        let counts = [0, 1].map(|axis| {
            let room = (input[axis] + 2 * padding[axis]) as isize - reach[axis] as isize;
            let round_up = if self.ceil_mode { stride[axis] as isize - 1 } else { 0 };
            let count = (room + round_up).div_euclid(stride[axis] as isize) + 1;
            let count = usize::try_from(count).unwrap_or(0);
            let last_starts_outside =
                count > 0 && (count - 1) * stride[axis] >= input[axis] + padding[axis] && self.ceil_mode;
            if last_starts_outside { count - 1 } else { count }
        });
        if counts.contains(&0) || input.contains(&0) {
            let padded = [0, 1].map(|axis| input[axis] + 2 * padding[axis]);
            let problem = format!("a window covers {reach:?} pixels, the padded input has {padded:?}");
            return Err(OpError::shape(self.operator, problem));
        }
        check_plane(self.operator, "a plane of the output", counts, input)?;
        Ok([0, 1].map(|axis| {
            let window = |index: usize| {
                let start = (index * stride[axis]) as isize - padding[axis] as isize;
                let end = start + reach[axis] as isize;
                let step = dilation[axis] as isize;
                let first = if start < 0 { start.rem_euclid(step) } else { start };
                let last = end.min(input[axis] as isize).max(0);
                let in_padding = end.min((input[axis] + padding[axis]) as isize);
                Window {
                    inside: Span { start: first as usize, end: last as usize, step: dilation[axis] },
                    padded: (in_padding - start) as usize,
                }
            };
            (0..counts[axis]).map(window).collect()
        }))
    }
}
