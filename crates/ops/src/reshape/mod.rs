//! The same values under other axes.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.reshape.html>

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::moving::Reordered;
use crate::*;

const NAME: &str = "reshape";

/// The values of an input in PyTorch's order, `[N, ...]`, under other axes. The batch axis stays as it is.
///
/// ```
/// use convscope_ops::{Layer, Reshape, Shape};
/// let reshape = Reshape { shape: vec![4, -1] };
/// assert_eq!(reshape.output_shape(&[Shape::image(8, [3, 5])])?.axes(), [4, 30]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The axes after the batch axis; one may be -1, and is as long as the others leave it.
    pub shape: Vec<isize>,
}

impl Layer for Reshape {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::required("shape", "the axes after the batch axis; one may be -1, for the rest")] }
    }

    fn keras_name(&self) -> &'static str {
        "reshape"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let axes: Vec<String> = self.shape.iter().map(|axis| format!(", {axis}")).collect();
        Some(Torch::Expression(format!("{{0}}.reshape({{0}}.shape[0]{})", axes.concat())))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        Some(Onnx::reshape(self.output_shape(inputs).ok()?.axes()))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let input = one_input(NAME, inputs)?;
        let wrong = |problem: String| OpError::argument(NAME, "shape", problem);
        let asked = &self.shape;
        if let Some(axis) = asked.iter().find(|&&axis| axis < -1) {
            return Err(wrong(format!("has {axis}; an axis is at least 0, or -1 for the rest")));
        }
        let free = asked.iter().filter(|&&axis| axis == -1).count();
        if free > 1 {
            return Err(wrong(format!("is {asked:?}; only one axis can be -1")));
        }
        let fixed = asked
            .iter()
            .filter(|&&axis| axis != -1)
            .try_fold(1usize, |product, &axis| product.checked_mul(axis.unsigned_abs()));
        let fits = fixed.filter(|&fixed| match free {
            0 => fixed == input.len(),
            _ => fixed > 0 && input.len().is_multiple_of(fixed),
        });
        let Some(fixed) = fits else {
            return Err(wrong(format!("is {asked:?}, the input {input} has {} elements", input.len())));
        };
        let axis = |&axis: &isize| if axis == -1 { input.len() / fixed } else { axis.unsigned_abs() };
        Shape::new(&asked.iter().map(axis).collect::<Vec<_>>())
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let output = self.output_shape(inputs).expect("output_shape accepted these inputs");
        Box::new(Reordered::new(inputs[0], output))
    }
}
