//! The affine map as a layer and as the executor runs it.

use super::NAME;
use crate::arrays::check_size;
use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::conv::{Conv, ConvSize, Epilogue};
use serde::{Deserialize, Serialize};

/// An affine map with its own weight; arguments and defaults of `torch.nn.Linear`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Features of the output.
    pub out_features: usize,
    /// Whether a bias is added; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

impl Linear {
    /// A map to so many features, with a bias.
    pub fn new(out_features: usize) -> Linear {
        Linear { out_features, bias: true }
    }

    fn in_features(&self, inputs: &[Shape]) -> Result<usize, OpError> {
        match one_input(NAME, inputs)? {
            Shape::Vector { features: 0 } => Err(OpError::shape(NAME, "input has no features")),
            Shape::Vector { features } => Ok(features),
            image => {
                let problem = format!("takes a vector, not {image}; put a flatten before it");
                Err(OpError::shape(NAME, problem))
            }
        }
    }
}

impl Layer for Linear {
    fn keras_name(&self) -> &'static str {
        "dense"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let in_features = self.in_features(inputs)?;
        check_size(NAME, "the weight", &[self.out_features, in_features])?;
        if self.out_features == 0 {
            return Err(OpError::argument(NAME, "out_features", "is 0, must be at least 1"));
        }
        Ok(Shape::Vector { features: self.out_features })
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (inputs[0].len(), self.out_features);
        let shape = vec![fan_out, fan_in];
        let weight = ParameterSpec { name: "weight", shape, role: Role::Weight { fan_in, fan_out } };
        let bias = ParameterSpec { name: "bias", shape: vec![fan_out], role: Role::Bias { fan_in } };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        (inputs[0].len() * self.out_features) as u64
    }

    fn bind(&self, inputs: &[Shape], mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundLinear { conv: Conv::new(ConvSize::matrix(self.out_features, inputs[0].len())), mode })
    }
}

#[derive(Debug)]
struct BoundLinear {
    conv: Conv,
    mode: Mode,
}

impl Bound for BoundLinear {
    fn packed_len(&self) -> usize {
        let backward = if self.mode.has_backward() { self.conv.backward_len() } else { 0 };
        self.conv.forward_len() + backward
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        let weight = parameters[0].slice();
        let (forward, backward) = packed.split_at_mut(self.conv.forward_len());
        self.conv.pack_forward(weight, parameters.get(1).map(Parameter::slice), forward);
        if self.mode.has_backward() {
            self.conv.pack_backward(weight, None, backward);
        }
    }

    fn gradient_len(&self) -> usize {
        self.conv.gradient_len()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        let (weight, bias) = gradients.split_at_mut(1);
        self.conv.unpack_gradient(packed, &mut weight[0], bias.first_mut().map(Vec::as_mut_slice));
    }

    fn scratch_len(&self, _images: usize) -> usize {
        self.conv.scratch_len()
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn fuses(&self, activation: Activation) -> bool {
        activation.epilogue().is_some()
    }

    fn products(&self) -> Option<Products> {
        Some(Products::from(&self.conv))
    }

    fn forward(&self, call: Forward<'_>) {
        let epilogue = call.activation.and_then(Activation::epilogue).unwrap_or(Epilogue::Linear);
        let packed = &call.packed[..self.conv.forward_len()];
        let input = call.inputs.get(0);
        self.conv.forward(call.isa, call.images, input, packed, epilogue, call.output, call.scratch);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let packed = &call.packed[self.conv.forward_len()..];
        self.conv.backward_input(call.isa, call.images, call.d_output, packed, d_input, call.scratch);
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        let input = call.inputs.get(0);
        self.conv.backward_weight(call.isa, call.images, input, call.d_output, d_packed, call.scratch);
    }
}
