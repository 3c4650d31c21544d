//! Channels spread over a finer grid of pixels.
//!
//! `output[c, h * r + i, w * r + j] = input[c * r^2 + i * r + j, h, w]`
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html>; Shi et al., "Real-time single image
//! and video super-resolution using an efficient sub-pixel convolutional neural network", 2016.

use serde::{Deserialize, Serialize};

use crate::layer::one_image;
use crate::limits::check_plane;
use crate::moving::Gathered;
use crate::*;

const NAME: &str = "pixel_shuffle";

/// From `[C * r^2, H, W]` to `[C, H * r, W * r]`; the argument of `torch.nn.PixelShuffle`.
///
/// ```
/// use convscope_ops::{Layer, PixelShuffle, Shape};
/// let shuffle = PixelShuffle { upscale_factor: 2 };
/// assert_eq!(shuffle.output_shape(&[Shape::image(12, [3, 5])])?, Shape::image(3, [6, 10]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PixelShuffle {
    /// `r`.
    pub upscale_factor: usize,
}

impl Layer for PixelShuffle {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::required("upscale_factor", "how much finer the grid becomes")] }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.pixel_shuffle", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let node = OnnxNode::new("DepthToSpace").input(0).int("blocksize", self.upscale_factor as i64);
        Some(node.text("mode", "CRD").into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let factor = self.upscale_factor;
        let square = factor.checked_mul(factor).filter(|&square| square > 0 && channels % square == 0);
        let Some(square) = square else {
            let problem = format!("is {factor}, and its square must divide {channels} channels");
            return Err(OpError::argument(NAME, "upscale_factor", problem));
        };
        let output = input.map(|side| side.saturating_mul(factor));
        check_plane(NAME, "a plane of the output", output, input)?;
        Ok(Shape::image(channels / square, output))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let (channels, [rows, columns]) = (inputs[0].channels(), inputs[0].size());
        let factor = self.upscale_factor;
        let mut from = Vec::with_capacity(inputs[0].len());
        for y in 0..rows * factor {
            for x in 0..columns * factor {
                let pixel = (y / factor * columns + x / factor) * channels;
                let within = y % factor * factor + x % factor;
                from.extend(
                    (0..channels / (factor * factor)).map(|c| (pixel + c * factor * factor + within) as u32),
                );
            }
        }
        Box::new(Gathered { from })
    }
}
