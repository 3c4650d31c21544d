//! A convolution's kernels, run backwards, with checked sizes.

use super::{ConvTranspose2dArguments, NAME};
use crate::conv2d::check_arrays;
use crate::limits::check_plane;
use crate::{OpError, PaddingMode, Pair, Products};
use convscope_kernels::channels;
use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue, Onto, Padding, Precision};

/// A transposed convolution with known sizes.
///
/// It is the backward direction of the convolution from its output to its input. If an output padding is not below the
/// stride, that convolution's output has more rows or columns than the input; the input is then copied into an array of
/// zeros of that size.
#[derive(Debug)]
pub(super) struct Transposed {
    /// From the output to the (enlarged) input.
    conv: Conv,
    /// Rows and columns of the input.
    input: [usize; 2],
}

impl Transposed {
    pub(super) fn new(
        in_channels: usize,
        input: [usize; 2],
        out_channels: usize,
        kernel: [usize; 2],
        arguments: &ConvTranspose2dArguments,
    ) -> Result<Transposed, OpError> {
        let ConvTranspose2dArguments { stride, padding, output_padding, groups, dilation } = *arguments;
        let stride = stride.at_least_one(NAME, "stride")?.array();
        let dilation = dilation.at_least_one(NAME, "dilation")?.array();
        let kernel = Pair::from(kernel).at_least_one(NAME, "kernel_size")?.array();
        let padding = padding.within(NAME, "padding", 0)?.array();
        let extra = output_padding.within(NAME, "output_padding", 0)?.array();
        if let Some(axis) = (0..2).find(|&axis| extra[axis] >= stride[axis].max(dilation[axis])) {
            let larger = stride[axis].max(dilation[axis]);
            let problem = format!("is {extra:?}, must be below stride or dilation, here {larger}");
            return Err(OpError::argument(NAME, "output_padding", problem));
        }
        let divides = |channels: usize| groups > 0 && channels > 0 && channels.is_multiple_of(groups);
        if !divides(in_channels) || !divides(out_channels) {
            let problem = format!(
                "is {groups}, it must divide {in_channels} input channels and {out_channels} output channels"
            );
            return Err(OpError::argument(NAME, "groups", problem));
        }
        if input.contains(&0) {
            return Err(OpError::shape(NAME, format!("input has {input:?} pixels")));
        }
        let full = [0, 1].map(|axis| {
            (input[axis] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + extra[axis] + 1
        });
        if (0..2).any(|axis| full[axis] <= 2 * padding[axis]) {
            let problem = format!("is {padding:?} at each side, which leaves nothing of {full:?} pixels");
            return Err(OpError::argument(NAME, "padding", problem));
        }
        let output = [0, 1].map(|axis| full[axis] - 2 * padding[axis]);
        check_plane(NAME, "a plane of the output with its padding", full, input)?;
        let size = ConvSize {
            in_channels: out_channels,
            out_channels: in_channels,
            groups,
            input: output,
            kernel,
            stride,
            dilation,
            padding: Padding { top: padding[0], bottom: padding[0], left: padding[1], right: padding[1] },
            padding_mode: PaddingMode::Zeros,
        };
        check_arrays(NAME, &size)?;
        Ok(Transposed { conv: Conv::new(size, Precision::F32), input })
    }

    // The underlying convolution goes the other way, so its names are swapped.
    #[allow(clippy::misnamed_getters)]
    pub(super) fn in_channels(&self) -> usize {
        self.conv.size().out_channels
    }

    #[allow(clippy::misnamed_getters)]
    pub(super) fn out_channels(&self) -> usize {
        self.conv.size().in_channels
    }

    /// Rows and columns of the output.
    pub(super) fn output(&self) -> [usize; 2] {
        self.conv.size().input
    }

    pub(super) fn output_len(&self) -> usize {
        self.conv.size().input_len()
    }

    pub(super) fn products(&self) -> Products {
        Products::from(&self.conv)
    }

    /// Elements of the packed parameters of the forward direction.
    pub(super) fn forward_len(&self) -> usize {
        self.conv.backward_len()
    }

    pub(super) fn backward_len(&self) -> usize {
        self.conv.forward_len()
    }

    pub(super) fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        self.conv.pack_backward(weight, bias, packed);
    }

