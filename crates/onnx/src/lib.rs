//! ONNX files as networks, and networks as ONNX files.
//!
//! An [`OnnxFile`] holds a file; [`OnnxFile::network`] turns it into a [`ModelDescription`](convscope_graph::ModelDescription)
//! with its weights. What exporters compute around shapes is computed here, once; what they write as several nodes, such as
//! `x * sigmoid(x)`, becomes the operator that it is. The batch axis is the first axis of every value and stays where it is.
//!
//! [`proto`] has the messages of the format, for reading and writing.

mod against;
mod arrays;
mod attributes;
mod cases;
mod element;
mod ends;
mod error;
pub mod export;
mod external;
mod fold;
mod import;
mod model;
mod names;
pub mod proto;
mod tensor;
mod wire;

pub use against::{ComparedValue, NETWORK_TOLERANCE, against_onnxruntime};
pub use arrays::{array_from_bytes, read_array};
pub use cases::{Case, CaseReport, Counts, Outcome, TOLERANCE, counts, find_cases};
pub use ends::Ends;
pub use error::{OnnxError, Unsupported, UnsupportedOperator};
pub use model::{OnnxFile, OnnxNetwork, OnnxOptions};
