//! A call together with PyTorch's answer.

use crate::{Comparison, OperatorCall, Tensor, TensorFileError, VerifyError};
use ndarray::ArrayD;
use safetensors::SafeTensors;
use serde_json::Map;
use std::collections::BTreeMap;

/// The metadata `format` of the files that this version reads.
const FORMAT: &str = "convscope-case-1";

/// The tolerance of a case whose file does not give one.
const TOLERANCE: f64 = 1e-6;

/// A call together with PyTorch's answer; the module's documentation has the format of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name of its file, without folder and extension.
    pub name: String,
    /// The call.
    pub call: OperatorCall,
    /// The gradient with respect to the output, where gradients are checked.
    pub grad_output: Option<ArrayD<f32>>,
    /// PyTorch's answer: `output`, `grad.input`, ...
    pub expected: BTreeMap<String, Tensor>,
    /// The allowed error, relative to the largest expected value, or to 1 if that is larger.
    pub tolerance: f64,
}

impl Case {
    /// Reads the contents of a case file.
    ///
    /// # Errors
    /// Bytes that are not a safetensors file, missing metadata or metadata of another format, a tensor of an
    /// unsupported type, no expected tensor; each with the case's name.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Case, VerifyError> {
        read(name, bytes).map_err(|error| error.in_case(name))
    }

    /// Runs the operator and compares each expected tensor.
    ///
    /// # Errors
    /// Those of [`OperatorCall::run`], an expected tensor that the operator does not return or that has a different shape or
    /// type; each with the case's name.
    pub fn check(&self) -> Result<Vec<Comparison>, VerifyError> {
        self.compared().map_err(|error| error.in_case(&self.name))
    }

    fn compared(&self) -> Result<Vec<Comparison>, VerifyError> {
        let ours = self.call.run(self.grad_output.as_ref())?;
        let compare = |(name, expected): (&String, &Tensor)| {
            let wrong = |problem| VerifyError::tensor(&self.call.operator, name, problem);
            let Some(ours) = ours.get(name) else {
                let problem = match (&self.grad_output, name.starts_with("grad.")) {
                    (None, true) => "is expected, but the case has no grad_output".to_owned(),
                    _ => {
                        let given: Vec<&str> = ours.keys().map(String::as_str).collect();
                        format!("is expected, but the operator returns {}", given.join(", "))
                    }
                };
                return Err(wrong(problem));
            };
            Comparison::new(name, ours, expected, self.tolerance).map_err(wrong)
        };
        self.expected.iter().map(compare).collect()
    }
}

fn read(name: &str, bytes: &[u8]) -> Result<Case, VerifyError> {
    let broken = |error: safetensors::SafeTensorError| VerifyError::NotSafetensors(error.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let metadata = header.metadata().as_ref();
    let entry = |key: &'static str| metadata.and_then(|metadata| metadata.get(key)).map(String::as_str);
    match entry("format") {
        Some(FORMAT) => {}
        Some(other) => {
            let problem = format!("is {other}, this version reads {FORMAT}");
            return Err(VerifyError::metadata("format", problem));
        }
        None => return Err(VerifyError::metadata("format", format!("is missing, must be {FORMAT}"))),
    }
    let operator = entry("op").ok_or_else(|| VerifyError::metadata("op", "is missing"))?;
    let arguments = match entry("args").map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(arguments)) => arguments,
        Some(Err(error)) => {
            return Err(VerifyError::metadata("args", format!("is not a JSON object: {error}")));
        }
    };
    let tolerance = match entry("tolerance").map(|text| (text, text.parse::<f64>())) {
        None => TOLERANCE,
        Some((_, Ok(tolerance))) if tolerance >= 0.0 && tolerance.is_finite() => tolerance,
        Some((text, _)) => {
            let problem = format!("is {text}, must be a finite number of at least 0");
            return Err(VerifyError::metadata("tolerance", problem));
        }
    };
    let call = OperatorCall { operator: operator.to_owned(), arguments, tensors: BTreeMap::new() };
    let mut case =
        Case { name: name.to_owned(), call, grad_output: None, expected: BTreeMap::new(), tolerance };
    for (key, view) in file.iter() {
        let wrong = |problem: String| VerifyError::tensor(operator, key, problem);
        let tensor = Tensor::from_view(&view).map_err(|error| match error {
            TensorFileError::Type { found } => {
                wrong(format!("has type {found}; cases have F32, F64 and I64"))
            }
            other => wrong(other.to_string()),
        })?;
        if let Some(expected) = key.strip_prefix("expect.") {
            case.expected.insert(expected.to_owned(), tensor);
        } else if key == "grad_output" {
            let Tensor::F32(values) = tensor else {
                return Err(wrong(format!("has type {}, must have F32", tensor.dtype())));
            };
            case.grad_output = Some(values);
        } else {
            case.call.tensors.insert(key.to_owned(), tensor);
        }
    }
    if case.expected.is_empty() {
        return Err(VerifyError::tensor(
            operator,
            "expect.output",
            "is missing, so the case expects nothing",
        ));
    }
    Ok(case)
}
