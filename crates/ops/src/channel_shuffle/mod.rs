//! Channels of groups in turn.
//!
//! `output[j * g + i] = input[i * (C / g) + j]` for the group `i` of `g`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html>; Zhang et al., "ShuffleNet: an
//! extremely efficient convolutional neural network for mobile devices", 2018.

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::moving::Gathered;
use crate::onnx::with_batch;
use crate::*;

const NAME: &str = "channel_shuffle";

/// The first channel of each group, then the second of each, and so on; the argument of `torch.nn.ChannelShuffle`.
///
/// ```
/// use convscope_ops::{ChannelShuffle, Mode, Sample, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]]).into_dyn();
/// let shuffle = ChannelShuffle { groups: 2 };
/// let y = apply(&shuffle, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert_eq!(y, arr2(&[[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelShuffle {
    /// Groups of channels.
    pub groups: usize,
}

impl Layer for ChannelShuffle {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::required("groups", "groups of channels")] }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression(format!("F.channel_shuffle({{0}}, {})", self.groups)))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let (channels, [rows, columns]) = inputs[0].as_image()?;
        let grouped = [self.groups, channels / self.groups, rows, columns];
        Some(Onnx::from([
            OnnxNode::new("Reshape").input(0).integers_input(with_batch(&grouped)),
            OnnxNode::new("Transpose").node(0).sizes("perm", &[0, 2, 1, 3, 4]),
            OnnxNode::new("Reshape").node(1).integers_input(with_batch(&[channels, rows, columns])),
        ]))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        if self.groups == 0 || shape.channels() % self.groups != 0 {
            let problem = format!("is {}, it must divide {} channels", self.groups, shape.channels());
            return Err(OpError::argument(NAME, "groups", problem));
        }
        Ok(shape)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let channels = inputs[0].channels();
        let each = channels / self.groups;
        let pixel = |position: usize| {
            (0..channels)
                .map(move |to| (position * channels + to % self.groups * each + to / self.groups) as u32)
        };
        Box::new(Gathered { from: (0..inputs[0].positions()).flat_map(pixel).collect() })
    }
}
