//! The matrix product of two values.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.matmul.html>

use convscope_kernels::layout;
use serde::{Deserialize, Serialize};

use crate::limits::check_elements;
use crate::*;

const NAME: &str = "matmul";

/// The products `[N, T, K]` times `[N, K, M]`, image by image; the second input may be a [`Constant`].
///
/// ```
/// use convscope_ops::{Matmul, Mode, Sample, apply};
/// use ndarray::arr3;
/// let (a, b) = (arr3(&[[[1.0, 2.0]]]).into_dyn(), arr3(&[[[10.0, 0.0, 1.0], [1.0, 5.0, 0.0]]]).into_dyn());
/// let y = apply(&Matmul {}, &[a.view(), b.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert_eq!(y, arr3(&[[[12.0, 10.0, 1.0]]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Matmul {}

/// Rows, inner length and columns.
fn sizes(inputs: &[Shape]) -> Result<[usize; 3], OpError> {
    if let [a, b] = inputs
        && let (&[rows, inner], &[other, columns]) = (a.axes(), b.axes())
        && inner == other
        && rows * inner * columns > 0
    {
        return Ok([rows, inner, columns]);
    }
    let shapes: Vec<String> = inputs.iter().map(Shape::to_string).collect();
    Err(OpError::shape(NAME, format!("takes two inputs [T, K] and [K, M], not {}", shapes.join(" and "))))
}

impl Layer for Matmul {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "other"]
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression("torch.matmul({0}, {1})".to_owned()))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        Some(OnnxNode::new("MatMul").all(inputs.len()).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let [rows, _, columns] = sizes(inputs)?;
        check_elements(NAME, "the output", &[rows, columns])?;
        Shape::new(&[rows, columns])
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        sizes(inputs).map_or(0, |sizes| sizes.iter().map(|&size| size as u64).product())
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundMatmul(sizes(inputs).expect("output_shape accepted these inputs")))
    }
}

/// Rows, inner length and columns.
#[derive(Debug)]
struct BoundMatmul([usize; 3]);

/// `c = a b` with single sums in double precision; `at` gives the place of an element of each.
fn product(
    sizes: [usize; 3],
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
    c: &mut [f32],
) {
    let [rows, inner, columns] = sizes;
    for row in 0..rows {
        for column in 0..columns {
            let sum: f64 = (0..inner).map(|k| f64::from(a(row, k)) * f64::from(b(k, column))).sum();
            c[row * columns + column] = sum as f32;
        }
    }
}

impl Bound for BoundMatmul {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn scratch_len(&self, _images: usize) -> usize {
        let [rows, inner, columns] = self.0;
        (rows * columns).max(rows * inner).max(inner * columns)
    }

    // Values of two axes are stored with the first one last: the element [i, j] of a matrix of n rows is at j * n + i.
    fn forward(&self, call: Forward<'_>) {
        let [rows, inner, columns] = self.0;
        let (a, b) = (call.inputs.get(0), call.inputs.get(1));
        let images = a.chunks_exact(rows * inner).zip(b.chunks_exact(inner * columns));
        for ((a, b), output) in images.zip(call.output.chunks_exact_mut(rows * columns)) {
            let space = &mut call.scratch[..rows * columns];
            product([rows, inner, columns], |i, k| a[k * rows + i], |k, j| b[j * inner + k], space);
            layout::to_channels_last(space, rows, rows * columns, output);
        }
    }

    fn backward_input(&self, index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let [rows, inner, columns] = self.0;
        let other = call.inputs.get(1 - index);
        let d_output = call.d_output.chunks_exact(rows * columns);
        if index == 0 {
            let images = d_output.zip(other.chunks_exact(inner * columns));
            for ((d, b), d_a) in images.zip(d_input.chunks_exact_mut(rows * inner)) {
                let space = &mut call.scratch[..rows * inner];
                product([rows, columns, inner], |i, j| d[j * rows + i], |j, k| b[j * inner + k], space);
                layout::to_channels_last(space, rows, rows * inner, d_a);
            }
        } else {
            let images = d_output.zip(other.chunks_exact(rows * inner));
            for ((d, a), d_b) in images.zip(d_input.chunks_exact_mut(inner * columns)) {
                let space = &mut call.scratch[..inner * columns];
                product([inner, rows, columns], |k, i| a[k * rows + i], |i, j| d[j * rows + i], space);
                layout::to_channels_last(space, inner, inner * columns, d_b);
            }
        }
    }
}
