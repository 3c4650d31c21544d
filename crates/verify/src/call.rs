//! Calls any operator by name.

use crate::given::{Given, How, Wanted};
use crate::operator_call::OperatorCall;
use crate::table::TABLE;
use crate::{Tensor, VerifyError, layer};
use convscope_ops::{Mode, Sample, names, registered};
use ndarray::ArrayD;
use std::collections::BTreeMap;

/// PyTorch's names of all operators that can be called by name.
pub fn operators() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE.iter().map(|entry| entry.name).chain(callable()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The layers that a call can name: those that take a tensor.
fn callable() -> impl Iterator<Item = &'static str> {
    let takes_tensors = |name: &&str| registered(name).is_some_and(|operator| !operator.tensors.is_empty());
    names().into_iter().filter(takes_tensors)
}

/// The names of the tensors that an operator takes; `None` for an unknown operator.
pub fn tensors(operator: &str) -> Option<&'static [&'static str]> {
    match TABLE.iter().find(|entry| entry.name == operator) {
        Some(entry) => Some(entry.tensors),
        None => registered(operator).map(|operator| operator.tensors),
    }
}

impl OperatorCall {
    /// Runs the operator. Returns `output` and whatever else it returns or updates (`indices`, `running_mean`, ...),
    /// and, if a gradient with respect to the output is given, `grad.<tensor>` for every tensor that has one.
    ///
    /// # Errors
    /// An unknown operator, argument or tensor, a missing tensor, one of the wrong type or number of axes, and whatever
    /// the operator itself rejects.
    pub fn run(&self, grad_output: Option<&ArrayD<f32>>) -> Result<BTreeMap<String, Tensor>, VerifyError> {
        let wanted = grad_output.map_or(Wanted::Output, Wanted::Both);
        self.run_as(How { mode: Mode::Inference, sample: Sample::default(), wanted })
    }

    /// [`run`](Self::run) without gradients. A layer runs in this mode, the operators that have an argument `training`
    /// as that says; `sample` is what they draw at random.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn forward(&self, mode: Mode, sample: Sample) -> Result<BTreeMap<String, Tensor>, VerifyError> {
        self.run_as(How { mode, sample, wanted: Wanted::Output })
    }

    /// [`run`](Self::run) for the gradients, of [`forward`](Self::forward) with the same mode and sample. The output is
    /// left out where it costs more than the gradients need.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn backward(
        &self,
        grad_output: &ArrayD<f32>,
        mode: Mode,
        sample: Sample,
    ) -> Result<BTreeMap<String, Tensor>, VerifyError> {
        self.run_as(How { mode, sample, wanted: Wanted::Gradients(grad_output) })
    }

    fn run_as(&self, how: How<'_>) -> Result<BTreeMap<String, Tensor>, VerifyError> {
        let Some(entry) = TABLE.iter().find(|entry| entry.name == self.operator) else {
            let unknown = || VerifyError::UnknownOperator { name: self.operator.clone(), known: operators() };
            return layer::run(&registered(&self.operator).ok_or_else(unknown)?, self, how);
        };
        let is_unknown = |name: &&String| !entry.tensors.contains(&name.as_str());
        if let Some(unknown) = self.tensors.keys().find(is_unknown) {
            let problem = format!("is unknown; there are {}", entry.tensors.join(", "));
            return Err(VerifyError::tensor(entry.name, unknown, problem));
        }
        let results = (entry.run)(&Given::new(entry.name, self, how))?;
        Ok(results.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect())
    }
}
