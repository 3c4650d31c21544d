//! Inputs side by side along the channels.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.cat.html> (`torch.concat` is the same).

use crate::*;
use ndarray::{Array4, ArrayView4, Axis, concatenate};
use serde::{Deserialize, Serialize};
use std::ops::Range;

const NAME: &str = "concat";

/// `tensors` `[N, C_i, H, W]` side by side, as `[N, sum of C_i, H, W]`: PyTorch's `concat` with `dim=1`. The gradient
/// of each is its part of the output's gradient.
///
/// # Errors
/// No arrays, or arrays that differ in more than their channels.
///
/// ```
/// use convscope_ops::concat;
/// use ndarray::Array4;
/// let (a, b) = (Array4::<f32>::zeros((2, 3, 5, 4)), Array4::ones((2, 1, 5, 4)));
/// assert_eq!(concat(&[a.view(), b.view()])?.shape(), [2, 4, 5, 4]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn concat(tensors: &[ArrayView4<'_, f32>]) -> Result<Array4<f32>, OpError> {
    let [first, ..] = tensors else {
        return Err(OpError::shape(NAME, "takes one array or more, not 0"));
    };
    let others = |shape: &[usize]| [shape[0], shape[2], shape[3]];
    if let Some(at) = tensors.iter().position(|array| others(array.shape()) != others(first.shape())) {
        let (first, other) = (first.shape(), tensors[at].shape());
        let problem = format!("array 0 has shape {first:?}, array {at} {other:?}; only axis 1 may differ");
        return Err(OpError::shape(NAME, problem));
    }
    let joined = concatenate(Axis(1), tensors).expect("the shapes were checked");
    Ok(joined.as_standard_layout().into_owned())
}

/// Two or more inputs side by side along their channels (vectors: features).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The axis, which can only be the channel axis; default 1.
    #[serde(default, skip_serializing_if = "ChannelDim::is_default")]
    pub dim: ChannelDim,
}

impl Layer for Concat {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "other"]
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::optional("dim", "1", "the axis of the channels, counted from either end")] }
    }

    fn keras_name(&self) -> &'static str {
        "concatenate"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression("torch.cat(({inputs}), 1)".to_owned()))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        Some(OnnxNode::new("Concat").all(inputs.len()).int("axis", 1).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        if inputs.len() < 2 {
            let problem = format!("takes two inputs or more, not {}", inputs.len());
            return Err(OpError::shape(NAME, problem));
        }
        let kind = |shape: &Shape| shape.with_channels(1);
        if let Some(at) = inputs.iter().position(|shape| kind(shape) != kind(&inputs[0])) {
            let problem = format!(
                "input 0 has shape {}, input {at} {}; only channels may differ",
                inputs[0], inputs[at]
            );
            return Err(OpError::shape(NAME, problem));
        }
        self.dim.check(NAME, "dim", inputs[0])?;
        let channels = inputs.iter().map(Shape::channels).sum();
        Ok(inputs[0].with_channels(channels))
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundConcat::new(inputs))
    }
}

/// Channels-last, each pixel of the output is the concatenation of the inputs' pixels.
#[derive(Debug)]
struct BoundConcat {
    /// The output channels of each input.
    channels: Vec<Range<usize>>,
    /// Channels of the output.
    total: usize,
}

impl BoundConcat {
    fn new(inputs: &[Shape]) -> BoundConcat {
        let mut total = 0;
        let channels = inputs.iter().map(|shape| {
            let start = total;
            total += shape.channels();
            start..total
        });
        BoundConcat { channels: channels.collect(), total }
    }
}

impl Bound for BoundConcat {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        for (index, channels) in self.channels.iter().enumerate() {
            let input = call.inputs.get(index);
            let pixels = call.output.chunks_exact_mut(self.total).zip(input.chunks_exact(channels.len()));
            for (target, pixel) in pixels {
                target[channels.clone()].copy_from_slice(pixel);
            }
        }
    }

    fn backward_input(&self, index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let channels = &self.channels[index];
        let pixels = d_input.chunks_exact_mut(channels.len()).zip(call.d_output.chunks_exact(self.total));
        for (target, pixel) in pixels {
            target.copy_from_slice(&pixel[channels.clone()]);
        }
    }
}
