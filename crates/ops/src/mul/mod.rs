//! The product of inputs, place by place.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.mul.html>

use convscope_kernels::channels::{channel_products, scale_channels};
use serde::{Deserialize, Serialize};

use crate::broadcast::{Broadcast, joint_shape};
use crate::summing::add_up;
use crate::*;

const NAME: &str = "mul";

/// The product of two inputs. An axis of length 1 counts for all places of the other's: `[C, 1, 1]` scales the channels of
/// `[C, H, W]`, as squeeze-and-excitation and layer scale need it.
///
/// ```
/// use convscope_ops::{Mode, Mul, Sample, apply};
/// use ndarray::arr2;
/// let (x, scale) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn(), arr2(&[[10.0], [100.0]]).into_dyn());
/// let y = apply(&Mul {}, &[x.view(), scale.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert_eq!(y, arr2(&[[10.0, 20.0], [300.0, 400.0]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mul {}

impl Layer for Mul {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "other"]
    }

    fn keras_name(&self) -> &'static str {
        "multiply"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression("{0} * {1}".to_owned()))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        Some(OnnxNode::new("Mul").all(inputs.len()).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        if inputs.len() != 2 {
            return Err(OpError::shape(NAME, format!("takes two inputs, not {}", inputs.len())));
        }
        joint_shape(NAME, inputs)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let output = self.output_shape(inputs).expect("output_shape accepted these inputs");
        Box::new(BoundMul { inputs: [0, 1].map(|index| Broadcast::new(inputs[index], output)) })
    }
}

#[derive(Debug)]
struct BoundMul {
    inputs: [Broadcast; 2],
}

impl BoundMul {
    /// Which input is as large as the output, if the other one has a factor for each channel.
    fn scaled(&self) -> Option<usize> {
        let [first, second] = &self.inputs;
        match (first.channels(), second.channels()) {
            (_, Some(_)) if first.is_whole() => Some(0),
            (Some(_), _) if second.is_whole() => Some(1),
            _ => None,
        }
    }
}

impl Bound for BoundMul {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        let [first, second] = &self.inputs;
        let images =
            call.output.chunks_exact_mut(first.large).zip(call.inputs.get(0).chunks_exact(first.len));
        for ((output, a), b) in images.zip(call.inputs.get(1).chunks_exact(second.len)) {
            match self.scaled() {
                Some(0) => scale_channels(call.isa, a, b, output),
                Some(_) => scale_channels(call.isa, b, a, output),
                None => {
                    first.each(|to, from| output[to] = a[from]);
                    second.each(|to, from| output[to] *= b[from]);
                }
            }
        }
    }

    fn scratch_len(&self, _images: usize) -> usize {
        // The products of an image, and sums with what rounding loses.
        self.inputs[0].large + self.inputs.iter().map(|input| input.len).max().unwrap_or(0)
    }

    fn backward_input(&self, index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let (own, other) = (&self.inputs[index], &self.inputs[1 - index]);
        let (products, lost) = call.scratch.split_at_mut(own.large);
        let images = d_input.chunks_exact_mut(own.len).zip(call.d_output.chunks_exact(own.large));
        for ((d, d_output), factor) in images.zip(call.inputs.get(1 - index).chunks_exact(other.len)) {
            match self.scaled() {
                Some(whole) if whole == index => scale_channels(call.isa, d_output, factor, d),
                Some(_) => channel_products(call.isa, d_output, factor, d),
                None => {
                    other.each(|to, from| products[to] = d_output[to] * factor[from]);
                    add_up(own, products, d, lost);
                }
            }
        }
    }
}
