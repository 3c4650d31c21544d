//! Nodes of a file, one after another, as nodes of a network.

mod activation;
mod array;
mod axes;
mod dense;
mod finish;
mod geometry;
mod joining;
mod normalization;
mod patterns;
mod pooling;
mod resize;

use std::collections::{HashMap, HashSet};

use convscope_graph::ModelInput;
use convscope_ops::{Activation, Operator, Shape};

use crate::OnnxError;
use crate::error::UnsupportedOperator;
use crate::fold::{Folder, shape_of};
use crate::proto::{GraphProto, NodeProto};
use crate::tensor::Tensor;

pub(crate) use array::Array;
pub(crate) use finish::Finished;

/// A value of the file.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The same for all images.
    Constant(Tensor),
    /// What a node of the network computes.
    Computed(Computed),
}

/// A value of the network.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    pub(crate) from: Source,
    /// Its axes after the batch axis; none if it follows from an operator that is not supported.
    pub(crate) axes: Option<Vec<usize>>,
}

/// Where a value of the network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Input(usize),
    Node(usize),
}

/// A node of the network, or what is not supported in its place.
#[derive(Debug)]
pub(crate) struct Emitted {
    /// Index of the node of the file that it comes from.
    pub(crate) origin: usize,
    pub(crate) kind: EmittedKind,
    pub(crate) activation: Option<Activation>,
    pub(crate) inputs: Vec<Source>,
    pub(crate) arrays: Vec<(&'static str, Array)>,
    /// The axes of its value after the batch axis, if they are known.
    pub(crate) axes: Option<Vec<usize>>,
    /// Whether it is the last one that its node of the file became.
    pub(crate) is_last: bool,
}

#[derive(Debug)]
pub(crate) enum EmittedKind {
    Operator(Operator),
    /// An operator that is not supported, with what is not.
    Unsupported(String),
    /// A node that follows from one that is not supported.
    Unknown,
}

/// Why a node has no counterpart.
pub(super) enum Stop {
    /// An input's axes are not known.
    Unknown,
    Unsupported(String),
    Error(OnnxError),
}

impl From<OnnxError> for Stop {
    fn from(error: OnnxError) -> Stop {
        Stop::Error(error)
    }
}

pub(super) type Done<T> = Result<T, Stop>;

/// Says what is not supported of an operator.
pub(super) fn unsupported<T>(reason: impl Into<String>) -> Done<T> {
    Err(Stop::Unsupported(reason.into()))
}

/// A network in the making.
pub(crate) struct Importer<'a> {
    graph: &'a GraphProto,
    opset: i64,
    /// The length of the batch axis in the file.
    batch: usize,
    folder: Folder,
    values: HashMap<&'a str, Value>,
    producers: HashMap<&'a str, usize>,
    uses: HashMap<&'a str, usize>,
    inputs: Vec<ModelInput>,
    emitted: Vec<Emitted>,
    /// Values of the file that are not those of the node that they were, because something was added to it.
    changed: HashSet<&'a str>,
    /// Index of the node that is being converted.
    at: usize,
}

