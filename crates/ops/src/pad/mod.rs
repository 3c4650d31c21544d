//! Rows and columns added around an image, or taken away.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html>

use serde::{Deserialize, Serialize};

use crate::layer::one_image;
use crate::limits::{check_elements, check_plane};
use crate::pointwise::finite;
use crate::*;

const NAME: &str = "pad";

/// What [`Pad`] adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// A number.
    #[default]
    Constant,
    /// The image mirrored at its first and last pixel, without repeating it.
    Reflect,
    /// The first and last pixel again and again.
    Replicate,
    /// The other end of the image.
    Circular,
}

/// Padding of the four sides of an image, with PyTorch's argument names: `pad` is left, right, top, bottom; a negative number takes
/// away.
///
/// ```
/// use convscope_ops::{Layer, Pad, Shape};
/// let pad = Pad::new([1, 2, 0, -1]);
/// assert_eq!(pad.output_shape(&[Shape::image(8, [3, 5])])?, Shape::image(8, [2, 8]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Left, right, top, bottom.
    pub pad: [isize; 4],
    /// What is added; default a constant.
    #[serde(default, skip_serializing_if = "is_constant")]
    pub mode: PadMode,
    /// The constant; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value: f64,
}

fn is_constant(mode: &PadMode) -> bool {
    *mode == PadMode::Constant
}
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Pad {
    /// Zeros at the left, right, top and bottom.
    pub fn new(pad: [isize; 4]) -> Pad {
        Pad { pad, mode: PadMode::Constant, value: 0.0 }
    }

    /// The length of an axis of `len` with what is added before and behind.
    fn side(&self, len: usize, before: isize, behind: isize) -> Result<usize, OpError> {
        const MOST: isize = 1 << 24;
        let wrong = |problem: String| Err(OpError::argument(NAME, "pad", problem));
        if before.abs() > MOST || behind.abs() > MOST {
            return wrong(format!("is {:?}, each number must be from -{MOST} to {MOST}", self.pad));
        }
        let padded = len as isize + before + behind;
        if padded < 1 {
            return wrong(format!("is {:?}, which leaves nothing of {len} rows or columns", self.pad));
        }
        let most = match self.mode {
            PadMode::Constant | PadMode::Replicate => MOST,
            PadMode::Reflect => len as isize - 1,
            PadMode::Circular => len as isize,
        };
        if before > most || behind > most {
            return wrong(format!(
                "is {:?}, this mode can add at most {most} to {len} rows or columns",
                self.pad
            ));
        }
        Ok(padded as usize)
    }

    fn size(&self, [rows, columns]: [usize; 2]) -> Result<[usize; 2], OpError> {
        let [left, right, top, bottom] = self.pad;
        Ok([self.side(rows, top, bottom)?, self.side(columns, left, right)?])
    }

    /// For each place along an axis of the output, that of the input; none where there is the constant.
    fn places(&self, len: usize, padded: usize, before: isize) -> Vec<Option<usize>> {
        let len = len as isize;
        let place = |at: usize| {
            let at = at as isize - before;
            let place = match self.mode {
                _ if (0..len).contains(&at) => at,
                PadMode::Constant => return None,
                PadMode::Reflect if at < 0 => -at,
                PadMode::Reflect => 2 * (len - 1) - at,
                PadMode::Replicate => at.clamp(0, len - 1),
                PadMode::Circular => at.rem_euclid(len),
            };
            Some(place as usize)
        };
        (0..padded).map(place).collect()
    }
}

impl Layer for Pad {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("pad", "columns added left and right, rows added above and below"),
                Argument::optional("mode", "constant", "constant, reflect, replicate or circular"),
                Argument::optional("value", "0.0", "the constant"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "zero_padding2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.pad", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let [left, right, top, bottom] = self.pad.map(|side| side as i64);
        let node = OnnxNode::new("Pad").input(0).integers_input([0, 0, top, left, 0, 0, bottom, right]);
        let node = match self.mode {
            PadMode::Constant => node.number(self.value).text("mode", "constant"),
            PadMode::Reflect => node.text("mode", "reflect"),
            PadMode::Replicate => node.text("mode", "edge"),
            PadMode::Circular => node.text("mode", "wrap"),
        };
        Some(node.into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        finite(NAME, "value", self.value)?;
        let output = self.size(input)?;
        check_plane(NAME, "a padded plane", output, input)?;
        check_elements(NAME, "the output", &[channels, output[0], output[1]])?;
        Ok(Shape::image(channels, output))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let (channels, input) = (inputs[0].channels(), inputs[0].size());
        let output = self.size(input).expect("output_shape accepted these inputs");
        Box::new(BoundPad {
            channels,
            input,
            rows: self.places(input[0], output[0], self.pad[2]),
            columns: self.places(input[1], output[1], self.pad[0]),
            value: self.value as f32,
        })
    }
}

#[derive(Debug)]
struct BoundPad {
    channels: usize,
    input: [usize; 2],
    rows: Vec<Option<usize>>,
    columns: Vec<Option<usize>>,
    value: f32,
}

impl BoundPad {
    fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    fn output_len(&self) -> usize {
        self.channels * self.rows.len() * self.columns.len()
    }

    /// Calls `visit` with where each pixel of the output begins, and that of the input.
    fn each(&self, mut visit: impl FnMut(usize, Option<usize>)) {
        let mut to = 0;
        for &row in &self.rows {
            for &column in &self.columns {
                let from =
                    row.zip(column).map(|(row, column)| (row * self.input[1] + column) * self.channels);
                visit(to, from);
                to += self.channels;
            }
        }
    }
}

impl Bound for BoundPad {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        let images = call.inputs.get(0).chunks_exact(self.input_len());
        for (input, output) in images.zip(call.output.chunks_exact_mut(self.output_len())) {
            self.each(|to, from| {
                let pixel = &mut output[to..to + self.channels];
                match from {
                    Some(from) => pixel.copy_from_slice(&input[from..from + self.channels]),
                    None => pixel.fill(self.value),
                }
            });
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.fill(0.0);
        let images = d_input.chunks_exact_mut(self.input_len());
        for (d_input, d_output) in images.zip(call.d_output.chunks_exact(self.output_len())) {
            self.each(|to, from| {
                let Some(from) = from else { return };
                let pixel = d_input[from..from + self.channels].iter_mut();
                pixel.zip(&d_output[to..to + self.channels]).for_each(|(sum, d)| *sum += d);
            });
        }
    }
}
