//! The sizes of a convolution.

/// Rows and columns added around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns at the left.
    pub left: usize,
    /// Columns at the right.
    pub right: usize,
}

/// The contents of the rows and columns added around an image: PyTorch's `padding_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The image mirrored at its outermost pixel, without repeating it.
    Reflect,
    /// The outermost pixel repeated.
    Replicate,
    /// The image from its opposite side.
    Circular,
}

/// The sizes of a two-dimensional convolution; pairs are (rows, columns).
///
/// Its creator has checked that the channels are divisible by `groups`, that no number except a padding is zero, and
/// that the dilated kernel fits into the padded image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSize {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Groups of channels that are convolved separately.
    pub groups: usize,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Distance between the taps of a window.
    pub dilation: [usize; 2],
    /// Rows and columns added around the input.
    pub padding: Padding,
    /// Their contents.
    pub padding_mode: PaddingMode,
}

impl ConvSize {
    /// A product with a matrix `[out_channels, in_channels]`: images of one pixel, whose tiles fit it well.
    pub fn matrix(out_channels: usize, in_channels: usize) -> ConvSize {
        ConvSize {
            in_channels,
            out_channels,
            groups: 1,
            input: [1, 1],
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding::default(),
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// Rows and columns of the output: `(in + padding - dilation * (kernel - 1) - 1) / stride + 1`, rounded down.
    pub fn output(&self) -> [usize; 2] {
        let padded = self.padded();
        std::array::from_fn(|i| {
            (padded[i] - self.dilation[i] * (self.kernel[i] - 1) - 1) / self.stride[i] + 1
        })
    }

    /// Rows and columns of the padded input.
    pub fn padded(&self) -> [usize; 2] {
        [
            self.input[0] + self.padding.top + self.padding.bottom,
            self.input[1] + self.padding.left + self.padding.right,
        ]
    }

    /// Rows and columns that the gradient with respect to the output is copied into, so that every tap of every input
    /// pixel can be read.
    pub fn gradient_frame(&self) -> [usize; 2] {
        let (output, margin) = (self.output(), self.gradient_margin());
        [0, 1].map(|axis| margin[axis][0] + output[axis] + margin[axis][1])
    }

    /// Zeros before and after the gradient with respect to the output, for rows and for columns.
    pub(super) fn gradient_margin(&self) -> [[usize; 2]; 2] {
        let (output, target, before) = (self.output(), self.gradient_target(), self.gradient_start());
        std::array::from_fn(|axis| {
            let span = self.dilation[axis] * (self.kernel[axis] - 1);
            let least = (before[axis] as isize - span as isize).div_euclid(self.stride[axis] as isize);
            let most = (before[axis] + target[axis] - 1) / self.stride[axis];
            [(-least).max(0) as usize, (most + 1).saturating_sub(output[axis])]
        })
    }

    /// Rows and columns that receive gradients. If pixels are repeated, that is the whole frame, which is folded
    /// afterwards.
    pub(super) fn gradient_target(&self) -> [usize; 2] {
        if self.padding_mode == PaddingMode::Zeros { self.input } else { self.padded() }
    }

    /// The row and column of the padded input where [`gradient_target`](Self::gradient_target) starts.
    pub(super) fn gradient_start(&self) -> [usize; 2] {
        let start = [self.padding.top, self.padding.left];
        if self.padding_mode == PaddingMode::Zeros { start } else { [0, 0] }
    }

    /// Elements of the weight `[out_channels, in_channels / groups, rows, columns]`.
    pub fn weight_len(&self) -> usize {
        self.out_channels * (self.in_channels / self.groups) * self.kernel[0] * self.kernel[1]
    }

    /// Multiply-adds of the definition for one image: each weight once for every output pixel.
    pub fn multiply_adds(&self) -> usize {
        let [rows, columns] = self.output();
        self.weight_len() * rows * columns
    }

    /// Elements of one image of the input.
    pub fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.in_channels
    }

    /// Elements of one image of the output.
    pub fn output_len(&self) -> usize {
        let [rows, columns] = self.output();
        rows * columns * self.out_channels
    }
}