impl<'a> Importer<'a> {
    /// A network of these inputs, of constants and nothing else.
    pub(crate) fn new(
        graph: &'a GraphProto,
        opset: i64,
        batch: usize,
        inputs: Vec<(&'a str, Vec<usize>)>,
        constants: Vec<(&'a str, Tensor)>,
    ) -> Importer<'a> {
        let elements = constants.iter().map(|(_, tensor)| tensor.len()).sum();
        let mut values: HashMap<&str, Value> =
            constants.into_iter().map(|(name, tensor)| (name, Value::Constant(tensor))).collect();
        let mut described = Vec::new();
        for (index, (name, axes)) in inputs.into_iter().enumerate() {
            described.push(ModelInput { name: name.to_owned(), shape: axes.clone() });
            values.insert(name, Value::Computed(Computed { from: Source::Input(index), axes: Some(axes) }));
        }
        let mut producers = HashMap::new();
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            producers.extend(
                node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), index)),
            );
            node.input.iter().for_each(|name| *uses.entry(name).or_default() += 1);
        }
        graph.output.iter().for_each(|output| *uses.entry(&output.name).or_default() += 1);
        Importer {
            graph,
            opset,
            batch,
            folder: Folder::new(elements),
            values,
            producers,
            uses,
            inputs: described,
            emitted: Vec::new(),
            changed: HashSet::new(),
            at: 0,
        }
    }

    /// Converts all nodes.
    pub(crate) fn run(&mut self) -> Result<(), OnnxError> {
        for (index, node) in self.graph.node.iter().enumerate() {
            self.at = index;
            let first = self.emitted.len();
            let outputs = self.node(node)?;
            for (name, value) in node.output.iter().zip(outputs) {
                if !name.is_empty() && self.values.insert(name, value).is_some() {
                    return Err(OnnxError::structure(name, "is computed twice"));
                }
            }
            if let Some(last) = self.emitted[first..].last_mut() {
                last.is_last = true;
            }
        }
        Ok(())
    }

    /// The value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The outputs of a node: computed now if all inputs are constants.
    fn node(&mut self, node: &'a NodeProto) -> Result<Vec<Value>, OnnxError> {
        let name = node.output.first().map_or(node.name.as_str(), String::as_str);
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(match input.as_str() {
                "" => None,
                input => Some(self.values.get(input).cloned().ok_or_else(|| {
                    OnnxError::structure(
                        name,
                        format!(
                            "takes '{}', which nothing before it computes",
                            crate::error::shortened(input)
                        ),
                    )
                })?),
            });
        }
        if node.op_type == "Shape"
            && let Some(Some(Value::Computed(Computed { axes: Some(axes), .. }))) = inputs.first()
        {
            let dims = [&[self.batch], axes.as_slice()].concat();
            return Ok(vec![Value::Constant(shape_of(node, &dims))]);
        }
        let constants: Option<Vec<Option<Tensor>>> = inputs
            .iter()
            .map(|input| match input {
                Some(Value::Constant(tensor)) => Some(Some(tensor.clone())),
                Some(Value::Computed(_)) => None,
                None => Some(None),
            })
            .collect();
        if let Some(constants) = constants
            && let Some(outputs) = self.folder.fold(node, &constants)?
        {
            return Ok(outputs.into_iter().map(Value::Constant).collect());
        }
        let first = self.emitted.len();
        match self.convert(node, &inputs) {
            Ok(outputs) => Ok(outputs),
            Err(Stop::Error(error)) => Err(error),
            Err(stop) => {
                self.emitted.truncate(first);
                Ok(self.give_up(node, &inputs, stop))
            }
        }
    }

    /// A placeholder for each output of a node that has no counterpart.
    fn give_up(&mut self, node: &NodeProto, inputs: &[Option<Value>], stop: Stop) -> Vec<Value> {
        let kind = match stop {
            Stop::Unsupported(reason) => EmittedKind::Unsupported(reason),
            _ => EmittedKind::Unknown,
        };
        let computed = inputs.iter().flatten().filter_map(|input| match input {
            Value::Computed(computed) => Some(computed),
            Value::Constant(_) => None,
        });
        let sources: Vec<Source> = computed.clone().map(|computed| computed.from).collect();
        let axes = self.guessed(node, inputs);
        self.push(kind, sources, Vec::new(), axes.clone());
        let from = Source::Node(self.emitted.len() - 1);
        let first = Value::Computed(Computed { from, axes });
        let rest = Value::Computed(Computed { from, axes: None });
        let outputs = node.output.len();
        [first]
            .into_iter()
            .chain(std::iter::repeat_n(rest, outputs.saturating_sub(1)))
            .take(outputs)
            .collect()
    }

    /// The axes of the first output of a node that has no counterpart, if it works element by element.
    fn guessed(&self, node: &NodeProto, inputs: &[Option<Value>]) -> Option<Vec<usize>> {
        const ELEMENTWISE: &[&str] = &[
            "Abs",
            "Ceil",
            "Cos",
            "Div",
            "Erf",
            "Exp",
            "Floor",
            "Log",
            "Max",
            "Min",
            "Pow",
            "Reciprocal",
            "Round",
            "Sign",
            "Sin",
            "Softsign",
            "Sqrt",
            "Where",
        ];
        if !ELEMENTWISE.contains(&node.op_type.as_str()) {
            return None;
        }
        let axes: Vec<Vec<usize>> = inputs
            .iter()
            .flatten()
            .map(|input| match input {
                Value::Computed(computed) => computed.axes.clone(),
                Value::Constant(tensor) => Some(tensor.dims.get(1..).unwrap_or_default().to_vec()),
            })
            .collect::<Option<_>>()?;
        axes.into_iter().max_by_key(|axes| (axes.len(), axes.iter().product::<usize>()))
    }

    fn push(
        &mut self,
        kind: EmittedKind,
        inputs: Vec<Source>,
        arrays: Vec<(&'static str, Array)>,
        axes: Option<Vec<usize>>,
    ) {
        let origin = self.at;
        self.emitted.push(Emitted { origin, kind, activation: None, inputs, arrays, axes, is_last: false });
    }

    /// Adds a node to the network.
    fn emit(
        &mut self,
        operator: impl Into<Operator>,
        inputs: &[&Computed],
        arrays: Vec<(&'static str, Array)>,
    ) -> Done<Computed> {
        let operator = operator.into();
        let mut shapes = Vec::with_capacity(inputs.len());
        for input in inputs {
            let axes = input.axes.as_ref().ok_or(Stop::Unknown)?;
            shapes.push(Shape::new(axes).map_err(|problem| Stop::Unsupported(problem.detail()))?);
        }
        let shape =
            operator.layer().output_shape(&shapes).map_err(|problem| Stop::Unsupported(problem.detail()))?;
        let sources = inputs.iter().map(|input| input.from).collect();
        self.push(EmittedKind::Operator(operator), sources, arrays, Some(shape.axes().to_vec()));
        Ok(Computed { from: Source::Node(self.emitted.len() - 1), axes: Some(shape.axes().to_vec()) })
    }

    /// A constant as a node, for a value of so many axes after the batch axis.
    fn emit_constant(&mut self, tensor: &Tensor, rank: usize) -> Done<Computed> {
        let missing = (rank + 1).checked_sub(tensor.dims.len());
        let missing = missing.ok_or_else(|| {
            Stop::Unsupported(format!("a constant of the axes {:?} with a value of fewer", tensor.dims))
        })?;
        let dims = [&vec![1; missing], tensor.dims.as_slice()].concat();
        if dims[0] != 1 {
            return unsupported(format!(
                "a constant of the axes {:?}, different for each image of the batch",
                tensor.dims
            ));
        }
        let constant = convscope_ops::Constant::new(&dims[1..]);
        self.emit(constant, &[], vec![("", Array::Stored(tensor.clone()))])
    }

    /// A number as a node.
    fn emit_scalar(&mut self, value: f32, rank: usize) -> Done<Computed> {
        self.emit_constant(&Tensor::floats(vec![1; rank + 1], vec![value]), rank)
    }

    /// What is not supported among the nodes that the outputs need.
    fn list_unsupported(&self, needed: &[bool]) -> Vec<UnsupportedOperator> {
        let mut list: Vec<UnsupportedOperator> = Vec::new();
        for (emitted, _) in self.emitted.iter().zip(needed).filter(|(_, needed)| **needed) {
            let EmittedKind::Unsupported(reason) = &emitted.kind else { continue };
            let node = &self.graph.node[emitted.origin];
            let operator = if node.domain.is_empty() {
                node.op_type.clone()
            } else {
                format!("{}.{}", node.domain, node.op_type)
            };
            let operator = crate::error::shortened(&operator);
            let reason = crate::error::shortened(reason);
            match list.iter_mut().find(|known| known.operator == operator && known.reason == reason) {
                Some(known) => known.count += 1,
                None => {
                    let output = node.output.first().map_or("", String::as_str);
                    let first_node =
                        crate::error::shortened(if node.name.is_empty() { output } else { &node.name });
                    list.push(UnsupportedOperator { operator, count: 1, first_node, reason });
                }
            }
        }
        list.sort_by_key(|operator| std::cmp::Reverse(operator.count));
        list
    }
}

/// The operator of a node as one converts it: by name, with its arguments.
impl<'a> Importer<'a> {
    fn convert(&mut self, node: &'a NodeProto, inputs: &[Option<Value>]) -> Done<Vec<Value>> {
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return unsupported("");
        }
        let given = Given { node, inputs };
        if let ("CastLike", [Some(Value::Constant(constant)), Some(Value::Computed(_))]) =
            (node.op_type.as_str(), inputs)
        {
            // Like a value of the network, which is of single precision.
            return Ok(vec![Value::Constant(constant.clone())]);
        }
        let one = match node.op_type.as_str() {
            "Identity" | "Cast" | "CastLike" => Ok(given.computed(0)?.clone()),
            "Dropout" => self.dropout(&given),
            "Conv" => self.conv(&given),
            "ConvTranspose" => self.conv_transpose(&given),
            "Gemm" => self.gemm(&given),
            "MatMul" => self.matmul(&given),
            "MaxPool" => self.max_pool(&given),
            "AveragePool" => self.average_pool(&given),
            "GlobalAveragePool" => self.global_pool(&given, true),
            "GlobalMaxPool" => self.global_pool(&given, false),
            "ReduceMean" | "ReduceSum" | "ReduceMax" => self.reduce(&given),
            "BatchNormalization" => self.batch_norm(&given),
            "InstanceNormalization" => self.instance_norm(&given),
            "LayerNormalization" => self.layer_norm(&given),
            "GroupNormalization" => self.group_norm(&given),
            "LRN" => self.local_response_norm(&given),
            "Add" | "Sum" => self.add(&given),
            "Sub" => self.sub(&given),
            "Mul" => self.mul(&given),
            "Div" => self.div(&given),
            "Mean" => self.mean(&given),
            "Neg" => self.neg(&given),
            "Pow" => self.pow(&given),
            "Concat" => self.concat(&given),
            "Split" => return self.split(&given),
            "Slice" => self.slice(&given),
            "Gather" => self.gather(&given),
            "Reshape" => self.reshape(&given),
            "Flatten" => self.flatten(&given),
            "Squeeze" => self.squeeze(&given),
            "Unsqueeze" => self.unsqueeze(&given),
            "Transpose" => self.transpose(&given),
            "Expand" => self.expand(&given),
            "Pad" => self.pad(&given),
            "Resize" | "Upsample" => self.resize(&given),
            "DepthToSpace" => self.depth_to_space(&given),
            "Softmax" | "LogSoftmax" => self.softmax(&given),
            _ => self.activation(&given),
        };
        Ok(vec![Value::Computed(one?)])
    }
}

