//! A view of a value: each axis of the output steps through the input by a fixed distance.

use crate::shape::MOST_AXES;
use crate::{Backward, Bound, Forward, Reads, Shape};

/// A value of which each element is one of the input's, each at most once.
#[derive(Debug)]
pub(crate) struct Strided {
    /// Elements of an image of the input.
    input_len: usize,
    /// The element of the input that comes first.
    offset: usize,
    /// Lengths of the output's axes in the order in which they are stored, and the distance in the input from one to the next.
    axes: [(usize, isize); MOST_AXES],
}

impl Strided {
    /// A view of `input`: axis `i` of `output` walks along the axis `from[i].0` of the input, beginning at `from[i].1`, in
    /// steps of `from[i].2`.
    pub(crate) fn new(input: Shape, output: Shape, from: &[(usize, usize, usize)]) -> Strided {
        let distances = distances(input);
        let offset = from.iter().map(|&(axis, start, _)| start * distances[axis]).sum();
        // The first axis is stored last.
        let mut axes = [(1, 0); MOST_AXES];
        let order = (1..output.rank()).chain([0]).take(output.rank());
        for (place, axis) in order.enumerate() {
            let (source, _, step) = from[axis];
            axes[MOST_AXES - output.rank() + place] =
                (output.axes()[axis], (distances[source] * step) as isize);
        }
        Strided { input_len: input.len(), offset, axes }
    }

    /// Calls `visit` with the places of each element in the output and the input of one image.
    #[inline]
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let [a, b, c, d] = self.axes;
        let mut to = 0;
        for i in 0..a.0 {
            for j in 0..b.0 {
                for k in 0..c.0 {
                    let start = self.offset as isize + i as isize * a.1 + j as isize * b.1 + k as isize * c.1;
                    for l in 0..d.0 {
                        visit(to, (start + l as isize * d.1) as usize);
                        to += 1;
                    }
                }
            }
        }
    }

    fn output_len(&self) -> usize {
        self.axes.iter().map(|(len, _)| len).product()
    }
}

/// The distance in memory between neighbours along each axis.
fn distances(shape: Shape) -> [usize; MOST_AXES] {
    let mut distances = [1; MOST_AXES];
    let mut distance = if shape.rank() > 0 { shape.channels() } else { 1 };
    for axis in (1..shape.rank()).rev() {
        distances[axis] = distance;
        distance *= shape.axes()[axis];
    }
    distances
}

impl Bound for Strided {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        let images = call.inputs.get(0).chunks_exact(self.input_len);
        for (input, output) in images.zip(call.output.chunks_exact_mut(self.output_len())) {
            self.each(|to, from| output[to] = input[from]);
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.fill(0.0);
        let images = d_input.chunks_exact_mut(self.input_len);
        for (d_input, d_output) in images.zip(call.d_output.chunks_exact(self.output_len())) {
            self.each(|to, from| d_input[from] = d_output[to]);
        }
    }
}
