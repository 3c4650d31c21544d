//! `convscope verify --onnx`: cases in the form of ONNX's own tests.

use std::path::Path;

use anyhow::Result;
use convscope_onnx::{CaseReport, Counts, Outcome, counts, find_cases};
use convscope_report::escape::escaped;
use convscope_report::table::{Cell, Column, Table, Tone};
use serde::Serialize;

use crate::console::Console;
use crate::exit::{Exit, UsageError};

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    operators: Vec<Operator<'a>>,
    failed: Vec<Case<'a>>,
    unsupported: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Operator<'a> {
    operator: &'a str,
    executed: usize,
    folded: usize,
    unsupported: usize,
    failed: usize,
}

#[derive(Serialize)]
struct Case<'a> {
    case: &'a str,
    reason: &'a str,
}

/// Runs the cases in a folder.
///
/// # Errors
/// A folder that cannot be read or has no case.
pub(crate) fn run(folder: &Path, json: bool, console: Console) -> Result<Exit> {
    let cases = find_cases(folder)?;
    if cases.is_empty() {
        let message = format!(
            "{}: has no cases; a case is a folder with model.onnx and test_data_set_0, or NAME.onnx beside NAME_output_0.pb",
            folder.display()
        );
        return Err(UsageError(message).into());
    }
    let reports: Vec<CaseReport> = cases.iter().map(|case| case.run()).collect();
    let by_operator = counts(&reports);
    if json {
        let operators = by_operator.iter().map(|(operator, counts)| {
            let Counts { executed, folded, unsupported, failed } = *counts;
            Operator { operator, executed, folded, unsupported, failed }
        });
        let document = Document {
            operators: operators.collect(),
            failed: named(&reports, |outcome| match outcome {
                Outcome::Failed(problem) => Some(problem),
                _ => None,
            }),
            unsupported: named(&reports, |outcome| match outcome {
                Outcome::Unsupported(reason) => Some(reason),
                _ => None,
            }),
        };
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        let mut table = Table::new([
            Column::left("operator"),
            Column::right("executed"),
            Column::right("folded"),
            Column::right("unsupported"),
            Column::right("failed"),
        ]);
        for (operator, counts) in &by_operator {
            let failed = if counts.failed > 0 { Tone::Bad } else { Tone::Dim };
            table.row([
                Cell::from(&*escaped(operator)),
                Cell::from(counts.executed.to_string()),
                Cell::from(counts.folded.to_string()),
                Cell::from(counts.unsupported.to_string()),
                Cell::new(counts.failed.to_string(), failed),
            ]);
        }
        console.result(&table.render(console.style()))?;
        console.result(&ending(&reports))?;
    }
    let failed = reports.iter().any(|report| matches!(report.outcome, Outcome::Failed(_)));
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The cases with this outcome.
fn named(reports: &[CaseReport], reason: impl Fn(&Outcome) -> Option<&String>) -> Vec<Case<'_>> {
    reports
        .iter()
        .filter_map(|report| match (&report.outcome, reason(&report.outcome).is_some()) {
            (Outcome::Failed(reason) | Outcome::Unsupported(reason), true) => {
                Some(Case { case: &report.case, reason })
            }
            _ => None,
        })
        .collect()
}

/// The counts of all cases, and those that failed.
fn ending(reports: &[CaseReport]) -> String {
    let count = |is: fn(&Outcome) -> bool| reports.iter().filter(|report| is(&report.outcome)).count();
    let worst = reports.iter().filter_map(|report| match report.outcome {
        Outcome::Executed { error } => Some(error),
        _ => None,
    });
    let mut text = format!(
        "\n{} cases: {} run by the executor, off by at most {:.1e} of the largest value; {} of constants; {} cannot be expressed; {} failed\n",
        reports.len(),
        count(|outcome| matches!(outcome, Outcome::Executed { .. })),
        worst.fold(0.0, f32::max),
        count(|outcome| matches!(outcome, Outcome::Folded)),
        count(|outcome| matches!(outcome, Outcome::Unsupported(_))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
    );
    for report in reports {
        if let Outcome::Failed(problem) = &report.outcome {
            text += &format!("{}: {problem}\n", escaped(&report.case));
        }
    }
    text
}