/// A node with its inputs.
pub(super) struct Given<'a, 'v> {
    pub(super) node: &'a NodeProto,
    pub(super) inputs: &'v [Option<Value>],
}

impl<'v> Given<'_, 'v> {
    /// An input, if it is given.
    pub(super) fn value(&self, index: usize) -> Option<&'v Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// An input that the network computes.
    pub(super) fn computed(&self, index: usize) -> Done<&'v Computed> {
        match self.value(index) {
            Some(Value::Computed(computed)) => Ok(computed),
            Some(Value::Constant(_)) => unsupported(format!("input {index} is a constant")),
            None => unsupported(format!("input {index} is missing")),
        }
    }

    /// An input with its axes.
    pub(super) fn known(&self, index: usize) -> Done<(&'v Computed, &'v [usize])> {
        let computed = self.computed(index)?;
        Ok((computed, computed.axes.as_deref().ok_or(Stop::Unknown)?))
    }

    /// An input that is a constant, if it is given.
    pub(super) fn constant(&self, index: usize) -> Done<Option<&'v Tensor>> {
        match self.value(index) {
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Computed(Computed { axes: None, .. })) => Err(Stop::Unknown),
            Some(Value::Computed(_)) => unsupported(format!("input {index} is computed, not a constant")),
            None => Ok(None),
        }
    }

    /// An input that has to be a constant.
    pub(super) fn required(&self, index: usize) -> Done<&'v Tensor> {
        self.constant(index)?.ok_or_else(|| Stop::Unsupported(format!("input {index} is missing")))
    }

    /// The integers of an input, or of an attribute as older versions have it.
    pub(super) fn ints(&self, index: usize, attribute: &str) -> Done<Option<Vec<i64>>> {
        use crate::attributes::Attributes;
        match self.constant(index)? {
            Some(tensor) => Ok(Some(tensor.to_ints()?.into_owned())),
            None => Ok(self.node.ints(attribute).map(<[i64]>::to_vec)),
        }
    }

    /// An axis counted after the batch axis.
    pub(super) fn axis(&self, at: i64, rank: usize) -> Done<usize> {
        let from_front = if at < 0 { at.saturating_add(rank as i64 + 1) } else { at };
        match usize::try_from(from_front) {
            Ok(0) => unsupported("works along the batch axis"),
            Ok(at) if at <= rank => Ok(at - 1),
            _ => unsupported(format!("there is no axis {at} among {}", rank + 1)),
        }
    }
}
