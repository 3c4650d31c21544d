//! Depthwise convolution: every channel has a kernel of its own, `out_channels = in_channels = groups`; or the channels
//! belong to groups of two, four or eight, as many in the input as in the output.
//!
//! A vector holds sixteen channels of one pixel, and so whole groups, in each of which one channel at a time is spread over
//! all lanes. A tile keeps the sums of a few adjacent output pixels in registers and
//! walks over the taps of the kernel; the next sixteen channels follow, so that memory is read in its order. Zero padding
//! takes no memory: taps beyond the image are left out at its top and bottom, and read zeros at its sides.

mod gradient;
mod walk;

use super::frame::Frame;
use super::size::{ConvSize, PaddingMode};
use super::{ConvPass, Method, Onto};
use crate::channels::add_channel_sums;
use crate::simd::dispatch;
use crate::{Epilogue, Isa};
use gradient::WeightGradient;
use walk::{Axis, Run, Walk};

/// A depthwise convolution, as walks over its pixels.
#[derive(Clone, Debug)]
pub(super) struct Depthwise {
    size: ConvSize,
    /// For padding with repeated pixels, which is copied; otherwise bare.
    frame: Frame,
    forward: Walk,
    /// One walk for each remainder of row and column modulo the stride.
    backward: Vec<Walk>,
}

impl Depthwise {
    /// Whether the sizes are those of a convolution of single channels or of small groups.
    pub(super) fn suits(size: &ConvSize) -> bool {
        let group = size.in_channels / size.groups;
        size.groups > 1 && size.in_channels == size.out_channels && [1, 2, 4, 8].contains(&group)
    }

    /// Works out the walks for checked sizes.
    pub(super) fn new(size: ConvSize) -> Depthwise {
        let is_copied = size.padding_mode != PaddingMode::Zeros;
        let padding = if is_copied { size.padding } else { Default::default() };
        let frame = Frame::new(size.in_channels, size.input, padding, size.padding_mode);
        let start = if is_copied { [0, 0] } else { [size.padding.top, size.padding.left] };
        let source = if is_copied { size.padded() } else { size.input };
        let output = size.output();
        let group = size.in_channels / size.groups;
        let forward = Walk {
            channels: size.in_channels,
            group,
            axes: [0, 1].map(|axis| Axis {
                source: source[axis],
                source_step: size.stride[axis],
                target: output[axis],
                target_step: 1,
                target_first: 0,
                count: output[axis],
                taps: (0..size.kernel[axis]).collect(),
                first: -(start[axis] as isize),
                spacing: size.dilation[axis],
            }),
        };
        let mut backward = Vec::new();
        for row in 0..size.stride[0].min(source[0]) {
            for column in 0..size.stride[1].min(source[1]) {
                let phase = [row, column];
                let axes =
                    [0, 1].map(|axis| backward_axis(&size, axis, source[axis], start[axis], phase[axis]));
                backward.push(Walk { channels: size.in_channels, group, axes });
            }
        }
        Depthwise { size, frame, forward, backward }
    }

    /// Elements of one image as the walks read it.
    fn source_len(&self) -> usize {
        self.forward.axes[0].source * self.forward.axes[1].source * self.size.in_channels
    }

    /// Where the weight from a member of a group of inputs to an output channel is in PyTorch's order.
    fn weight_at(&self, channel: usize, member: usize, [row, column]: [usize; 2]) -> usize {
        let [rows, columns] = self.size.kernel;
        ((channel * self.forward.group + member) * rows + row) * columns + column
    }

    fn pack(
        &self,
        walk: &Walk,
        direction: Direction,
        weight: &[f32],
        bias: Option<&[f32]>,
        packed: &mut [f32],
    ) {
        let (channels, group) = (self.size.in_channels, walk.group);
        let (weights, biases) = packed.split_at_mut(walk.weight_len());
        for (packed, tap) in weights.chunks_exact_mut(group * channels).zip(walk.taps()) {
            for (member, packed) in packed.chunks_exact_mut(channels).enumerate() {
                for (channel, value) in packed.iter_mut().enumerate() {
                    let (own, first) = (channel % group, channel / group * group);
                    *value = weight[match direction {
                        Direction::Forward => self.weight_at(channel, member, tap),
                        Direction::Backward => self.weight_at(first + member, own, tap),
                    }];
                }
            }
        }
        match bias {
            Some(bias) => biases.copy_from_slice(bias),
            None => biases.fill(0.0),
        }
    }

    /// The image as the walks read it: in its frame, or as it is.
    fn framed<'a>(&self, image: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        if self.frame.is_bare() {
            return image;
        }
        let framed = &mut scratch[..self.frame.len()];
        self.frame.fill(image, framed);
        framed
    }
}

/// From inputs to outputs, or from gradients of outputs to those of inputs.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

