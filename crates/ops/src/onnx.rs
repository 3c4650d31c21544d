//! What ONNX calls an operator.

/// ONNX's operators in a row that compute an operator of ours; the value of the last is the result.
///
/// They are those of version 20 of ONNX's operators, with the batch axis first.
#[derive(Clone, Debug, PartialEq)]
pub struct Onnx {
    /// The operators.
    pub nodes: Vec<OnnxNode>,
}

/// An operator of ONNX.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxNode {
    /// Its name: `Conv`.
    pub operator: &'static str,
    /// Its inputs.
    pub inputs: Vec<OnnxInput>,
    /// Its attributes.
    pub attributes: Vec<(&'static str, OnnxAttribute)>,
}

/// An input of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum OnnxInput {
    /// The value at this index among the inputs of our operator.
    Input(usize),
    /// The array with this name.
    Parameter(&'static str),
    /// The value of the operator at this index of the row.
    Node(usize),
    /// The first input of the network.
    Image,
    /// Integers.
    Integers(Vec<i64>),
    /// Numbers with these axes.
    Numbers(Vec<usize>, Vec<f32>),
    /// An optional input that is left out.
    Nothing,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum OnnxAttribute {
    /// An integer.
    Integer(i64),
    /// Integers.
    Integers(Vec<i64>),
    /// A number.
    Number(f32),
    /// A text.
    Text(&'static str),
}

impl Onnx {
    /// An operator of one value without arguments.
    pub(crate) fn function(operator: &'static str) -> Onnx {
        OnnxNode::new(operator).input(0).into()
    }

    /// The value as it is.
    pub(crate) fn identity() -> Onnx {
        Onnx::function("Identity")
    }

    /// The value with these axes after the batch axis.
    pub(crate) fn reshape(axes: &[usize]) -> Onnx {
        OnnxNode::new("Reshape").input(0).integers_input(with_batch(axes)).into()
    }

    /// Limits each value.
    pub(crate) fn clip(min: f64, max: f64) -> Onnx {
        OnnxNode::new("Clip").input(0).number(min).number(max).into()
    }
}

impl From<OnnxNode> for Onnx {
    fn from(node: OnnxNode) -> Onnx {
        Onnx { nodes: vec![node] }
    }
}

impl<const COUNT: usize> From<[OnnxNode; COUNT]> for Onnx {
    fn from(nodes: [OnnxNode; COUNT]) -> Onnx {
        Onnx { nodes: nodes.into() }
    }
}

impl OnnxNode {
    pub(crate) fn new(operator: &'static str) -> OnnxNode {
        OnnxNode { operator, inputs: Vec::new(), attributes: Vec::new() }
    }

    pub(crate) fn with(mut self, input: OnnxInput) -> OnnxNode {
        self.inputs.push(input);
        self
    }

    /// One of our operator's inputs.
    pub(crate) fn input(self, index: usize) -> OnnxNode {
        self.with(OnnxInput::Input(index))
    }

    /// All of our operator's inputs.
    pub(crate) fn all(mut self, count: usize) -> OnnxNode {
        self.inputs.extend((0..count).map(OnnxInput::Input));
        self
    }

    /// The result of an operator before it in the row.
    pub(crate) fn node(self, index: usize) -> OnnxNode {
        self.with(OnnxInput::Node(index))
    }

    pub(crate) fn parameter(self, name: &'static str) -> OnnxNode {
        self.with(OnnxInput::Parameter(name))
    }

    /// The array with this name, if our operator has one, otherwise numbers that are all `value`.
    pub(crate) fn parameter_or(
        self,
        is_there: bool,
        name: &'static str,
        count: usize,
        value: f32,
    ) -> OnnxNode {
        if is_there {
            self.parameter(name)
        } else {
            self.with(OnnxInput::Numbers(vec![count], vec![value; count]))
        }
    }

    pub(crate) fn number(self, value: f64) -> OnnxNode {
        self.with(OnnxInput::Numbers(Vec::new(), vec![value as f32]))
    }

    pub(crate) fn integers_input(self, values: impl Into<Vec<i64>>) -> OnnxNode {
        self.with(OnnxInput::Integers(values.into()))
    }

    fn attribute(mut self, name: &'static str, value: OnnxAttribute) -> OnnxNode {
        self.attributes.push((name, value));
        self
    }

    pub(crate) fn int(self, name: &'static str, value: i64) -> OnnxNode {
        self.attribute(name, OnnxAttribute::Integer(value))
    }

    pub(crate) fn float(self, name: &'static str, value: f64) -> OnnxNode {
        self.attribute(name, OnnxAttribute::Number(value as f32))
    }

    pub(crate) fn text(self, name: &'static str, value: &'static str) -> OnnxNode {
        self.attribute(name, OnnxAttribute::Text(value))
    }

    pub(crate) fn sizes(self, name: &'static str, values: &[usize]) -> OnnxNode {
        self.attribute(name, OnnxAttribute::Integers(values.iter().map(|&value| value as i64).collect()))
    }

    pub(crate) fn integers(self, name: &'static str, values: impl Into<Vec<i64>>) -> OnnxNode {
        self.attribute(name, OnnxAttribute::Integers(values.into()))
    }
}

/// The axes of a reshape: that of the batch, which 0 leaves as it is, and these.
pub(crate) fn with_batch(axes: &[usize]) -> Vec<i64> {
    [0].into_iter().chain(axes.iter().map(|&axis| axis as i64)).collect()
}
