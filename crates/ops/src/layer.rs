//! What a network needs from an operator, and an operator with its arguments.

use crate::operator_arguments::arguments_of;
use crate::{
    Activation, Argument, Arguments, BindOptions, Bound, ChannelMap, Onnx, OpError, Parameter, ParameterSpec,
    Shape, Torch,
};
use convscope_kernels::pointwise::Function;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt::{self, Debug};
use std::sync::Arc;

/// An operator as a layer: everything that follows from its arguments and the shapes of its inputs.
///
/// A program can bring operators of its own: implement this with a [`Bound`], derive [`serde::Serialize`] and
/// [`serde::Deserialize`] for the arguments, and [register](crate::register) it where files name it.
pub trait Layer: Debug + Send + Sync + 'static {
    /// The name that files call it by, as PyTorch's functional name: `conv2d`.
    fn name() -> &'static str
    where
        Self: Sized;

    /// What PyTorch calls its inputs, and a weight and a bias where it has them.
    fn tensors() -> &'static [&'static str]
    where
        Self: Sized,
    {
        &["input"]
    }

    /// What help texts say of its arguments.
    fn described() -> &'static [Argument]
    where
        Self: Sized,
    {
        &[]
    }

    /// Keras' name, from which nodes get theirs: `conv2d`, `max_pooling2d`, `dense`, ...
    fn keras_name(&self) -> &'static str;

    /// The shape of one image of the output.
    ///
    /// # Errors
    /// The arguments are invalid or do not fit the inputs.
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError>;

    /// Whether it works on other values; a constant does not.
    fn takes_inputs(&self) -> bool {
        true
    }

    /// The arrays it needs, for inputs that [`Layer::output_shape`] accepted.
    fn parameters(&self, _inputs: &[Shape]) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// Whether it can be trained on batches of this many images, for inputs that [`Layer::output_shape`] accepted.
    ///
    /// # Errors
    /// Too few images for what it computes over the batch.
    fn check_batch(&self, _inputs: &[Shape], _images: usize) -> Result<(), OpError> {
        Ok(())
    }

    /// Multiply-adds for one image, for inputs that [`Layer::output_shape`] accepted.
    fn multiply_adds(&self, _inputs: &[Shape]) -> u64 {
        0
    }

    /// The activation that this operator is, if any.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// The function of single values that it is, if it is one.
    fn function(&self) -> Option<Function> {
        None
    }

    /// Whether, in inference, it maps each channel by numbers of its own: [`Layer::channel_map`] returns them.
    fn maps_channels(&self) -> bool {
        false
    }

    /// What it does to each channel in inference, from its arrays, if that is all that it does.
    fn channel_map(&self, _parameters: &[Parameter]) -> Option<ChannelMap> {
        None
    }

    /// The same operator with arrays that can take over a map of its output's channels, if it has such a form.
    fn absorbing(&self, _inputs: &[Shape]) -> Option<Operator> {
        None
    }

    /// The arrays of [`Layer::absorbing`], from its own and a map of its output's channels.
    fn absorb(&self, own: &[Parameter], _map: &ChannelMap) -> Vec<Parameter> {
        own.to_vec()
    }

    /// Whether its output always equals its input in inference.
    fn is_identity_in_inference(&self) -> bool {
        false
    }

    /// The same operator with running statistics that are the mean over all batches, if it has running statistics.
    fn with_cumulative_statistics(&self) -> Option<Operator> {
        None
    }

    /// The operator that does to the channels of `image` what this one, `own`, does to the last axis of the same image with its
    /// channels there, if there is one. It has the same arrays, perhaps with more axes of length 1.
    fn on_channels(&self, own: &Operator, _image: Shape) -> Option<Operator> {
        self.function().map(|_| own.clone())
    }

    /// If all it does is to move axes: for each axis of the output, the axis of the input.
    fn moved_axes(&self, _input: Shape) -> Option<Vec<usize>> {
        None
    }

    /// What PyTorch calls it, for inputs that [`Layer::output_shape`] accepted; none where it has no counterpart.
    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        None
    }

    /// What ONNX calls it, for inputs that [`Layer::output_shape`] accepted; none where it has no counterpart.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        None
    }

    /// The form that the executor runs, for inputs that [`Layer::output_shape`] accepted.
    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound>;

    /// As [`Layer::bind`], with a function of each of its values in the same pass over memory; none where that is not faster
    /// than one after the other. The bits are the same.
    fn bind_activated(
        &self,
        _inputs: &[Shape],
        _options: BindOptions,
        _function: Function,
    ) -> Option<Box<dyn Bound>> {
        None
    }
}

/// An operator with its arguments; in a model file `op = "conv2d"` and the arguments beside it.
///
/// Every [`Layer`] that can be written to a file is one, by `into`; a file can name those that are
/// [registered](crate::register).
///
/// ```
/// use convscope_ops::{Linear, Operator};
/// let operator: Operator = Linear::new(7).into();
/// assert_eq!(operator.name(), "linear");
/// assert_eq!(operator.arguments()["out_features"], 7);
/// let read: Operator = serde_json::from_str(r#"{"op": "linear", "out_features": 7}"#)?;
/// assert_eq!(read, operator);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Operator {
    name: &'static str,
    arguments: Arc<Arguments>,
    layer: Arc<dyn Layer>,
}

impl Operator {
    pub(crate) fn from_parts(
        name: &'static str,
        arguments: Arc<Arguments>,
        layer: Arc<dyn Layer>,
    ) -> Operator {
        Operator { name, arguments, layer }
    }

    /// PyTorch's name: `conv2d`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its arguments, those that have their default left out.
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// The operator as a layer of a network.
    pub fn layer(&self) -> &dyn Layer {
        &*self.layer
    }
}

impl<L: Layer + Serialize> From<L> for Operator {
    fn from(layer: L) -> Operator {
        Operator { name: L::name(), arguments: Arc::new(arguments_of(&layer)), layer: Arc::new(layer) }
    }
}

impl PartialEq for Operator {
    fn eq(&self, other: &Operator) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

impl Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}

impl Serialize for Operator {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1 + self.arguments.len()))?;
        map.serialize_entry("op", self.name)?;
        for (name, value) in &*self.arguments {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The shape of an operator's only input.
pub(crate) fn one_input(operator: &'static str, inputs: &[Shape]) -> Result<Shape, OpError> {
    match inputs {
        &[shape] => Ok(shape),
        _ => Err(OpError::shape(operator, format!("takes one input, not {}", inputs.len()))),
    }
}

/// Channels, and rows and columns, of an operator's only input.
pub(crate) fn one_image(operator: &'static str, inputs: &[Shape]) -> Result<(usize, [usize; 2]), OpError> {
    if let &[shape] = inputs
        && let Some(image) = shape.as_image()
    {
        return Ok(image);
    }
    let shapes: Vec<String> = inputs.iter().map(Shape::to_string).collect();
    let given = if shapes.is_empty() { "none".into() } else { shapes.join(" and ") };
    Err(OpError::shape(operator, format!("takes one input [C, H, W], not {given}")))
}
