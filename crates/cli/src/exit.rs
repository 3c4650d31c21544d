//! From an error to a sentence and an exit code.

use std::process::ExitCode;

use convscope_data::DataError;
use convscope_graph::GraphError;
use convscope_inspect::InspectError;
use convscope_report::ReportError;
use convscope_train::TrainError;
use convscope_tune::TuneError;

use crate::advice::advice;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done,
    /// Something went wrong.
    Failed,
    /// The arguments are at fault.
    Usage,
    /// The user or the system stopped it.
    Interrupted,
}

impl Exit {
    /// What the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Arguments that do not go together; the text says which and what to do.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The exit code for an error: values that a user typed and that no data could make right are wrong usage.
pub(crate) fn exit_for(error: &anyhow::Error) -> Exit {
    if error.chain().any(is_usage) { Exit::Usage } else { Exit::Failed }
}

/// The error and its causes in one sentence, with what can be done about it; a cause that the text before it quotes
/// already is not said twice.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let text = one_line(&text);
    match advice(error) {
        Some(advice) => format!("{text}; {advice}"),
        None => text,
    }
}

/// The text without the lines that quote a file and point into it, as errors about TOML have them: `2 | lr = "x"`.
fn one_line(text: &str) -> String {
    let is_quote =
        |line: &str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let lines: Vec<&str> = text.lines().filter(|line| !is_quote(line)).map(str::trim).collect();
    lines.join(": ")
}

fn is_usage(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<TrainError>() {
        Some(TrainError::Data(error)) => is_usage(error),
        Some(TrainError::Graph(error)) => is_usage(error),
        Some(
            TrainError::InvalidValue { .. }
            | TrainError::SettingNotApplicable { .. }
            | TrainError::UnknownRecipe { .. }
            | TrainError::UnknownSetting { .. }
            | TrainError::SettingValue { .. }
            | TrainError::ConfigSyntax { .. },
        ) => true,
        Some(_) => false,
        None => is_usage_elsewhere(error),
    }
}

fn is_usage_elsewhere(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<DataError>() {
        matches!(
            error,
            DataError::Option { .. } | DataError::BatchSize { .. } | DataError::Augmentation { .. }
        )
    } else if let Some(error) = error.downcast_ref::<GraphError>() {
        matches!(error, GraphError::UnknownPreset { .. } | GraphError::Option { .. })
    } else if let Some(error) = error.downcast_ref::<ReportError>() {
        matches!(error, ReportError::NotPng { .. })
    } else if let Some(error) = error.downcast_ref::<TuneError>() {
        match error {
            TuneError::Train(error) => is_usage(error),
            other => matches!(
                other,
                TuneError::Parameter { .. } | TuneError::Plan(_) | TuneError::OtherStudy { .. }
            ),
        }
    } else if let Some(error) = error.downcast_ref::<InspectError>() {
        is_usage_of_inspection(error)
    } else {
        error.is::<UsageError>()
    }
}

fn is_usage_of_inspection(error: &InspectError) -> bool {
    match error {
        InspectError::Train(error) => is_usage(error),
        InspectError::Data(error) => is_usage(error),
        InspectError::Graph(error) => is_usage(error),
        other => matches!(
            other,
            InspectError::UnknownImage { .. }
                | InspectError::UnknownNode { .. }
                | InspectError::NotAPicture { .. }
                | InspectError::TooFewRuns { .. }
        ),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_joined_and_none_is_said_twice() {
        let cause = || std::io::Error::other("the disk is full");
        let joined = Err::<(), _>(cause()).context("a.txt cannot be written").unwrap_err();
        assert_eq!(sentence(&joined), "a.txt cannot be written: the disk is full");
        let quoted = Err::<(), _>(cause()).context("a.txt: the disk is full; free some space").unwrap_err();
        assert_eq!(sentence(&quoted), "a.txt: the disk is full; free some space");
    }

    #[test]
    fn an_error_about_toml_fits_on_a_line() {
        let error = "lr = 0.5\nepochs = 'ten'\n"
            .parse::<toml::Table>()
            .and_then(|table| table.try_into::<std::collections::BTreeMap<String, f64>>());
        let error = anyhow::Error::new(error.unwrap_err()).context("mine.toml");
        assert!(error.chain().any(|cause| cause.to_string().contains('\n')), "{error:?}");
        let sentence = sentence(&error);
        assert!(sentence.starts_with("mine.toml: ") && sentence.contains("expected f64"), "{sentence}");
        assert!(!sentence.contains(['\n', '|']), "{sentence}");
    }

    #[test]
    fn wrong_values_are_wrong_usage_and_wrong_files_are_failures() {
        let value = TrainError::InvalidValue { field: "lr", value: "NaN".into(), accepted: "finite" };
        assert_eq!(exit_for(&anyhow::Error::new(value).context("config")), Exit::Usage);
        let size = DataError::BatchSize { batch_size: 9, split: convscope_data::Split::Train, images: 8 };
        assert_eq!(exit_for(&TrainError::from(size).into()), Exit::Usage);
        let data = DataError::NotFound { path: "absent".into() };
        assert_eq!(exit_for(&data.into()), Exit::Failed);
    }
}
