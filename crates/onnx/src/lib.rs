//! ONNX files as networks.

pub mod proto;
