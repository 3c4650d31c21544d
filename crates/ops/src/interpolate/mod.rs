//! An image at another size.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html>

use serde::{Deserialize, Serialize};

use crate::defaults::is_no;
use crate::layer::one_image;
use crate::limits::{check_elements, check_plane};
use crate::*;

const NAME: &str = "interpolate";

/// How [`Interpolate`] finds the value of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum InterpolateMode {
    /// The pixel at the position rounded down, as PyTorch's `nearest`.
    #[default]
    #[serde(rename = "nearest")]
    Nearest,
    /// The pixel whose middle is nearest.
    #[serde(rename = "nearest-exact")]
    NearestExact,
    /// Between the two nearest pixels along each axis.
    #[serde(rename = "bilinear")]
    Bilinear,
}

/// A factor for rows and one for columns; in files a single number stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "scale_factor must be a number, or one for rows and one for columns")]
pub enum ScaleFactor {
    /// For both.
    Both(f64),
    /// For rows and for columns.
    Each([f64; 2]),
}

/// Resizing of images; arguments and defaults of `torch.nn.functional.interpolate`.
///
/// ```
/// use convscope_ops::{Interpolate, Layer, ScaleFactor, Shape};
/// let twice = Interpolate { scale_factor: Some(ScaleFactor::Both(2.0)), ..Interpolate::default() };
/// assert_eq!(twice.output_shape(&[Shape::image(8, [3, 5])])?, Shape::image(8, [6, 10]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Interpolate {
    /// Rows and columns of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Pair>,
    /// The output's size as a multiple of the input's, rounded down; one of both is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_factor: Option<ScaleFactor>,
    /// How values are found; default the nearest one.
    #[serde(default, skip_serializing_if = "is_nearest")]
    pub mode: InterpolateMode,
    /// Whether the middles of the corner pixels fall together, and not the corners; default no; of `bilinear` only.
    #[serde(default, skip_serializing_if = "is_no")]
    pub align_corners: bool,
}

fn is_nearest(mode: &InterpolateMode) -> bool {
    *mode == InterpolateMode::Nearest
}

/// The two pixels along an axis from which one is made, and the share of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Taps {
    first: usize,
    second: usize,
    share: f32,
}

impl Interpolate {
    fn output(&self, input: [usize; 2]) -> Result<[usize; 2], OpError> {
        let asked = match (self.size, self.scale_factor) {
            (Some(size), None) => size.at_least_one(NAME, "size")?.array(),
            (None, Some(scale)) => {
                let factors = factors(scale);
                if factors.iter().any(|factor| !factor.is_finite() || *factor <= 0.0 || *factor > 4096.0) {
                    let problem = format!("is {factors:?}, must be above 0 and at most 4096");
                    return Err(OpError::argument(NAME, "scale_factor", problem));
                }
                [0, 1].map(|axis| (input[axis] as f64 * factors[axis]).floor() as usize)
            }
            _ => return Err(OpError::argument(NAME, "size", "or scale_factor is needed, and not both")),
        };
        if asked.contains(&0) {
            let problem = format!("makes {asked:?} pixels of {input:?}");
            return Err(OpError::argument(NAME, "scale_factor", problem));
        }
        Ok(asked)
    }

    /// For each place along an axis of the output, where its value comes from.
    fn taps(&self, input: usize, output: usize, factor: Option<f64>) -> Vec<Taps> {
        let ratio = factor.map_or(input as f64 / output as f64, |factor| 1.0 / factor);
        // PyTorch finds the places in single precision.
        let (scale, last) = (ratio as f32, input - 1);
        let one = |at: f32| {
            let at = (at.max(0.0).floor() as usize).min(last);
            Taps { first: at, second: at, share: 0.0 }
        };
        let between = |at: f32| {
            let at = at.max(0.0);
            let first = (at.floor() as usize).min(last);
            Taps { first, second: (first + 1).min(last), share: (at - first as f32).clamp(0.0, 1.0) }
        };
        (0..output)
            .map(|place| match self.mode {
                // PyTorch copies, or doubles, if the sizes say so, whatever the factor.
                InterpolateMode::Nearest | InterpolateMode::Bilinear if output == input => one(place as f32),
                InterpolateMode::Nearest if output == 2 * input => one((place / 2) as f32),
                InterpolateMode::Nearest => one(place as f32 * scale),
                InterpolateMode::NearestExact => one((place as f32 + 0.5) * scale),
                InterpolateMode::Bilinear if self.align_corners => {
                    let scale = if output > 1 { last as f32 / (output - 1) as f32 } else { 0.0 };
                    between(place as f32 * scale)
                }
                InterpolateMode::Bilinear => between(scale * (place as f32 + 0.5) - 0.5),
            })
            .collect()
    }
}