/// The rows or columns of the input whose gradients come from the same taps: every `stride`-th one from `phase` on. The
/// row `y` of the framed input receives from the output row `(y - dilation * tap) / stride` where that is whole.
fn backward_axis(size: &ConvSize, axis: usize, target: usize, start: usize, phase: usize) -> Axis {
    let (stride, dilation) = (size.stride[axis] as isize, size.dilation[axis] as isize);
    let at = (start + phase) as isize;
    let from = |tap: usize| at - tap as isize * dilation;
    // The last tap first, so that the sources increase.
    let taps: Vec<usize> =
        (0..size.kernel[axis]).rev().filter(|&tap| from(tap).rem_euclid(stride) == 0).collect();
    let place = |index: usize| taps.get(index).map_or(0, |&tap| from(tap).div_euclid(stride));
    let spacing = if taps.len() > 1 { place(1) - place(0) } else { 1 };
    Axis {
        source: size.output()[axis],
        source_step: 1,
        target,
        target_step: size.stride[axis],
        target_first: phase,
        count: (target - phase).div_ceil(size.stride[axis]),
        first: place(0),
        spacing: spacing as usize,
        taps,
    }
}

impl Method for Depthwise {
    fn forward_len(&self) -> usize {
        self.forward.packed_len()
    }

    fn gradient_len(&self) -> usize {
        self.forward.packed_len()
    }

    fn backward_len(&self) -> usize {
        self.backward.iter().map(Walk::packed_len).sum()
    }

    fn scratch_len(&self) -> usize {
        if self.frame.is_bare() { 0 } else { self.frame.len() }
    }

    fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        self.pack(&self.forward, Direction::Forward, weight, bias, packed);
    }

    fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        let mut rest = packed;
        for walk in &self.backward {
            let (own, others) = rest.split_at_mut(walk.packed_len());
            self.pack(walk, Direction::Backward, weight, bias, own);
            rest = others;
        }
    }

    fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        let channels = self.size.in_channels;
        let (weights, biases) = d_packed.split_at(self.forward.weight_len());
        for (packed, tap) in weights.chunks_exact(self.forward.group * channels).zip(self.forward.taps()) {
            for (member, packed) in packed.chunks_exact(channels).enumerate() {
                for (channel, &value) in packed.iter().enumerate() {
                    d_weight[self.weight_at(channel, member, tap)] = value;
                }
            }
        }
        if let Some(d_bias) = d_bias {
            d_bias.copy_from_slice(biases);
        }
    }

    fn forward(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        let (input_len, output_len) = (self.size.input_len(), self.size.output_len());
        for image in 0..images {
            let source = self.framed(&input[image * input_len..][..input_len], scratch);
            let target = &mut output[image * output_len..][..output_len];
            dispatch(isa, Run { walk: &self.forward, source, packed, epilogue, target });
        }
    }

    fn backward_input(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        d_output: &[f32],
        packed: &[f32],
        d_input: &mut [f32],
    ) {
        let (input_len, output_len) = (self.size.input_len(), self.size.output_len());
        for image in 0..images {
            let source = &d_output[image * output_len..][..output_len];
            let d_image = &mut d_input[image * input_len..][..input_len];
            let run = |target: &mut [f32]| {
                let mut packed = packed;
                for walk in &self.backward {
                    let epilogue = Epilogue::Linear;
                    dispatch(isa, Run { walk, source, packed, epilogue, target: &mut *target });
                    packed = &packed[walk.packed_len()..];
                }
            };
            if self.frame.is_bare() {
                run(d_image);
            } else {
                let folded = &mut scratch[..self.source_len()];
                run(folded);
                self.frame.fold(folded, d_image);
            }
        }
    }

    fn backward_weight(
        &self,
        ConvPass { isa, images, scratch }: ConvPass<'_>,
        input: &[f32],
        d_output: &[f32],
        onto: Onto,
        d_packed: &mut [f32],
    ) {
        if onto == Onto::Nothing {
            d_packed.fill(0.0);
        }
        let (input_len, output_len) = (self.size.input_len(), self.size.output_len());
        let d_weights = &mut d_packed[..self.forward.weight_len()];
        for image in 0..images {
            let source = self.framed(&input[image * input_len..][..input_len], scratch);
            let d_target = &d_output[image * output_len..][..output_len];
            let d_weights = &mut *d_weights;
            dispatch(isa, WeightGradient { walk: &self.forward, source, d_target, d_weights });
        }
    }

    fn backward_bias(&self, isa: Isa, images: usize, d_output: &[f32], d_packed: &mut [f32]) {
        let channels = self.size.out_channels;
        let d_output = &d_output[..images * self.size.output_len()];
        add_channel_sums(isa, d_output, channels, channels, 0, &mut d_packed[self.forward.weight_len()..]);
    }
}
