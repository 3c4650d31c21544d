//! Direct convolution: no matrix of image patches is built.
//!
//! A register tile (pixels x 16 or 32 output channels) walks over the taps of the kernel and the channels of the input.
//! Images are copied once into a frame of padding, so that every tap of every pixel can be read and one loop handles
//! all sizes, strides, dilations, groups and padding modes. The gradient with respect to the input is the same walk
//! over the framed output gradient with rotated weights, in one pass for each remainder modulo the stride.

use super::frame::Frame;
use super::pass::{Channels, Gather, Outer, Pass};
use super::size::{ConvSize, Padding, PaddingMode};
use super::tile::Tap;
use super::{ConvPass, Method, Onto};
use crate::channels::add_channel_sums;
use crate::simd::dispatch;
use crate::{Epilogue, Isa};

/// Most values of a tap, so that no sum gets too long before it is moved out.
const LONGEST_TAP: usize = 192;

/// Pixels to aim for in a block of images, so that tiles rarely end in a remainder.
const BLOCK_PIXELS: usize = 128;

/// A convolution of any shape, as passes over its pixels.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    size: ConvSize,
    block: usize,
    input_frame: Frame,
    forward: Pass,
    output_frame: Frame,
    /// One pass for each remainder of row and column modulo the stride.
    backward: Vec<Pass>,
}

impl Direct {
    /// Works out the passes for checked sizes.
    pub(super) fn new(size: ConvSize) -> Direct {
        let block = block_of(&size);
        let input_frame = Frame::new(size.in_channels, size.input, size.padding, size.padding_mode);
        let forward = forward_pass(&size, block);
        let (output_frame, backward) = backward_passes(&size, block);
        Direct { size, block, input_frame, forward, output_frame, backward }
    }

    fn run_backward(&self, isa: Isa, images: usize, input: &[f32], packed: &[f32], output: &mut [f32]) {
        let mut packed = packed;
        for pass in &self.backward {
            dispatch(isa, Gather { pass, images, input, packed, epilogue: Epilogue::Linear, output });
            packed = &packed[pass.packed_len()..];
        }
    }

    fn weight_at(&self, [group, outer, inner, row, column]: [usize; 5]) -> usize {
        let (per_group_out, per_group_in) =
            (self.size.out_channels / self.size.groups, self.size.in_channels / self.size.groups);
        let [rows, columns] = self.size.kernel;
        (((group * per_group_out + outer) * per_group_in + inner) * rows + row) * columns + column
    }
}

impl Method for Direct {
    fn forward_len(&self) -> usize {
        self.forward.packed_len()
    }

    fn gradient_len(&self) -> usize {
        self.forward_len()
    }

    fn backward_len(&self) -> usize {
        self.backward.iter().map(Pass::packed_len).sum()
    }

    fn scratch_len(&self) -> usize {
        let input = if self.input_frame.is_bare() { 0 } else { self.input_frame.len() * self.block };
        let output = if self.output_frame.is_bare() { 0 } else { self.output_frame.len() * self.block };
        let folded = if self.input_frame.repeats_pixels() { input } else { 0 };
        input.max(output + folded)
    }

    fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        packed.fill(0.0);
        let (weights, biases) = packed.split_at_mut(self.forward.weight_len());
        self.forward.for_each_weight(|at, index| weights[at] = weight[self.weight_at(index)]);
        if let Some(bias) = bias {
            self.forward.for_each_bias(|at, channel| biases[at] = bias[channel]);
        }
    }

    fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        packed.fill(0.0);
        let mut rest = packed;
        for pass in &self.backward {
            let (own, others) = rest.split_at_mut(pass.packed_len());
            let (weights, biases) = own.split_at_mut(pass.weight_len());
            pass.for_each_weight(|at, [group, outer, inner, row, column]| {
                weights[at] = weight[self.weight_at([group, inner, outer, row, column])];
            });
            if let Some(bias) = bias {
                pass.for_each_bias(|at, channel| biases[at] = bias[channel]);
            }
            rest = others;
        }
    }

    fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        let (weights, biases) = d_packed.split_at(self.forward.weight_len());
        self.forward.for_each_weight(|at, index| d_weight[self.weight_at(index)] = weights[at]);
        if let Some(d_bias) = d_bias {
            self.forward.for_each_bias(|at, channel| d_bias[channel] = biases[at]);
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
        for (first, images) in blocks(images, self.block) {
            let input = &input[first * input_len..][..images * input_len];
            let output = &mut output[first * output_len..][..images * output_len];
            let input = framed(&self.input_frame, input, input_len, scratch);
            let pass = &self.forward;
            dispatch(isa, Gather { pass, images, input, packed, epilogue, output });
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
        for (first, images) in blocks(images, self.block) {
            let d_output = &d_output[first * output_len..][..images * output_len];
            let d_input = &mut d_input[first * input_len..][..images * input_len];
            let frame_len =
                if self.output_frame.is_bare() { 0 } else { self.output_frame.len() * self.block };
            let (frame_space, fold_space) = scratch.split_at_mut(frame_len);
            let d_framed = framed(&self.output_frame, d_output, output_len, frame_space);
            if self.input_frame.repeats_pixels() {
                let frame_len = self.input_frame.len();
                let folded = &mut fold_space[..images * frame_len];
                self.run_backward(isa, images, d_framed, packed, folded);
                for (frame, image) in folded.chunks_exact(frame_len).zip(d_input.chunks_exact_mut(input_len))
                {
                    self.input_frame.fold(frame, image);
                }
            } else {
                self.run_backward(isa, images, d_framed, packed, d_input);
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
            d_packed[self.forward.weight_len()..].fill(0.0);
        }
        let (input_len, output_len) = (self.size.input_len(), self.size.output_len());
        for (first, images) in blocks(images, self.block) {
            let input = &input[first * input_len..][..images * input_len];
            let d_output = &d_output[first * output_len..][..images * output_len];
            let input = framed(&self.input_frame, input, input_len, scratch);
            let pass = &self.forward;
            let onto = if first == 0 { onto } else { Onto::Sum };
            dispatch(isa, Outer { pass, images, input, d_output, onto, d_packed });
        }
    }

    fn backward_bias(&self, isa: Isa, images: usize, d_output: &[f32], d_packed: &mut [f32]) {
        let d_bias = &mut d_packed[self.forward.weight_len()..];
        let Channels { groups, outer, .. } = self.forward.channels;
        let stride = self.forward.bias_len() / groups;
        let d_output = &d_output[..images * self.size.output_len()];
        add_channel_sums(isa, d_output, groups * outer, outer, stride, d_bias);
    }
}

/// Most pixels in the lists of a pass: beyond that, the few output pixels are not worth the memory.
const MOST_LISTED: usize = 1 << 24;

/// Images that are processed together: enough output pixels, in lists of bounded length whose offsets fit 32 bits.
fn block_of(size: &ConvSize) -> usize {
    let pixels = |[rows, columns]: [usize; 2]| rows * columns;
    let (padded, gradient) = (pixels(size.padded()), pixels(size.gradient_frame()));
    let elements = (padded * size.in_channels).max(gradient * size.out_channels);
    let enough = BLOCK_PIXELS / pixels(size.output());
    enough.min(u32::MAX as usize / elements).min(MOST_LISTED / padded).max(1)
}

/// `(first image, number of images)` of each block.
fn blocks(images: usize, block: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..images).step_by(block).map(move |first| (first, block.min(images - first)))
}

/// The images in their frames: copied into `scratch`, or unchanged if the frame adds nothing.
fn framed<'a>(frame: &Frame, images: &'a [f32], image_len: usize, scratch: &'a mut [f32]) -> &'a [f32] {
    if frame.is_bare() {
        return images;
    }
    let used = images.len() / image_len * frame.len();
    for (image, target) in images.chunks_exact(image_len).zip(scratch.chunks_exact_mut(frame.len())) {
        frame.fill(image, target);
    }
    &scratch[..used]
}

fn forward_pass(size: &ConvSize, block: usize) -> Pass {
    let channels = Channels {
        groups: size.groups,
        inner: size.in_channels / size.groups,
        outer: size.out_channels / size.groups,
    };
    let [padded_rows, padded_columns] = size.padded();
    let [rows, columns] = size.output();
    let row_len = padded_columns * size.in_channels;
    let mut pass = Pass {
        inputs: Vec::new(),
        targets: Vec::new(),
        image_pixels: rows * columns,
        order: Vec::new(),
        taps: Vec::new(),
        channels,
    };
    for image in 0..block {
        for pixel in 0..rows * columns {
            let (row, column) = (pixel / columns * size.stride[0], pixel % columns * size.stride[1]);
            pass.inputs
                .push(offset(image * padded_rows * row_len + row * row_len + column * size.in_channels));
            pass.targets.push(offset((image * rows * columns + pixel) * size.out_channels));
        }
    }
    let mut offsets = Vec::new();
    for row in 0..size.kernel[0] {
        for column in 0..size.kernel[1] {
            pass.order.push([row, column]);
            let across = column * size.dilation[1] * size.in_channels;
            offsets.push(row * size.dilation[0] * row_len + across);
        }
    }
    pass.taps = joined(&offsets, channels);
    pass
}

