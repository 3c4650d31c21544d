//! Values set to zero at random.
//!
//! In training each value is set to zero with probability `p` and otherwise multiplied by `1 / (1 - p)`, so that its
//! expectation stays the same; in inference nothing changes.
//!
//! A hash of the seed, the step, the node, the image's position in the batch and the value's position in the image
//! decides which values are dropped. So a backward pass finds them again without a stored mask, and they do not depend
//! on the number of threads. PyTorch drops different values.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html>, Srivastava et al.,
//! "Dropout: a simple way to prevent neural networks from overfitting", 2014.

use crate::arrays::{array, values};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::random;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "dropout";

/// Dropout of `input`, whose first axis counts images; `sample` identifies the draw (PyTorch's default `p` is 0.5).
///
/// # Errors
/// A `p` outside 0 to 1.
///
/// ```
/// use convscope_ops::{Mode, Sample, dropout};
/// use ndarray::Array2;
/// let input = Array2::ones((2, 50)).into_dyn();
/// let output = dropout(input.view(), 0.75, Mode::Training, Sample::default())?;
/// assert!(output.iter().all(|&y| y == 0.0 || y == 4.0));
/// assert_eq!(dropout(input.view(), 0.75, Mode::Inference, Sample::default())?, input);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn dropout(
    input: ArrayViewD<'_, f32>,
    p: f64,
    mode: Mode,
    sample: Sample,
) -> Result<ArrayD<f32>, OpError> {
    let dropout = Dropout { p };
    dropout.check()?;
    let images = input.shape().first().copied().unwrap_or(1);
    let bound = BoundDropout::new(&dropout, input.len() / images.max(1), mode);
    let mut output = vec![0.0; input.len()];
    bound.mask(Isa::best(), sample, &values(input.view()), &mut output);
    Ok(array(input.shape(), output))
}

/// The gradient of [`dropout()`] for the same `p`, mode and sample: `d_output` where the input was kept, scaled
/// likewise.
///
/// # Errors
/// As [`dropout()`].
///
/// ```
/// use convscope_ops::{Mode, Sample, dropout, dropout_backward};
/// use ndarray::Array2;
/// let ones = Array2::ones((2, 50)).into_dyn();
/// let output = dropout(ones.view(), 0.75, Mode::Training, Sample::default())?;
/// assert_eq!(dropout_backward(ones.view(), 0.75, Mode::Training, Sample::default())?, output);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn dropout_backward(
    d_output: ArrayViewD<'_, f32>,
    p: f64,
    mode: Mode,
    sample: Sample,
) -> Result<ArrayD<f32>, OpError> {
    dropout(d_output, p, mode, sample)
}

/// Dropout as a layer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability that a value is set to zero; default 0.5.
    #[serde(default = "one_half")]
    pub p: f64,
}

impl Dropout {
    fn check(&self) -> Result<(), OpError> {
        if (0.0..=1.0).contains(&self.p) {
            return Ok(());
        }
        Err(OpError::argument(NAME, "p", format!("is {}, a probability is from 0 to 1", self.p)))
    }
}

impl Default for Dropout {
    fn default() -> Dropout {
        Dropout { p: one_half() }
    }
}

fn one_half() -> f64 {
    0.5
}

impl Layer for Dropout {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "dropout"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression(format!("F.dropout({{0}}, {}, self.training)", self.p)))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(Onnx::identity())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.check()?;
        one_input(NAME, inputs)
    }

    fn is_identity_in_inference(&self) -> bool {
        true
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundDropout::new(self, inputs[0].len(), options.mode))
    }
}

#[derive(Debug)]
struct BoundDropout {
    /// Elements of an image.
    len: usize,
    /// The probability in units of 2^-32.
    threshold: u64,
    scale: f32,
    mode: Mode,
}

impl BoundDropout {
    fn new(&Dropout { p }: &Dropout, len: usize, mode: Mode) -> BoundDropout {
        let threshold = (p * (1u64 << 32) as f64).round() as u64;
        let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
        BoundDropout { len, threshold, scale, mode }
    }

    fn mask(&self, isa: Isa, sample: Sample, input: &[f32], output: &mut [f32]) {
        if !self.mode.is_training() || self.len == 0 {
            output.copy_from_slice(input);
            return;
        }
        let images = input.chunks_exact(self.len).zip(output.chunks_exact_mut(self.len));
        for (image, (x, y)) in images.enumerate() {
            let key = random::key(&[
                sample.seed,
                sample.step,
                sample.node as u64,
                (sample.first_image + image) as u64,
            ]);
            random::mask(isa, key, self.threshold, self.scale, x, y);
        }
    }
}

impl Bound for BoundDropout {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        self.mask(call.isa, call.sample, call.inputs.get(0), call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        self.mask(call.isa, call.sample, call.d_output, d_input);
    }
}
