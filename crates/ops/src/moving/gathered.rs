//! The elements of a value in another order.

use crate::{Backward, Bound, Forward, Reads};

/// A value of which each element is one of the input's, and each element of the input stands once in it.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// For each element of an image as it is stored, where it is in the input.
    pub(crate) from: Vec<u32>,
}

impl Bound for Gathered {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        let images = call.inputs.get(0).chunks_exact(self.from.len());
        for (input, output) in images.zip(call.output.chunks_exact_mut(self.from.len())) {
            output.iter_mut().zip(&self.from).for_each(|(y, &from)| *y = input[from as usize]);
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let images = d_input.chunks_exact_mut(self.from.len());
        for (d_input, d_output) in images.zip(call.d_output.chunks_exact(self.from.len())) {
            d_output.iter().zip(&self.from).for_each(|(&d, &from)| d_input[from as usize] = d);
        }
    }
}
