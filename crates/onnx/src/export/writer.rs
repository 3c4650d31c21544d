//! The parts of an ONNX graph, each with a name of its own.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use convscope_graph::{Graph, ValueId};
use convscope_ops::{OnnxAttribute, Parameter};

use super::{BATCH, FLOAT};
use crate::proto::{
    AttributeProto, AttributeType, DataType, DimensionProto, DimensionValue, GraphProto, NodeProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};

/// A graph in the making.
pub(super) struct Writer<'a> {
    made: GraphProto,
    /// The names of values and constants, and those that the network's values will have.
    taken: HashSet<String>,
    /// The names of arrays that are written, by their keys.
    arrays: HashMap<&'a str, String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(graph: &Graph) -> Writer<'a> {
        let inputs = (0..graph.inputs().len()).map(ValueId::Input);
        let nodes = (0..graph.nodes().len()).map(ValueId::Node);
        let taken = inputs.chain(nodes).map(|value| graph.value_name(value).to_owned()).collect();
        let made = GraphProto { name: graph.name().to_owned(), ..Default::default() };
        Writer { made, taken, arrays: HashMap::new() }
    }

    pub(super) fn finish(self) -> GraphProto {
        self.made
    }

    /// The name, with a number if it is taken.
    pub(super) fn free(&mut self, name: &str) -> String {
        let numbered =
            (1..).map(|number| if number == 1 { name.to_owned() } else { format!("{name}_{number}") });
        let free = numbered.into_iter().find(|name| !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(free.clone());
        free
    }

    pub(super) fn input(&mut self, name: &str, axes: &[usize]) {
        self.made.input.push(value(name, axes));
    }

    pub(super) fn output(&mut self, name: &str, axes: &[usize]) {
        self.made.output.push(value(name, axes));
    }

    pub(super) fn node(
        &mut self,
        name: &str,
        operator: &str,
        input: Vec<String>,
        output: &str,
        attributes: Vec<(&'static str, OnnxAttribute)>,
    ) {
        self.made.node.push(NodeProto {
            input,
            output: vec![output.to_owned()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    /// The name of a network's array, which is written once.
    pub(super) fn array(&mut self, array: &'a Parameter) -> String {
        if let Some(known) = self.arrays.get(array.key.as_str()) {
            return known.clone();
        }
        // A constant has the key of its node, whose name is that of a value.
        let name = self.free(&array.key);
        let values = array.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.clone(), array.values.shape(), DataType::Float, values);
        self.arrays.insert(&array.key, name.clone());
        name
    }

    /// Integers, named after the value that they are for.
    pub(super) fn integers(&mut self, of: &str, values: &[i64]) -> String {
        let name = self.free(&format!("{of}/integers"));
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.clone(), &[values.len()], DataType::Int64, bytes);
        name
    }

    /// Numbers with these axes, named after the value that they are for.
    pub(super) fn numbers(&mut self, of: &str, axes: &[usize], values: &[f32]) -> String {
        let name = self.free(&format!("{of}/numbers"));
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.clone(), axes, DataType::Float, bytes);
        name
    }

    fn constant(&mut self, name: String, axes: &[usize], data_type: DataType, bytes: Vec<u8>) {
        self.made.initializer.push(TensorProto {
            dims: axes.iter().map(|&axis| axis as i64).collect(),
            data_type: data_type as i32,
            name,
            raw_data: Bytes::from(bytes),
            ..Default::default()
        });
    }
}

/// A value with these axes after the batch axis.
fn value(name: &str, axes: &[usize]) -> ValueInfoProto {
    let batch = DimensionValue::DimParam(BATCH.to_owned());
    let axes = axes.iter().map(|&axis| DimensionValue::DimValue(axis as i64));
    let dim = [batch].into_iter().chain(axes).map(|value| DimensionProto { value: Some(value) }).collect();
    let tensor = TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
    let r#type = Some(TypeProto { value: Some(TypeValue::TensorType(tensor)) });
    ValueInfoProto { name: name.to_owned(), r#type, ..Default::default() }
}

fn attribute((name, value): (&'static str, OnnxAttribute)) -> AttributeProto {
    let (attribute, kind) = match value {
        OnnxAttribute::Integer(i) => (AttributeProto { i, ..Default::default() }, AttributeType::Int),
        OnnxAttribute::Integers(ints) => (AttributeProto { ints, ..Default::default() }, AttributeType::Ints),
        OnnxAttribute::Number(f) => (AttributeProto { f, ..Default::default() }, AttributeType::Float),
        OnnxAttribute::Text(text) => {
            let s = Bytes::from_static(text.as_bytes());
            (AttributeProto { s, ..Default::default() }, AttributeType::String)
        }
    };
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..attribute }
}
