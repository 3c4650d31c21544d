//! The same values in PyTorch's order under other axes.

use convscope_kernels::layout;

use crate::{Backward, Bound, Forward, Reads, Shape};

/// A value whose elements in PyTorch's order are those of the input, under the axes of another shape.
#[derive(Debug)]
pub(crate) struct Reordered {
    from_channels: usize,
    to_channels: usize,
    len: usize,
}

impl Reordered {
    /// Both shapes have as many elements.
    pub(crate) fn new(from: Shape, to: Shape) -> Reordered {
        // A single axis is stored in PyTorch's order, as one channel would be.
        let channels = |shape: Shape| if shape.rank() < 2 { 1 } else { shape.channels() };
        Reordered { from_channels: channels(from), to_channels: channels(to), len: from.len() }
    }

    /// One image in the order of the output.
    pub(crate) fn forth(&self, values: &[f32], target: &mut [f32], scratch: &mut [f32]) {
        self.reorder([self.from_channels, self.to_channels], values, target, scratch);
    }

    /// One image of the output in the order of the input.
    pub(crate) fn back(&self, values: &[f32], target: &mut [f32], scratch: &mut [f32]) {
        self.reorder([self.to_channels, self.from_channels], values, target, scratch);
    }

    fn reorder(&self, [from, to]: [usize; 2], values: &[f32], target: &mut [f32], scratch: &mut [f32]) {
        if from == to {
            target.copy_from_slice(values);
        } else if to == 1 {
            layout::to_planes(values, from, self.len, target);
        } else if from == 1 {
            layout::to_channels_last(values, to, self.len, target);
        } else {
            let planes = &mut scratch[..values.len()];
            layout::to_planes(values, from, self.len, planes);
            layout::to_channels_last(planes, to, self.len, target);
        }
    }
}

impl Bound for Reordered {
    fn scratch_len(&self, images: usize) -> usize {
        let passes_through_planes =
            self.from_channels != self.to_channels && self.from_channels > 1 && self.to_channels > 1;
        if passes_through_planes { images * self.len } else { 0 }
    }

    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        let channels = [self.from_channels, self.to_channels];
        self.reorder(channels, call.inputs.get(0), call.output, call.scratch);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        self.reorder([self.to_channels, self.from_channels], call.d_output, d_input, call.scratch);
    }
}