    pub(super) fn pack_backward(&self, weight: &[f32], packed: &mut [f32]) {
        self.conv.pack_forward(weight, None, packed);
    }

    /// Elements of the packed gradients: those of the convolution, then the bias.
    pub(super) fn gradient_len(&self) -> usize {
        self.conv.gradient_len() + self.out_channels()
    }

    pub(super) fn unpack_gradient(&self, packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        let (weight, bias) = packed.split_at(self.conv.gradient_len());
        self.conv.unpack_gradient(weight, d_weight, None);
        if let Some(d_bias) = d_bias {
            d_bias.copy_from_slice(bias);
        }
    }

    pub(super) fn scratch_len(&self, images: usize) -> usize {
        let enlarged = if self.is_enlarged() { images * self.conv.size().output_len() } else { 0 };
        self.conv.scratch_len() + enlarged
    }

    pub(super) fn forward(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        packed: &[f32],
        output: &mut [f32],
    ) {
        let (scratch, space) = scratch.split_at_mut(self.conv.scratch_len());
        let input = self.enlarged(input, space);
        self.conv.backward_input(ConvPass { isa, images, scratch }, input, packed, output);
    }

    pub(super) fn backward_input(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        d_output: &[f32],
        packed: &[f32],
        d_input: &mut [f32],
    ) {
        let (scratch, space) = scratch.split_at_mut(self.conv.scratch_len());
        let pass = ConvPass { isa, images, scratch };
        if !self.is_enlarged() {
            self.conv.forward(pass, d_output, packed, Epilogue::Linear, d_input);
            return;
        }
        let enlarged = &mut space[..images * self.conv.size().output_len()];
        self.conv.forward(pass, d_output, packed, Epilogue::Linear, enlarged);
        for (row, target) in self.rows(enlarged.len()).zip(d_input.chunks_exact_mut(self.row_len())) {
            target.copy_from_slice(&enlarged[row..][..target.len()]);
        }
    }

    /// Adds the gradients of weight and bias to `d_packed`.
    pub(super) fn backward_parameters(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        d_output: &[f32],
        d_packed: &mut [f32],
    ) {
        let (scratch, space) = scratch.split_at_mut(self.conv.scratch_len());
        let input = self.enlarged(input, space);
        let (weight, bias) = d_packed.split_at_mut(self.conv.gradient_len());
        self.conv.backward_weight(ConvPass { isa, images, scratch }, d_output, input, Onto::Sum, weight);
        let channels = self.out_channels();
        let d_output = &d_output[..images * self.output_len()];
        channels::add_channel_sums(isa, d_output, channels, channels, channels, bias);
    }

    fn is_enlarged(&self) -> bool {
        self.conv.size().output() != self.input
    }

    fn enlarged<'a>(&self, input: &'a [f32], space: &'a mut [f32]) -> &'a [f32] {
        if !self.is_enlarged() {
            return input;
        }
        space.fill(0.0);
        for (row, source) in self.rows(space.len()).zip(input.chunks_exact(self.row_len())) {
            space[row..][..source.len()].copy_from_slice(source);
        }
        space
    }

    /// Elements of a row of the input.
    fn row_len(&self) -> usize {
        self.input[1] * self.in_channels()
    }

    /// The positions of the input's rows in `len` elements of the enlarged input.
    fn rows(&self, len: usize) -> impl Iterator<Item = usize> + use<> {
        let [rows, columns] = self.conv.size().output();
        let (row_len, used) = (columns * self.in_channels(), self.input[0]);
        (0..len / row_len).filter(move |row| row % rows < used).map(move |row| row * row_len)
    }
}
