//! Normalisation of each value by those of the channels beside it.
//!
//! `y = x / (k + alpha / size * sum of x^2 over size channels)^beta`, where the channels begin `size / 2` before, rounded down.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.LocalResponseNorm.html>; Krizhevsky, Sutskever and
//! Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::pointwise::finite;
use crate::*;

const NAME: &str = "local_response_norm";

/// Local response normalisation across channels; arguments and defaults of `torch.nn.LocalResponseNorm`.
///
/// ```
/// use convscope_ops::{LocalResponseNorm, Mode, Sample, apply};
/// use ndarray::arr2;
/// let norm = LocalResponseNorm { alpha: 3.0, beta: 1.0, ..LocalResponseNorm::new(3) };
/// let x = arr2(&[[1.0, 2.0, 2.0]]).into_dyn();
/// let y = apply(&norm, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([1.0 / 6.0, 0.2, 2.0 / 9.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNorm {
    /// Channels that are taken together.
    pub size: usize,
    /// Factor of the mean square; default 1e-4.
    #[serde(default = "default_alpha", skip_serializing_if = "is_default_alpha")]
    pub alpha: f64,
    /// Exponent; default 0.75.
    #[serde(default = "default_beta", skip_serializing_if = "is_default_beta")]
    pub beta: f64,
    /// What is added to the mean square; default 1.
    #[serde(default = "default_k", skip_serializing_if = "is_default_k")]
    pub k: f64,
}

fn default_alpha() -> f64 {
    1e-4
}
fn is_default_alpha(alpha: &f64) -> bool {
    *alpha == default_alpha()
}
fn default_beta() -> f64 {
    0.75
}
fn is_default_beta(beta: &f64) -> bool {
    *beta == default_beta()
}
fn default_k() -> f64 {
    1.0
}
fn is_default_k(k: &f64) -> bool {
    *k == default_k()
}

impl LocalResponseNorm {
    /// Over so many channels, with PyTorch's defaults for everything else.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { size, alpha: default_alpha(), beta: default_beta(), k: default_k() }
    }
}

impl Layer for LocalResponseNorm {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("size", "channels that are taken together"),
                Argument::optional("alpha", "1e-4", "factor of the mean square"),
                Argument::optional("beta", "0.75", "exponent"),
                Argument::optional("k", "1.0", "added to the mean square"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.local_response_norm", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        // PyTorch and ONNX place an even window differently.
        if self.size.is_multiple_of(2) {
            return None;
        }
        Some(
            OnnxNode::new("LRN")
                .input(0)
                .int("size", self.size as i64)
                .float("alpha", self.alpha)
                .float("beta", self.beta)
                .float("bias", self.k)
                .into(),
        )
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        for (argument, value) in [("alpha", self.alpha), ("beta", self.beta), ("k", self.k)] {
            finite(NAME, argument, value)?;
        }
        if self.size == 0 {
            return Err(OpError::argument(NAME, "size", "is 0, must be at least 1"));
        }
        Ok(shape)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundLocalResponseNorm { channels: inputs[0].channels(), norm: *self })
    }
}

#[derive(Debug)]
struct BoundLocalResponseNorm {
    channels: usize,
    norm: LocalResponseNorm,
}

impl BoundLocalResponseNorm {
    /// The channels whose squares count for a channel.
    fn window(&self, channel: usize) -> Range<usize> {
        let size = self.norm.size;
        let start = channel.saturating_sub(size / 2);
        let end = (channel + size).saturating_sub(size / 2);
        start..end.min(self.channels)
    }

    /// The channels for which the square of a channel counts.
    fn readers(&self, channel: usize) -> Range<usize> {
        let size = self.norm.size;
        let start = (channel + size / 2 + 1).saturating_sub(size);
        start..channel.saturating_add(size / 2 + 1).min(self.channels)
    }

    fn base(&self, pixel: &[f32], channel: usize) -> f64 {
        let LocalResponseNorm { size, alpha, k, .. } = self.norm;
        let sum: f64 = pixel[self.window(channel)].iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        k + alpha * sum / size as f64
    }
}

impl Bound for BoundLocalResponseNorm {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        let pixels = call.inputs.get(0).chunks_exact(self.channels);
        for (x, y) in pixels.zip(call.output.chunks_exact_mut(self.channels)) {
            for (channel, y) in y.iter_mut().enumerate() {
                *y = (f64::from(x[channel]) * libm::pow(self.base(x, channel), -self.norm.beta)) as f32;
            }
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let LocalResponseNorm { size, alpha, beta, .. } = self.norm;
        let pixels =
            call.inputs.get(0).chunks_exact(self.channels).zip(call.d_output.chunks_exact(self.channels));
        for ((x, dy), dx) in pixels.zip(d_input.chunks_exact_mut(self.channels)) {
            for (channel, dx) in dx.iter_mut().enumerate() {
                let by_others: f64 = self
                    .readers(channel)
                    .map(|reader| {
                        let part = libm::pow(self.base(x, reader), -beta - 1.0);
                        f64::from(dy[reader]) * f64::from(x[reader]) * part
                    })
                    .sum();
                let own = f64::from(dy[channel]) * libm::pow(self.base(x, channel), -beta);
                *dx = (own - 2.0 * alpha * beta / size as f64 * f64::from(x[channel]) * by_others) as f32;
            }
        }
    }
}
