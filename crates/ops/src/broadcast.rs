//! Values of different shapes together: where one has an axis of length 1, or lacks it, its value counts for all places.

use crate::shape::MOST_AXES;
use crate::{OpError, Shape};

/// How the places of an input belong to those of a larger shape, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broadcast {
    /// The lengths of the large shape's axes in the order in which they are stored, and how far the input moves on along each.
    axes: [(usize, usize); MOST_AXES],
    /// Elements of an image of the input.
    pub(crate) len: usize,
    /// Elements of an image of the large shape.
    pub(crate) large: usize,
}

/// The shape that values of these shapes have together: PyTorch's rules, by which axes are matched from the last one on.
pub(crate) fn joint_shape(operator: &'static str, inputs: &[Shape]) -> Result<Shape, OpError> {
    let rank = inputs.iter().map(Shape::rank).max().unwrap_or(0);
    let mut axes = vec![1; rank];
    for (index, input) in inputs.iter().enumerate() {
        if input.rank() != rank && input.rank() > 0 {
            // The batch axis would be matched with another one.
            let problem =
                format!("input 0 has shape {}, input {index} {input}; both need as many axes", inputs[0]);
            return Err(OpError::shape(operator, problem));
        }
        for (at, &axis) in input.axes().iter().enumerate() {
            if axes[at] == 1 {
                axes[at] = axis;
            } else if axis != 1 && axis != axes[at] {
                let problem = format!("input 0 has shape {}, input {index} {input}", inputs[0]);
                return Err(OpError::shape(operator, problem));
            }
        }
    }
    Shape::new(&axes)
}

impl Broadcast {
    /// Of `input`, whose axes are those of `large`, or 1.
    pub(crate) fn new(input: Shape, large: Shape) -> Broadcast {
        let rank = large.rank();
        let mut axes = [(1, 0); MOST_AXES];
        // Stored from the second axis to the last, then the first.
        let order: Vec<usize> = (1..rank).chain([0]).take(rank).collect();
        let mut distance = 1;
        for (place, &axis) in order.iter().enumerate().rev() {
            let len = input.axes().get(axis).copied().unwrap_or(1);
            axes[MOST_AXES - rank + place] = (large.axes()[axis], if len == 1 { 0 } else { distance });
            distance *= len;
        }
        Broadcast { axes, len: input.len(), large: large.len() }
    }

    /// Whether each place of the large shape has its own value.
    pub(crate) fn is_whole(&self) -> bool {
        self.len == self.large
    }

    /// The channels, if the input has one value for each of them, and the values of a pixel are stored side by side.
    pub(crate) fn channels(&self) -> Option<usize> {
        let [a, b, c, (len, step)] = self.axes;
        let is_one_pixel = [a, b, c].iter().all(|&(_, step)| step == 0);
        (is_one_pixel && step == 1 && len == self.len && len > 1).then_some(len)
    }

    /// Calls `visit` with each place of an image of the large shape and that of its value in the input.
    #[inline]
    pub(crate) fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let [a, b, c, d] = self.axes;
        let mut to = 0;
        for i in 0..a.0 {
            for j in 0..b.0 {
                for k in 0..c.0 {
                    let start = i * a.1 + j * b.1 + k * c.1;
                    for l in 0..d.0 {
                        visit(to, start + l * d.1);
                        to += 1;
                    }
                }
            }
        }
    }
}
