//! The results of many cases.

use crate::{Case, Comparison, VerifyError};
use serde::Serialize;
use std::collections::BTreeMap;

/// The result of [`verify`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each operator, by name.
    pub operators: Vec<OperatorSummary>,
    /// The cases that failed, worst first.
    pub failures: Vec<CaseFailure>,
}

/// The results of an operator's cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorSummary {
    /// PyTorch's name.
    pub operator: String,
    /// Number of cases.
    pub cases: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The largest error of an output, or of anything else the operator returns, relative to the largest expected
    /// value, or to 1 if that is larger.
    pub forward: f64,
    /// The largest error of a gradient; `None` if no gradient was compared.
    pub backward: Option<f64>,
}

/// A failed case in full.
#[derive(Clone, Debug, Serialize)]
pub struct CaseFailure {
    /// The case's name.
    pub case: String,
    /// PyTorch's name of the operator.
    pub operator: String,
    /// Arguments as JSON.
    pub arguments: String,
    /// Shapes of its tensors.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The allowed error.
    pub tolerance: f64,
    /// What was compared; empty if the case could not be run.
    pub comparisons: Vec<Comparison>,
    /// Why the case could not be run.
    pub problem: Option<String>,
}

impl CaseFailure {
    /// Its largest error; infinite if it could not be run.
    pub fn error(&self) -> f64 {
        match self.problem {
            Some(_) => f64::INFINITY,
            None => self.comparisons.iter().map(|comparison| comparison.error).fold(0.0, f64::max),
        }
    }
}

/// Runs all cases and summarises the results.
pub fn verify(cases: &[Case]) -> Report {
    let mut operators: BTreeMap<&str, OperatorSummary> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in cases {
        let operator = case.call.operator.as_str();
        let summary = operators.entry(operator).or_insert_with(|| OperatorSummary {
            operator: operator.to_owned(),
            cases: 0,
            failed: 0,
            forward: 0.0,
            backward: None,
        });
        summary.cases += 1;
        let checked = case.check();
        for comparison in checked.iter().flatten() {
            if comparison.is_backward() {
                summary.backward = Some(summary.backward.unwrap_or(0.0).max(comparison.error));
            } else {
                summary.forward = summary.forward.max(comparison.error);
            }
        }
        if !checked.as_ref().is_ok_and(|comparisons| comparisons.iter().all(|compared| compared.passed)) {
            summary.failed += 1;
            failures.push(failure(case, checked));
        }
    }
    failures.sort_by(|a, b| b.error().total_cmp(&a.error()));
    Report { operators: operators.into_values().collect(), failures }
}

fn failure(case: &Case, checked: Result<Vec<Comparison>, VerifyError>) -> CaseFailure {
    let shapes = case.call.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()));
    let (comparisons, problem) = match checked {
        Ok(comparisons) => (comparisons, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    CaseFailure {
        case: case.name.clone(),
        operator: case.call.operator.clone(),
        arguments: serde_json::Value::Object(case.call.arguments.clone()).to_string(),
        shapes: shapes.collect(),
        tolerance: case.tolerance,
        comparisons,
        problem,
    }
}