/// The passes that gather `d_input` from a framed `d_output`, and the frame.
///
/// Framed input row `y` receives from output row `(y - dilation * tap) / stride` if that is a whole number; rows with
/// the same remainder modulo the stride share their taps and form one pass.
fn backward_passes(size: &ConvSize, block: usize) -> (Frame, Vec<Pass>) {
    let channels = Channels {
        groups: size.groups,
        inner: size.out_channels / size.groups,
        outer: size.in_channels / size.groups,
    };
    let (target, before, reach) = (size.gradient_target(), size.gradient_start(), size.gradient_margin());
    let output = size.output();
    let padding = Padding { top: reach[0][0], bottom: reach[0][1], left: reach[1][0], right: reach[1][1] };
    let frame = Frame::new(size.out_channels, output, padding, PaddingMode::Zeros);
    let (row_len, frame_len) = (frame.row_len(), frame.len());

    let mut passes = Vec::new();
    for row_phase in 0..size.stride[0].min(target[0]) {
        for column_phase in 0..size.stride[1].min(target[1]) {
            let phase = [row_phase, column_phase];
            // For each axis: the taps that divide evenly, last tap first so that the offsets increase, and their
            // sources.
            let sources: [Vec<(usize, usize)>; 2] = std::array::from_fn(|axis| {
                let at = (before[axis] + phase[axis]) as isize;
                let stride = size.stride[axis] as isize;
                (0..size.kernel[axis])
                    .rev()
                    .map(|tap| (tap, at - (tap * size.dilation[axis]) as isize))
                    .filter(|(_, from)| from.rem_euclid(stride) == 0)
                    .map(|(tap, from)| (tap, (from / stride + reach[axis][0] as isize) as usize))
                    .collect()
            });
            let counts: [usize; 2] =
                std::array::from_fn(|axis| (target[axis] - phase[axis]).div_ceil(size.stride[axis]));
            let mut pass = Pass {
                inputs: Vec::new(),
                targets: Vec::new(),
                image_pixels: counts[0] * counts[1],
                order: Vec::new(),
                taps: Vec::new(),
                channels,
            };
            for image in 0..block {
                for row in 0..counts[0] {
                    for column in 0..counts[1] {
                        let from = image * frame_len + row * row_len + column * size.out_channels;
                        let to_row = image * target[0] + phase[0] + row * size.stride[0];
                        let to = to_row * target[1] + phase[1] + column * size.stride[1];
                        pass.inputs.push(offset(from));
                        pass.targets.push(offset(to * size.in_channels));
                    }
                }
            }
            let mut offsets = Vec::new();
            for &(row, from_row) in &sources[0] {
                for &(column, from_column) in &sources[1] {
                    pass.order.push([row, column]);
                    offsets.push(from_row * row_len + from_column * size.out_channels);
                }
            }
            pass.taps = joined(&offsets, channels);
            passes.push(pass);
        }
    }
    (frame, passes)
}

/// Joins kernel positions whose input values are adjacent into taps of at most [`LONGEST_TAP`] values.
fn joined(offsets: &[usize], channels: Channels) -> Vec<Tap> {
    let mut taps: Vec<Tap> = Vec::new();
    for (index, &offset) in offsets.iter().enumerate() {
        for at in (0..channels.inner).step_by(LONGEST_TAP) {
            let (input, row) = (offset + at, index * channels.inner + at);
            let len = LONGEST_TAP.min(channels.inner - at);
            match taps.last_mut() {
                Some(last) if last.input + last.len == input && last.len + len <= LONGEST_TAP => {
                    last.len += len;
                }
                _ => taps.push(Tap { input, row, len }),
            }
        }
    }
    taps
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a block of images has fewer than 2^32 elements")
}
