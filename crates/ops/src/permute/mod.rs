//! Axes in another order.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.permute.html>

use serde::{Deserialize, Serialize};

use crate::arrays::axis;
use crate::layer::one_input;
use crate::moving::Strided;
use crate::*;

const NAME: &str = "permute";

/// An input with its axes in another order: axis `i` of the output is the axis `dims[i]` of the input.
///
/// ```
/// use convscope_ops::{Layer, Permute, Shape};
/// let permute = Permute { dims: vec![0, 2, 3, 1] };
/// assert_eq!(permute.output_shape(&[Shape::image(8, [3, 5])])?.axes(), [3, 5, 8]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Permute {
    /// All axes, the batch axis among them, which stays the first; negative ones count from the end.
    pub dims: Vec<isize>,
}

impl Permute {
    /// For each axis of the output after the batch axis, the axis of the input, counted after the batch axis.
    fn sources(&self, input: Shape) -> Result<Vec<usize>, OpError> {
        let axes = input.rank() + 1;
        let dims = &self.dims;
        let wrong = |problem: String| OpError::argument(NAME, "dims", problem);
        let sources: Vec<usize> =
            dims.iter().map(|&dim| axis(NAME, "dims", dim, axes)).collect::<Result<_, _>>()?;
        let mut sorted = sources.clone();
        sorted.sort_unstable();
        if sorted != (0..axes).collect::<Vec<_>>() {
            return Err(wrong(format!("is {dims:?}, must have each of the {axes} axes once")));
        }
        if sources[0] != 0 {
            return Err(wrong(format!("is {dims:?}; the batch axis 0 must stay the first")));
        }
        Ok(sources[1..].iter().map(|source| source - 1).collect())
    }
}

impl Layer for Permute {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::required("dims", "all axes in their new order; the batch axis 0 stays the first")] }
    }

    fn keras_name(&self) -> &'static str {
        "permute"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let dims: Vec<String> = self.dims.iter().map(ToString::to_string).collect();
        Some(Torch::Expression(format!("{{0}}.permute({})", dims.join(", "))))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let rank = inputs[0].rank() as isize + 1;
        let axes: Vec<i64> = self.dims.iter().map(|axis| axis.rem_euclid(rank) as i64).collect();
        Some(OnnxNode::new("Transpose").input(0).integers("perm", axes).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let input = one_input(NAME, inputs)?;
        let axes: Vec<usize> = self.sources(input)?.into_iter().map(|source| input.axes()[source]).collect();
        Shape::new(&axes)
    }

    fn moved_axes(&self, input: Shape) -> Option<Vec<usize>> {
        self.sources(input).ok()
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let accepted = "output_shape accepted these inputs";
        let output = self.output_shape(inputs).expect(accepted);
        let from: Vec<_> =
            self.sources(inputs[0]).expect(accepted).into_iter().map(|axis| (axis, 0, 1)).collect();
        Box::new(Strided::new(inputs[0], output, &from))
    }
}
