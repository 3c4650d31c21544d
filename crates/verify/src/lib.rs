//! Runs operators by name on named tensors and compares them with PyTorch's recorded answers.
//!
//! [`OperatorCall`] runs any operator with PyTorch's argument names. [`Case`] is such a call together with PyTorch's answer,
//! read from a safetensors file; [`verify`] runs many of them and summarises the results. Cases come from [`recorded`]
//! (they are part of the program), from a folder ([`read_folder`]) or archive ([`read_archive`]), or from a PyTorch on
//! this machine ([`from_pytorch`]).
//!
//! A case file's metadata is `format` (`convscope-case-1`), `op` (PyTorch's functional name), `args` (a JSON object
//! with PyTorch's keyword names) and, if it is not 1e-6, `tolerance`. Its tensors are the operator's arguments
//! (`input`, `weight`, `target`, `boxes`, ...) in f32 or i64, `grad_output` if gradients are checked, and the expected
//! values `expect.output`, `expect.grad.<argument>`, and whatever else the operator returns or updates
//! (`expect.indices`, `expect.running_mean`, ...). The case passes if for each of them `max |ours - expected| <=
//! tolerance * max(1, max
//! |expected|)`; integers must be equal, NaN and infinities must be in the same places.
//!
//! ```
//! use convscope_verify::{recorded, verify};
//! let report = verify(&recorded(&["relu"])?);
//! assert!(report.operators[0].cases >= 25 && report.failures.is_empty());
//! # Ok::<(), convscope_verify::VerifyError>(())
//! ```

mod arguments;
mod call;
mod case;
mod compare;
mod error;
mod given;
mod layer;
mod operator_call;
mod report;
mod source;
mod table;
mod tensor;
mod tensor_file;

pub use arguments::arguments;
pub use call::{operators, tensors};
pub use case::Case;
pub use compare::{Comparison, Worst};
pub use convscope_ops::Argument;
pub use error::VerifyError;
pub use operator_call::OperatorCall;
pub use report::{CaseFailure, OperatorSummary, Report, verify};
pub use source::{PYTORCH_SCRIPT, from_pytorch, read_archive, read_folder, recorded};
pub use tensor::Tensor;
pub use tensor_file::{TensorFileError, Which};
