//! The arguments of a mean pooling, and the layer.

use super::NAME;
use crate::defaults::{is_no, is_yes, is_zero, one, yes, zero};
use crate::layer::one_image;
use crate::pooling::{BoundMean, Mean, Sliding};
use crate::*;
use convscope_kernels::pool::Windows;
use serde::{Deserialize, Serialize};

/// The arguments of [`avg_pool2d()`] with PyTorch's names and defaults, and the layer with these arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Steps between windows; default `kernel_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Rows and columns of zeros added at each side, at most half of `kernel_size`; default 0.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
    /// Whether to keep a last window that extends beyond the padded image; default no.
    #[serde(default, skip_serializing_if = "is_no")]
    pub ceil_mode: bool,
    /// Whether the zeros of the padding count in the mean; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub count_include_pad: bool,
    /// Divides the sums instead of the number of pixels; not 0, default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divisor_override: Option<i64>,
}

impl AvgPool2d {
    /// Windows of this size, side by side, with PyTorch's defaults for everything else.
    pub fn new(kernel_size: impl Into<Pair>) -> AvgPool2d {
        AvgPool2d {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: zero(),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }

    pub(super) fn mean(&self, channels: usize, input: [usize; 2]) -> Result<Mean, OpError> {
        let &AvgPool2d { kernel_size, stride, padding, ceil_mode, .. } = self;
        if self.divisor_override == Some(0) {
            return Err(OpError::argument(NAME, "divisor_override", "is 0, sums cannot be divided by it"));
        }
        let sliding = Sliding { operator: NAME, kernel_size, stride, padding, dilation: one(), ceil_mode };
        let [rows, columns] = sliding.windows(input)?;
        let mut factors = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            for column in &columns {
                let inside = (row.inside.end - row.inside.start) * (column.inside.end - column.inside.start);
                let pixels = if self.count_include_pad { row.padded * column.padded } else { inside };
                let divisor = self.divisor_override.map_or(pixels as f64, |divisor| divisor as f64);
                factors.push((1.0 / divisor) as f32);
            }
        }
        let rows = rows.into_iter().map(|window| window.inside).collect();
        let columns = columns.into_iter().map(|window| window.inside).collect();
        Ok(Mean { windows: Windows { channels, input, rows, columns }, factors })
    }
}

impl Layer for AvgPool2d {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "average_pooling2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.avg_pool2d", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let kernel = self.kernel_size.array();
        let Pair { rows, columns } = self.padding;
        let counts = self.count_include_pad || self.divisor_override.is_some();
        let pool = OnnxNode::new("AveragePool")
            .input(0)
            .sizes("kernel_shape", &kernel)
            .sizes("strides", &self.stride.unwrap_or(self.kernel_size).array())
            .sizes("pads", &[rows, columns, rows, columns])
            .int("ceil_mode", self.ceil_mode.into())
            .int("count_include_pad", counts.into());
        match self.divisor_override {
            None => Some(pool.into()),
            // A last window that is cut off has fewer pixels.
            Some(_) if self.ceil_mode => None,
            Some(divisor) => {
                let factor = (kernel[0] * kernel[1]) as f64 / divisor as f64;
                Some(Onnx::from([pool, OnnxNode::new("Mul").node(0).number(factor)]))
            }
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let windows = self.mean(channels, input)?.windows;
        Ok(Shape::image(channels, [windows.rows.len(), windows.columns.len()]))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let mean = self.mean(inputs[0].channels(), inputs[0].size());
        Box::new(BoundMean(mean.expect("output_shape accepted these inputs")))
    }
}
