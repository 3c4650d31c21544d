//! The largest value of each of a given number of windows.
//!
//! The windows are those of `adaptive_avg_pool2d`: along an axis of `in` pixels, window `i` of `out` reaches from
//! `floor(i * in / out)` to `ceil((i + 1) * in / out)`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html>

use convscope_kernels::pool;
use convscope_kernels::pool::Windows;
use serde::{Deserialize, Serialize};

use crate::layer::one_image;
use crate::*;

const NAME: &str = "adaptive_max_pool2d";

/// Maxima of windows that follow from the size of the output; the argument of `torch.nn.AdaptiveMaxPool2d`.
///
/// ```
/// use convscope_ops::{AdaptiveMaxPool2d, Layer, Shape};
/// let pool = AdaptiveMaxPool2d { output_size: [2, 3].into() };
/// assert_eq!(pool.output_shape(&[Shape::image(8, [5, 7])])?, Shape::image(8, [2, 3]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveMaxPool2d {
    /// Rows and columns of the output.
    pub output_size: OutputSize,
}

impl AdaptiveMaxPool2d {
    fn windows(&self, channels: usize, input: [usize; 2]) -> Result<Windows, OpError> {
        AdaptiveAvgPool2d { output_size: self.output_size }.windows(NAME, channels, input)
    }
}

impl Layer for AdaptiveMaxPool2d {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::required("output_size", "rows and columns of the output")] }
    }

    fn keras_name(&self) -> &'static str {
        "max_pooling2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.adaptive_max_pool2d", self))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let input = inputs[0].size();
        let output = self.output_shape(inputs).ok()?.size();
        if !(0..2).all(|axis| input[axis].is_multiple_of(output[axis])) {
            return None;
        }
        let kernel = [0, 1].map(|axis| input[axis] / output[axis]);
        let pool = OnnxNode::new("MaxPool").input(0);
        Some(pool.sizes("kernel_shape", &kernel).sizes("strides", &kernel).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let windows = self.windows(channels, input)?;
        Ok(Shape::image(channels, [windows.rows.len(), windows.columns.len()]))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let windows = self.windows(inputs[0].channels(), inputs[0].size());
        Box::new(BoundAdaptiveMax(windows.expect("output_shape accepted these inputs")))
    }
}

#[derive(Debug)]
struct BoundAdaptiveMax(Windows);

impl Bound for BoundAdaptiveMax {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        pool::max(call.isa, &self.0, call.inputs.get(0), call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        pool::max_backward(call.isa, &self.0, call.inputs.get(0), call.d_output, d_input);
    }
}
