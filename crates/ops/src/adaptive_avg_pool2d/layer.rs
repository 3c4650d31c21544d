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

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let input = inputs[0].size();
        let output = self.output_shape(inputs).ok()?.size();
        if output == [1, 1] {
            return Some(Onnx::function("GlobalAveragePool"));
        }
        if (0..2).all(|axis| input[axis].is_multiple_of(output[axis])) {
            let kernel = [0, 1].map(|axis| input[axis] / output[axis]);
            let pool = OnnxNode::new("AveragePool").input(0);
            return Some(pool.sizes("kernel_shape", &kernel).sizes("strides", &kernel).into());
        }
        // Windows of different sizes: a matrix takes the means of columns, another one those of rows.
        let means = |axis: usize| -> Vec<f32> {
            let (input, output) = (input[axis], output[axis]);
            let of_window =
                |at: usize| {
                    let (start, end) = (at * input / output, ((at + 1) * input).div_ceil(output));
                    (0..input).map(move |place| {
                        if (start..end).contains(&place) { 1.0 / (end - start) as f32 } else { 0.0 }
                    })
                };
            (0..output).flat_map(of_window).collect()
        };
        let by_rows = OnnxInput::Numbers(vec![output[0], input[0]], means(0));
        let by_columns = OnnxInput::Numbers(vec![output[1], input[1]], means(1));
        Some(Onnx::from([
            OnnxNode::new("MatMul").with(by_rows).input(0),
            OnnxNode::new("Transpose").with(by_columns).sizes("perm", &[1, 0]),
            OnnxNode::new("MatMul").node(0).node(1),
        ]))
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
