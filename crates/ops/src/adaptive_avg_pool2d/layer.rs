//! The arguments of an adaptive mean pooling, and the layer.

use super::NAME;
use crate::layer::one_image;
use crate::limits::{check_elements, check_plane};
use crate::pooling::{BoundMean, Mean};
use crate::*;
use convscope_kernels::pool::{Span, Windows};
use serde::{Deserialize, Serialize};

/// The arguments of [`adaptive_avg_pool2d()`], and the layer with these arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2d {
    /// Rows and columns of the output.
    pub output_size: OutputSize,
}

impl AdaptiveAvgPool2d {
    /// An output of this size.
    pub fn new(output_size: impl Into<OutputSize>) -> AdaptiveAvgPool2d {
        AdaptiveAvgPool2d { output_size: output_size.into() }
    }

    /// The windows of an adaptive pooling, of the mean or of the maximum.
    pub(crate) fn windows(
        &self,
        operator: &'static str,
        channels: usize,
        input: [usize; 2],
    ) -> Result<Windows, OpError> {
        let OutputSize { rows, columns } = self.output_size;
        let asked = Pair { rows: rows.unwrap_or(input[0]), columns: columns.unwrap_or(input[1]) };
        let output = asked.at_least_one(operator, "output_size")?.array();
        check_plane(operator, "a plane of the output", output, input)?;
        check_elements(operator, "the output", &[channels, output[0], output[1]])?;
        let [rows, columns] = [0, 1].map(|axis| {
            let (from, to) = (input[axis], output[axis]);
            let span = |i: usize| Span { start: i * from / to, end: ((i + 1) * from).div_ceil(to), step: 1 };
            (0..to).map(span).collect::<Vec<_>>()
        });
        Ok(Windows { channels, input, rows, columns })
    }

    pub(super) fn mean(&self, channels: usize, input: [usize; 2]) -> Result<Mean, OpError> {
        let windows = self.windows(NAME, channels, input)?;
        let mut factors = Vec::with_capacity(windows.rows.len() * windows.columns.len());
        for row in &windows.rows {
            for column in &windows.columns {
                let pixels = (row.end - row.start) * (column.end - column.start);
                factors.push((1.0 / pixels as f64) as f32);
            }
        }
        Ok(Mean { windows, factors })
    }
}

impl Layer for AdaptiveAvgPool2d {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "average_pooling2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.adaptive_avg_pool2d", self))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let windows = self.mean(channels, input)?.windows;
        Ok(Shape::image(channels, [windows.rows.len(), windows.columns.len()]))
    }

    fn bind(&self, inputs: &[Shape], _mode: Mode) -> Box<dyn Bound> {
        let mean = self.mean(inputs[0].channels(), inputs[0].size());
        Box::new(BoundMean(mean.expect("output_shape accepted these inputs")))
    }
}
