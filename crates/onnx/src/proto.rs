//! The messages of an ONNX file, those fields that a network needs.
//!
//! Numbers and types of the fields are those of ONNX's `onnx.proto3`; fields that are left out here are skipped when a
//! file is read. Bytes and raw data share the memory of the file that they were decoded from.
//!
//! Reference: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>

use bytes::Bytes;
use prost::{Enumeration, Message, Oneof};

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the file format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The program that wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The version of that program.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Who the model is from, as a reversed domain.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// Version of the model.
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    /// What people should know of it.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The versions of the operators, for each domain.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Anything else, by name.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// Operators that are defined by others.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
}

/// The version of a domain's operators.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OperatorSetIdProto {
    /// The domain, empty for ONNX's own operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A text by its name.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StringStringEntryProto {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The text.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Nodes with their constants, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// The nodes, each after its inputs.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The network's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// What people should know of it.
    #[prost(string, tag = "10")]
    pub doc_string: String,
    /// What comes in; up to version 3 of the format, the constants too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// What comes out.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Types and shapes of values in between.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
}

/// An operator with its inputs and outputs by name.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the inputs; an empty one is not given.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the outputs.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// The node's name, which may be empty.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Its arguments.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// What people should know of it.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The domain of the operator, empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
    /// Which of the operator's forms is meant.
    #[prost(string, tag = "8")]
    pub overload: String,
    /// Anything else, by name.
    #[prost(message, repeated, tag = "9")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// An argument of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// An integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A text.
    #[prost(bytes = "bytes", tag = "4")]
    pub s: Bytes,
    /// An array.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A network.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    /// Numbers.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Texts.
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub strings: Vec<Bytes>,
    /// Which of these fields has the value.
    #[prost(enumeration = "AttributeType", tag = "20")]
    pub r#type: i32,
    /// In a function, the name of the function's argument that this one takes its value from.
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum AttributeType {
    /// Not said.
    Undefined = 0,
    /// A number, `f`.
    Float = 1,
    /// An integer, `i`.
    Int = 2,
    /// A text, `s`.
    String = 3,
    /// An array, `t`.
    Tensor = 4,
    /// A network, `g`.
    Graph = 5,
    /// Numbers, `floats`.
    Floats = 6,
    /// Integers, `ints`.
    Ints = 7,
    /// Texts, `strings`.
    Strings = 8,
}

/// An array.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Its axes.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The type of its numbers, a [`DataType`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Single precision.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Integers of up to 32 bits, and the bits of half precision.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Integers of 64 bits.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Its name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Numbers of any type one after another, the lowest byte first.
    #[prost(bytes = "bytes", tag = "9")]
    pub raw_data: Bytes,
    /// Double precision.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Unsigned integers of 32 and 64 bits.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Where the numbers are if they are in another file: `location`, `offset` and `length`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// Whether the numbers are in another file.
    #[prost(enumeration = "DataLocation", tag = "14")]
    pub data_location: i32,
}

/// The types of an array's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum DataType {
    /// Not said.
    Undefined = 0,
    /// Single precision.
    Float = 1,
    /// Bytes.
    Uint8 = 2,
    /// Bytes with a sign.
    Int8 = 3,
    /// 16 bits.
    Uint16 = 4,
    /// 16 bits with a sign.
    Int16 = 5,
    /// 32 bits with a sign.
    Int32 = 6,
    /// 64 bits with a sign.
    Int64 = 7,
    /// Texts.
    String = 8,
    /// Yes or no, one byte each.
    Bool = 9,
    /// Half precision.
    Float16 = 10,
    /// Double precision.
    Double = 11,
    /// 32 bits.
    Uint32 = 12,
    /// 64 bits.
    Uint64 = 13,
    /// The upper half of single precision.
    Bfloat16 = 16,
}

/// Where an array's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum DataLocation {
    /// In the array's message.
    Default = 0,
    /// In another file.
    External = 1,
}

/// A value by its name, with its type.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// What people should know of it.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// A type; only arrays are read.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// Its kind.
    #[prost(oneof = "TypeValue", tags = "1")]
    pub value: Option<TypeValue>,
}

