//! Winograd's F(2x2, 3x3): four output pixels from a 4x4 stretch of the input, with 16 products instead of 36.
//!
//! With the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016):
//!
//! ```text
//! output   = A' [ (G weight G') * (B' input B) ] A        * by element, summed over the input channels
//! d_weight = G' [ (B' input B) * (A d_output A') ] G      summed over all stretches
//! ```
//!
//! The gradient with respect to the input is the first line with rotated weights. Each of the 16 points is a separate
//! matrix product: stretches by input channels, times input channels by output channels.

mod gradient;
mod product;
mod transform;
mod weights;

use super::size::{ConvSize, Padding, PaddingMode};
use super::words::Precision;
use super::{ConvPass, Method, Onto};
use crate::channels::add_channel_sums;
use crate::simd::{LANES, dispatch};
use crate::{Epilogue, Isa};
use gradient::GradientWalk;
use product::Walk;
use weights::{Layout, Source, Turn};

/// Products for one stretch and pair of channels.
const POINTS: usize = 16;
/// Rows and columns of output in a stretch.
const STRETCH: usize = 2;
/// Rows and columns of input that a stretch reads.
const READ: usize = 4;
/// Extra values between the points' matrices, so that a stretch's values fall on different cache lines.
const SKEW: usize = LANES;

/// A 3x3 convolution with stride 1 through Winograd's transforms.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    forward: Stretches,
    backward: Stretches,
}

/// How images are divided into stretches, in one direction.
#[derive(Clone, Copy, Debug)]
struct Stretches {
    /// Channels that are summed over.
    inner: usize,
    /// Output channels.
    outer: usize,
    input: [usize; 2],
    output: [usize; 2],
    /// Rows and columns of zeros before the image.
    before: [usize; 2],
    precision: Precision,
}

impl Stretches {
    /// Rows and columns of stretches in an image.
    fn grid(&self) -> [usize; 2] {
        self.output.map(|len| len.div_ceil(STRETCH))
    }

    fn of_image(&self) -> usize {
        self.grid()[0] * self.grid()[1]
    }

    fn layout(&self) -> Layout {
        Layout { inner: self.inner, outer: self.outer, precision: self.precision }
    }

    /// The order of the gradients with respect to the weights, which are sums and therefore single values.
    fn gradient_layout(&self) -> Layout {
        Layout { precision: Precision::F32, ..self.layout() }
    }

    /// Stretches that are processed together: their transforms should fill part of a core's cache.
    fn block(&self) -> usize {
        const TRANSFORMED: usize = 1 << 16;
        (TRANSFORMED / (POINTS * self.inner)).clamp(26, 256)
    }

    /// The transformed input of a block, by point.
    fn transformed_len(&self, block: usize) -> usize {
        block * self.precision.words(self.inner) + SKEW
    }
}

impl Winograd {
    /// Whether the sizes allow this algorithm.
    pub(super) fn suits(size: &ConvSize) -> bool {
        let Padding { top, bottom, left, right } = size.padding;
        size.kernel == [3, 3]
            && size.stride == [1, 1]
            && size.dilation == [1, 1]
            && size.groups == 1
            && size.padding_mode == PaddingMode::Zeros
            && [top, bottom, left, right].iter().all(|&padding| padding <= 2)
    }

    /// Whether it is faster than direct convolution: enough channels to make up for the transforms, and few outputs in
    /// stretches that extend beyond the image's end.
    pub(super) fn pays(size: &ConvSize) -> bool {
        const FEWEST_CHANNELS: usize = 16;
        let [rows, columns] = size.output();
        Winograd::suits(size)
            && size.in_channels.min(size.out_channels) >= FEWEST_CHANNELS
            && rows * columns * 9 * 2 >= Winograd::products(size) * 3
    }

    /// Products for one image and pair of channels.
    pub(super) fn products(size: &ConvSize) -> usize {
        let [rows, columns] = size.output();
        rows.div_ceil(STRETCH) * columns.div_ceil(STRETCH) * POINTS
    }

    pub(super) fn new(size: &ConvSize, precision: Precision) -> Winograd {
        let Padding { top, left, .. } = size.padding;
        let forward = Stretches {
            inner: size.in_channels,
            outer: size.out_channels,
            input: size.input,
            output: size.output(),
            before: [top, left],
            precision,
        };
        let backward = Stretches {
            inner: size.out_channels,
            outer: size.in_channels,
            input: size.output(),
            output: size.input,
            before: [2 - top, 2 - left],
            precision,
        };
        Winograd { forward, backward }
    }
}

impl Method for Winograd {
    fn forward_len(&self) -> usize {
        self.forward.layout().packed_len()
    }

    fn gradient_len(&self) -> usize {
        self.forward.gradient_layout().packed_len()
    }

    fn backward_len(&self) -> usize {
        self.backward.layout().packed_len()
    }

    fn scratch_len(&self) -> usize {
        let gradient = GradientWalk::scratch_len(&self.forward);
        Walk::scratch_len(&self.forward).max(Walk::scratch_len(&self.backward)).max(gradient)
    }

    fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        let inner = self.forward.inner;
        let source = Source { weight, outer_stride: 9 * inner, inner_stride: 9, turn: Turn::None };
        self.forward.layout().pack(source, bias, packed);
    }

    fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        let outer = self.backward.outer;
        let source = Source { weight, outer_stride: 9, inner_stride: 9 * outer, turn: Turn::Half };
        self.backward.layout().pack(source, bias, packed);
    }

    fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        self.forward.gradient_layout().unpack_gradient(d_packed, d_weight, d_bias);
    }

    fn forward(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        let stretches = &self.forward;
        dispatch(isa, Walk { stretches, images, input, packed, epilogue, output, scratch });
    }

    fn backward_input(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        d_output: &[f32],
        packed: &[f32],
        d_input: &mut [f32],
    ) {
        let (stretches, epilogue) = (&self.backward, Epilogue::Linear);
        let walk = Walk { stretches, images, input: d_output, packed, epilogue, output: d_input, scratch };
        dispatch(isa, walk);
    }

    fn backward_weight(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        d_output: &[f32],
        onto: Onto,
        d_packed: &mut [f32],
    ) {
        let stretches = &self.forward;
        let (d_packed, d_biases) = d_packed.split_at_mut(stretches.gradient_layout().weight_len());
        if onto == Onto::Nothing {
            d_biases.fill(0.0);
        }
        dispatch(isa, GradientWalk { stretches, images, input, d_output, onto, d_packed, scratch });
    }

    fn backward_bias(&self, isa: Isa, images: usize, d_output: &[f32], d_packed: &mut [f32]) {
        let outer = self.forward.outer;
        let [rows, columns] = self.forward.output;
        let biases = &mut d_packed[self.forward.gradient_layout().weight_len()..];
        let d_output = &d_output[..images * rows * columns * outer];
        add_channel_sums(isa, d_output, outer, outer, outer, biases);
    }
}
