//! The arguments of a maximum pooling, and the form that the executor runs.

use super::NAME;
use crate::defaults::{is_no, is_one, is_zero, one, zero};
use crate::layer::one_image;
use crate::pooling::Sliding;
use crate::*;
use convscope_kernels::pool::{self, Span, Windows};
use serde::{Deserialize, Serialize};

/// The arguments of [`max_pool2d()`] with PyTorch's names and defaults, and the layer with these arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Steps between windows; default `kernel_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Rows and columns added at each side, at most half of `kernel_size`; default 0.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
    /// Distance between the positions of a window; default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: Pair,
    /// Whether to keep a last window that extends beyond the padded image; default no.
    #[serde(default, skip_serializing_if = "is_no")]
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// Windows of this size, side by side, with PyTorch's defaults for everything else.
    pub fn new(kernel_size: impl Into<Pair>) -> MaxPool2d {
        let (stride, padding, dilation) = (None, zero(), one());
        MaxPool2d { kernel_size: kernel_size.into(), stride, padding, dilation, ceil_mode: false }
    }

    pub(super) fn windows(&self, channels: usize, input: [usize; 2]) -> Result<Windows, OpError> {
        let &MaxPool2d { kernel_size, stride, padding, dilation, ceil_mode } = self;
        let sliding = Sliding { operator: NAME, kernel_size, stride, padding, dilation, ceil_mode };
        let [rows, columns] = sliding
            .windows(input)?
            .map(|windows| windows.into_iter().map(|window| window.inside).collect::<Vec<_>>());
        if rows.iter().chain(&columns).any(|span| span.start >= span.end) {
            let problem = format!(
                "is {:?}, which leaves a window without any pixel of the {input:?} input",
                dilation.array()
            );
            return Err(OpError::argument(NAME, "dilation", problem));
        }
        let largest = |spans: &[Span]| spans.iter().map(|span| span.count()).max().unwrap_or(0);
        let positions = largest(&rows).saturating_mul(largest(&columns));
        if positions > Windows::MOST_POSITIONS {
            let most = Windows::MOST_POSITIONS;
            let problem = format!("makes windows of {positions} pixels, must be at most {most}");
            return Err(OpError::argument(NAME, "kernel_size", problem));
        }
        Ok(Windows { channels, input, rows, columns })
    }
}

impl Layer for MaxPool2d {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "max_pooling2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.max_pool2d", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let Pair { rows, columns } = self.padding;
        Some(
            OnnxNode::new("MaxPool")
                .input(0)
                .sizes("kernel_shape", &self.kernel_size.array())
                .sizes("strides", &self.stride.unwrap_or(self.kernel_size).array())
                .sizes("dilations", &self.dilation.array())
                .sizes("pads", &[rows, columns, rows, columns])
                .int("ceil_mode", self.ceil_mode.into())
                .into(),
        )
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let windows = self.windows(channels, input)?;
        Ok(Shape::image(channels, [windows.rows.len(), windows.columns.len()]))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let windows = self.windows(inputs[0].channels(), inputs[0].size());
        Box::new(BoundMaxPool2d { windows: windows.expect("output_shape accepted these inputs") })
    }
}

#[derive(Debug)]
struct BoundMaxPool2d {
    windows: Windows,
}

impl Bound for BoundMaxPool2d {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        pool::max(call.isa, &self.windows, call.inputs.get(0), call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        pool::max_backward(call.isa, &self.windows, call.inputs.get(0), call.d_output, d_input);
    }
}