/// The kinds of types that are read.
#[derive(Clone, PartialEq, Oneof)]
pub enum TypeValue {
    /// An array.
    #[prost(message, tag = "1")]
    TensorType(TensorTypeProto),
}

/// The type of an array.
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    /// The type of its numbers, a [`DataType`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Its axes, if they are known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// The axes of an array.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// The axes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// An axis.
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    /// Its length or name; nothing if neither is known.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
}

/// The length of an axis.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum DimensionValue {
    /// A number.
    #[prost(int64, tag = "1")]
    DimValue(i64),
    /// A name; all axes of this name have the same length.
    #[prost(string, tag = "2")]
    DimParam(String),
}

/// An operator that is defined by others.
#[derive(Clone, PartialEq, Message)]
pub struct FunctionProto {
    /// The operator.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Names of its inputs.
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    /// Names of its outputs.
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    /// Names of its arguments that have no default.
    #[prost(string, repeated, tag = "6")]
    pub attribute: Vec<String>,
    /// Its nodes, each after its inputs.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<NodeProto>,
    /// The versions of the operators in it.
    #[prost(message, repeated, tag = "9")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Its domain.
    #[prost(string, tag = "10")]
    pub domain: String,
    /// Arguments with their defaults.
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<AttributeProto>,
    /// Which of the operator's forms it is.
    #[prost(string, tag = "13")]
    pub overload: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_and_written_as_onnx_does() {
        // What `onnx.helper.make_model` wrote for these parts.
        let written: &[u8] = b"\x08\x08\x12\x01p:n\n*\n\x01x\x12\x01y\x1a\x06relu_0\"\tLeakyRelu*\x0f\n\x05alpha\x15\
            \x00\x00\x00?\xa0\x01\x01\x12\x01g*\x11\x08\x02\x10\x01B\x01cJ\x08\x00\x00\x80?\x00\x00\x00@Z\x14\n\x01x\x12\x0f\
            \n\r\x08\x01\x12\t\n\x02\x08\x01\n\x03\x12\x01nb\x14\n\x01y\x12\x0f\n\r\x08\x01\x12\t\n\x02\x08\x01\n\x03\x12\x01nB\x04\
            \n\x00\x10\r";
        let dimension = |value| DimensionProto { value: Some(value) };
        let value = |name: &str| {
            let dim =
                vec![dimension(DimensionValue::DimValue(1)), dimension(DimensionValue::DimParam("n".into()))];
            let tensor =
                TensorTypeProto { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
            let r#type = Some(TypeProto { value: Some(TypeValue::TensorType(tensor)) });
            ValueInfoProto { name: name.into(), r#type, ..Default::default() }
        };
        let node = NodeProto {
            input: vec!["x".into()],
            output: vec!["y".into()],
            name: "relu_0".into(),
            op_type: "LeakyRelu".into(),
            attribute: vec![AttributeProto {
                name: "alpha".into(),
                f: 0.5,
                r#type: AttributeType::Float as i32,
                ..Default::default()
            }],
            ..Default::default()
        };
        let constant = TensorProto {
            name: "c".into(),
            dims: vec![2],
            data_type: DataType::Float as i32,
            raw_data: [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..Default::default()
        };
        let model = ModelProto {
            ir_version: 8,
            producer_name: "p".into(),
            graph: Some(GraphProto {
                name: "g".into(),
                node: vec![node],
                initializer: vec![constant],
                input: vec![value("x")],
                output: vec![value("y")],
                ..Default::default()
            }),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            ..Default::default()
        };
        assert_eq!(ModelProto::decode(written).unwrap(), model);
        assert_eq!(ModelProto::decode(model.encode_to_vec().as_slice()).unwrap(), model);
    }

    #[test]
    fn raw_data_is_not_copied() {
        let tensor = TensorProto { raw_data: Bytes::from(vec![7; 64]), ..Default::default() };
        let file = Bytes::from(tensor.encode_to_vec());
        let range = file.as_ptr_range();
        let read = TensorProto::decode(file).unwrap();
        assert!(range.contains(&read.raw_data.as_ptr()) && read.raw_data[..] == [7; 64]);
    }
}
