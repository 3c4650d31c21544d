//! Turns an error into a sentence and an exit code.

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
pub enum Exit {
    /// Everything was done.
    Done,
    /// Something went wrong.
    Failed,
    /// The arguments are at fault.
    Usage,
    /// The machine is at fault: the same command may succeed later.
    TryAgain,
    /// The user or the system stopped it.
    Interrupted,
}

impl Exit {
    /// The exit code for the shell.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            // EX_TEMPFAIL of sysexits.h.
            Exit::TryAgain => 75,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Arguments that cannot be combined; the text says which and what to do.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The exit code for an error: values from the user that are wrong for any data are usage errors.
pub(crate) fn exit_for(error: &anyhow::Error) -> Exit {
    if error.chain().any(is_usage) { Exit::Usage } else { Exit::Failed }
}

/// The exit code for an error of a trial: [`Exit::TryAgain`] unless the same training would fail again.
pub(crate) fn exit_for_trial(error: &anyhow::Error) -> Exit {
    if error.chain().any(|cause| is_usage(cause) || is_lasting(cause)) {
        exit_for(error)
    } else {
        Exit::TryAgain
    }
}

/// Whether the settings or the images themselves are at fault, apart from wrong usage. Files that are missing or
/// unreadable may be available later.
fn is_lasting(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return match error {
            TrainError::Data(error) => is_lasting(error),
            TrainError::Graph(error) => is_lasting(error),
            other => matches!(
                other,
                TrainError::Diverged { .. }
                    | TrainError::TooLarge { .. }
                    | TrainError::ClassesDiffer { .. }
                    | TrainError::ClassOutOfRange { .. }
                    | TrainError::OtherClasses { .. }
                    | TrainError::TeacherUnfit { .. }
                    | TrainError::TeacherKnowsImages { .. }
            ),
        };
    }
    if let Some(error) = error.downcast_ref::<DataError>() {
        return matches!(
            error,
            DataError::EmptySplit { .. }
                | DataError::Normalization { .. }
                | DataError::TooLarge { .. }
                | DataError::BeyondMemory { .. }
        );
    }
    let refused = |error: &GraphError| {
        matches!(error, GraphError::Node { .. } | GraphError::Structure { .. } | GraphError::Input { .. })
    };
    error.downcast_ref::<GraphError>().is_some_and(refused)
}

/// The error and its causes in one sentence, with advice; a cause that is already quoted by the text before it is not
/// repeated.
pub fn sentence(error: &anyhow::Error) -> String {
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

/// The text without the lines that quote a file and point into it, as in TOML errors: `2 | lr = "x"`.
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
                TuneError::Parameter { .. }
                    | TuneError::NothingToSearch
                    | TuneError::NoTrials
                    | TuneError::OtherStudy { .. }
                    | TuneError::OtherFolder { .. }
                    | TuneError::ForeignStudy { .. }
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

    use convscope_train::ValuesFrom;

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
    #[test]
    fn a_trial_is_repeated_unless_it_would_fail_again() {
        let code = |error: anyhow::Error| exit_for_trial(&error).code();
        let io = |kind: std::io::ErrorKind| TrainError::Io {
            action: "write the file",
            path: "weights".into(),
            cause: kind.into(),
        };
        assert_eq!(code(io(std::io::ErrorKind::StorageFull).into()), 75);
        assert_eq!(code(anyhow::Error::new(io(std::io::ErrorKind::NotFound)).context("said above")), 75);
        let away = || DataError::NotFound { path: "photos".into() };
        assert_eq!(code(away().into()), 75);
        assert_eq!(code(TrainError::from(away()).into()), 75);
        let unreadable =
            DataError::Image { path: "a.png".into(), source: convscope_data::PictureError::NotAPicture };
        assert_eq!(code(TrainError::from(unreadable).into()), 75);
        let diverged = TrainError::Diverged { place: "the loss".into(), epoch: 1, step: 2 };
        assert_eq!(code(diverged.into()), 1);
        let large = TrainError::TooLarge { needed: 9, limit: 8, largest_batch: 1 };
        assert_eq!(code(large.into()), 1);
        let node = GraphError::Structure { node: "pool".into(), problem: "is too small".into() };
        assert_eq!(code(TrainError::from(node).into()), 1);
        let origin = ValuesFrom::Argument { key: "dense.out_features".into(), value: 3 };
        assert_eq!(code(TrainError::ClassesDiffer { model: 3, data: 2, origin }.into()), 1);
        let size = DataError::BatchSize { batch_size: 9, split: convscope_data::Split::Train, images: 8 };
        assert_eq!(code(TrainError::from(size).into()), 2);
    }
}
