//! A value that does not depend on the images.

use serde::{Deserialize, Serialize};

use crate::limits::check_elements;
use crate::pointwise::finite;
use crate::*;
use convscope_kernels::layout;

const NAME: &str = "constant";

/// The same array for each image: a node without inputs. The array is part of the weights, under the name of the node; it is
/// trained where `trained` is set, as an `nn.Parameter` of PyTorch's would be.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The axes after the batch axis.
    pub shape: Vec<usize>,
    /// Whether gradients change it; default no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trained: bool,
    /// The value of all elements at first; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: f32,
}

fn is_zero(start: &f32) -> bool {
    *start == 0.0
}

impl Constant {
    /// An array of zeros of this shape, which is not trained.
    pub fn new(shape: impl Into<Vec<usize>>) -> Constant {
        Constant { shape: shape.into(), trained: false, start: 0.0 }
    }
}

impl Layer for Constant {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &[]
    }

    fn keras_name(&self) -> &'static str {
        "constant"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Parameter { shape: self.shape.clone(), trained: self.trained })
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let axes: Vec<i64> = self.shape.iter().map(|&axis| axis as i64).collect();
        Some(Onnx::from([
            OnnxNode::new("Shape").with(OnnxInput::Image).int("start", 0).int("end", 1),
            OnnxNode::new("Concat").node(0).integers_input(axes).int("axis", 0),
            OnnxNode::new("Expand").parameter("").node(1),
        ]))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        if !inputs.is_empty() {
            return Err(OpError::shape(NAME, format!("takes no input, not {}", inputs.len())));
        }
        check_elements(NAME, "the value", &self.shape)?;
        finite(NAME, "start", f64::from(self.start))?;
        let shape = Shape::new(&self.shape)?;
        if shape.is_empty() {
            return Err(OpError::argument(NAME, "shape", format!("is {shape}, which has no element")));
        }
        Ok(shape)
    }

    fn takes_inputs(&self) -> bool {
        false
    }

    fn parameters(&self, _inputs: &[Shape]) -> Vec<ParameterSpec> {
        let role =
            if self.trained { Role::Value { start: self.start } } else { Role::Fixed { start: self.start } };
        vec![ParameterSpec { name: "", shape: self.shape.clone(), role }]
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let shape = self.output_shape(inputs).expect("output_shape accepted these inputs");
        Box::new(BoundConstant { shape, trained: self.trained })
    }
}

#[derive(Debug)]
struct BoundConstant {
    shape: Shape,
    trained: bool,
}

impl Bound for BoundConstant {
    fn packed_len(&self) -> usize {
        self.shape.len()
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        layout::to_channels_last(parameters[0].slice(), self.shape.channels(), self.shape.len(), packed);
    }

    fn gradient_len(&self) -> usize {
        if self.trained { self.shape.len() } else { 0 }
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        if self.trained {
            layout::to_planes(packed, self.shape.channels(), self.shape.len(), &mut gradients[0]);
        }
    }

    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        call.output.chunks_exact_mut(self.shape.len()).for_each(|image| image.copy_from_slice(call.packed));
    }

    fn backward_input(&self, _index: usize, _call: Backward<'_>, _d_input: &mut [f32]) {}

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        if self.trained {
            for image in call.d_output.chunks_exact(self.shape.len()) {
                d_packed.iter_mut().zip(image).for_each(|(sum, d)| *sum += d);
            }
        }
    }
}
