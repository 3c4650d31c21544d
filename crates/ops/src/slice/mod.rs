//! A stretch of an axis.
//!
//! PyTorch's `split`, `chunk`, `narrow` and `x[:, start:end:step]` are made of it: a node for each part.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.split.html>

use serde::{Deserialize, Serialize};

use crate::arrays::axis;
use crate::layer::one_input;
use crate::moving::Strided;
use crate::*;

const NAME: &str = "slice";

/// The elements `start`, `start + step`, ... before `end` of one axis, as Python's `start:end:step` has them.
///
/// ```
/// use convscope_ops::{Layer, Shape, Slice};
/// let slice = Slice { start: 2, end: Some(-1), ..Slice::new(1) };
/// assert_eq!(slice.output_shape(&[Shape::image(8, [3, 5])])?, Shape::image(5, [3, 5]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The axis; 0 is the batch axis, which cannot be cut; negative ones count from the end.
    pub dim: isize,
    /// The first element; a negative one counts from the end; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: isize,
    /// The element before which it ends; a negative one counts from the end; default none: to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<isize>,
    /// The distance from one element to the next; default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub step: usize,
}

impl Slice {
    /// The whole of an axis.
    pub fn new(dim: isize) -> Slice {
        Slice { dim, start: 0, end: None, step: 1 }
    }

    /// The axis after the batch axis, the first element and their number.
    fn stretch(&self, input: Shape) -> Result<(usize, usize, usize), OpError> {
        let dim = axis(NAME, "dim", self.dim, input.rank() + 1)?;
        if dim == 0 {
            return Err(OpError::argument(NAME, "dim", "is 0, the batch axis, which cannot be cut"));
        }
        if self.step == 0 {
            return Err(OpError::argument(NAME, "step", "is 0, must be at least 1"));
        }
        let len = input.axes()[dim - 1];
        // As Python clamps both ends.
        let place = |at: isize| {
            let from_end = (len as isize).saturating_add(at);
            (if at < 0 { from_end } else { at }).clamp(0, len as isize) as usize
        };
        let (start, end) = (place(self.start), self.end.map_or(len, place));
        if start >= end {
            let end = self.end.map_or_else(|| "the end".to_owned(), |end| end.to_string());
            let problem = format!(
                "is {}, and no element of axis {dim} of {input} lies between it and {end}",
                self.start
            );
            return Err(OpError::argument(NAME, "start", problem));
        }
        Ok((dim - 1, start, (end - start).div_ceil(self.step)))
    }
}

fn is_zero(start: &isize) -> bool {
    *start == 0
}
fn one() -> usize {
    1
}
fn is_one(step: &usize) -> bool {
    *step == 1
}

impl Layer for Slice {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("dim", "the axis that is cut"),
                Argument::optional("start", "0", "the first element"),
                Argument::optional("end", "None", "the element before which it ends"),
                Argument::optional("step", "1", "the distance between elements"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "slice"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        // Axes before the one that is cut stay whole.
        let before = ":, ".repeat(self.dim.rem_euclid(inputs[0].rank() as isize + 1) as usize);
        let part = |at: Option<isize>| at.map_or_else(String::new, |at| at.to_string());
        let start = part(Some(self.start).filter(|start| *start != 0));
        let step = if self.step == 1 { String::new() } else { format!(":{}", self.step) };
        Some(Torch::Expression(format!("{{0}}[{before}{start}:{}{step}]", part(self.end))))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let end = self.end.map_or(i64::MAX, |end| end as i64);
        let node = OnnxNode::new("Slice").input(0).integers_input([self.start as i64]).integers_input([end]);
        Some(node.integers_input([self.dim as i64]).integers_input([self.step as i64]).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let input = one_input(NAME, inputs)?;
        let (dim, _, len) = self.stretch(input)?;
        let mut axes = input.axes().to_vec();
        axes[dim] = len;
        Shape::new(&axes)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let accepted = "output_shape accepted these inputs";
        let (dim, start, _) = self.stretch(inputs[0]).expect(accepted);
        let output = self.output_shape(inputs).expect(accepted);
        let from: Vec<_> = (0..output.rank())
            .map(|axis| if axis == dim { (axis, start, self.step) } else { (axis, 0, 1) })
            .collect();
        Box::new(Strided::new(inputs[0], output, &from))
    }
}