fn factors(scale: ScaleFactor) -> [f64; 2] {
    match scale {
        ScaleFactor::Both(factor) => [factor; 2],
        ScaleFactor::Each(factors) => factors,
    }
}

impl Layer for Interpolate {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::optional("size", "None", "rows and columns of the output"),
                Argument::optional("scale_factor", "None", "the output's size as a multiple of the input's"),
                Argument::optional("mode", "nearest", "nearest, nearest-exact or bilinear"),
                Argument::optional(
                    "align_corners",
                    "False",
                    "whether the middles of the corner pixels fall together",
                ),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "up_sampling2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.interpolate", self))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let (mode, place, nearest) = match (self.mode, self.align_corners) {
            (InterpolateMode::Nearest, _) => ("nearest", "asymmetric", "floor"),
            (InterpolateMode::NearestExact, _) => ("nearest", "half_pixel", "round_prefer_ceil"),
            (InterpolateMode::Bilinear, false) => ("linear", "half_pixel", "floor"),
            (InterpolateMode::Bilinear, true) => ("linear", "align_corners", "floor"),
        };
        let resize = OnnxNode::new("Resize").input(0).with(OnnxInput::Nothing);
        let resize = match self.scale_factor {
            None => {
                let size = self.output_shape(inputs).ok()?.size().map(|side| side as i64);
                resize.with(OnnxInput::Nothing).integers_input(size)
            }
            Some(factor) => {
                let factors = match factor {
                    ScaleFactor::Both(factor) => [factor; 2],
                    ScaleFactor::Each(factors) => factors,
                };
                resize.with(OnnxInput::Numbers(vec![2], factors.map(|factor| factor as f32).to_vec()))
            }
        };
        Some(
            resize
                .integers("axes", [2, 3])
                .text("mode", mode)
                .text("coordinate_transformation_mode", place)
                .text("nearest_mode", nearest)
                .into(),
        )
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        if input.contains(&0) {
            return Err(OpError::shape(NAME, format!("takes an image with pixels, not {}", inputs[0])));
        }
        if self.align_corners && self.mode != InterpolateMode::Bilinear {
            return Err(OpError::argument(NAME, "align_corners", "is an argument of the mode bilinear only"));
        }
        let output = self.output(input)?;
        check_plane(NAME, "a plane of the output", output, input)?;
        check_elements(NAME, "the output", &[channels, output[0], output[1]])?;
        Ok(Shape::image(channels, output))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let (channels, input) = (inputs[0].channels(), inputs[0].size());
        let output = self.output(input).expect("output_shape accepted these inputs");
        let factors = self.scale_factor.map(factors);
        let taps = |axis: usize| self.taps(input[axis], output[axis], factors.map(|factors| factors[axis]));
        Box::new(BoundInterpolate { channels, input, rows: taps(0), columns: taps(1) })
    }
}

#[derive(Debug)]
struct BoundInterpolate {
    channels: usize,
    input: [usize; 2],
    rows: Vec<Taps>,
    columns: Vec<Taps>,
}

impl BoundInterpolate {
    fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    fn output_len(&self) -> usize {
        self.channels * self.rows.len() * self.columns.len()
    }

    /// Calls `visit` with where each pixel of the output begins, and the pixels of the input with their shares.
    fn each(&self, mut visit: impl FnMut(usize, usize, f32)) {
        let mut to = 0;
        for row in &self.rows {
            for column in &self.columns {
                for (y, by_row) in [(row.first, 1.0 - row.share), (row.second, row.share)] {
                    for (x, by_column) in [(column.first, 1.0 - column.share), (column.second, column.share)]
                    {
                        let share = by_row * by_column;
                        if share != 0.0 {
                            visit(to, (y * self.input[1] + x) * self.channels, share);
                        }
                    }
                }
                to += self.channels;
            }
        }
    }
}

impl Bound for BoundInterpolate {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        call.output.fill(0.0);
        let images = call.inputs.get(0).chunks_exact(self.input_len());
        for (input, output) in images.zip(call.output.chunks_exact_mut(self.output_len())) {
            self.each(|to, from, share| {
                let pixel = output[to..to + self.channels].iter_mut();
                pixel.zip(&input[from..from + self.channels]).for_each(|(y, x)| *y += share * x);
            });
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.fill(0.0);
        let images = d_input.chunks_exact_mut(self.input_len());
        for (d_input, d_output) in images.zip(call.d_output.chunks_exact(self.output_len())) {
            self.each(|to, from, share| {
                let pixel = d_input[from..from + self.channels].iter_mut();
                pixel.zip(&d_output[to..to + self.channels]).for_each(|(sum, d)| *sum += share * d);
            });
        }
    }
}
