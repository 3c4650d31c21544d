//! The sum of inputs with the same shape.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.add.html>

use crate::arrays::{array, values};
use crate::broadcast::{Broadcast, joint_shape};
use crate::summing::add_up;
use crate::*;
use convscope_kernels::{elementwise, sum};
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "add";

/// `input + other`, both of the same shape. The gradient of each is that of the output.
///
/// # Errors
/// Two arrays of different shapes; nothing is broadcast.
///
/// ```
/// use convscope_ops::add;
/// use ndarray::arr1;
/// let (input, other) = (arr1(&[1.0, 2.0]).into_dyn(), arr1(&[10.0, 20.0]).into_dyn());
/// assert_eq!(add(input.view(), other.view())?, arr1(&[11.0, 22.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn add(input: ArrayViewD<'_, f32>, other: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, OpError> {
    if input.shape() != other.shape() {
        let problem = format!("input has shape {:?}, other {:?}", input.shape(), other.shape());
        return Err(OpError::shape(NAME, problem));
    }
    let mut sum = values(input.view());
    elementwise::add_assign(Isa::best(), &mut sum, &values(other));
    Ok(array(input.shape(), sum))
}

/// The sum of two or more inputs, as a residual connection needs it. An axis of length 1 counts for all places of the others':
/// `[C, 1, 1]` adds to each channel of `[C, H, W]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Layer for Add {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "other"]
    }

    fn keras_name(&self) -> &'static str {
        "add"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let inputs: Vec<String> = (0..inputs.len()).map(|index| format!("{{{index}}}")).collect();
        Some(Torch::Expression(inputs.join(" + ")))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let operator = if inputs.len() == 2 { "Add" } else { "Sum" };
        Some(OnnxNode::new(operator).all(inputs.len()).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        if inputs.len() < 2 {
            return Err(OpError::shape(NAME, format!("takes two inputs or more, not {}", inputs.len())));
        }
        joint_shape(NAME, inputs)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let output = self.output_shape(inputs).expect("output_shape accepted these inputs");
        let inputs = inputs.iter().map(|&input| Broadcast::new(input, output)).collect();
        Box::new(BoundAdd { inputs, parts: 1 })
    }
}

#[derive(Debug)]
struct BoundAdd {
    inputs: Vec<Broadcast>,
    /// Into how many parts the values of a single image are divided.
    parts: usize,
}

impl BoundAdd {
    /// Whether it adds two values of the same shape.
    fn is_pair(&self) -> bool {
        self.inputs.len() == 2 && self.inputs.iter().all(Broadcast::is_whole)
    }
}

impl Bound for BoundAdd {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn scratch_len(&self, _images: usize) -> usize {
        let parts = self.inputs.iter().filter(|input| !input.is_whole());
        parts.map(|input| input.len).max().unwrap_or(0)
    }

    fn fuses(&self, epilogue: Epilogue) -> bool {
        epilogue == Epilogue::Linear || self.is_pair()
    }

    fn divide(&mut self, threads: usize) {
        self.parts = threads;
    }

    fn forward(&self, call: Forward<'_>) {
        if self.is_pair() {
            let parts = if call.images == 1 { self.parts } else { 1 };
            let [a, b] = [0, 1].map(|index| call.inputs.get(index));
            return sum::add(call.isa, a, b, call.epilogue, call.output, parts);
        }
        for (index, input) in self.inputs.iter().enumerate() {
            let values = call.inputs.get(index);
            if input.is_whole() && index == 0 {
                call.output.copy_from_slice(values);
            } else if input.is_whole() {
                elementwise::add_assign(call.isa, call.output, values);
            } else {
                if index == 0 {
                    call.output.fill(0.0);
                }
                let images = call.output.chunks_exact_mut(input.large).zip(values.chunks_exact(input.len));
                images.for_each(|(output, values)| input.each(|to, from| output[to] += values[from]));
            }
        }
    }

    fn backward_input(&self, index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let input = &self.inputs[index];
        if input.is_whole() {
            d_input.copy_from_slice(call.d_output);
            return;
        }
        let images = d_input.chunks_exact_mut(input.len).zip(call.d_output.chunks_exact(input.large));
        images.for_each(|(d_input, d_output)| add_up(input, d_output, d_input, call.scratch));
    }
}
