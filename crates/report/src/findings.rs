//! Findings in words: for the terminal and as JSON.

use std::path::Path;

use convscope_inspect::findings::Severity;
use convscope_inspect::{Finding, FindingKind};

use crate::number::{percent, significant, thousands};
use crate::table::{Style, Tone, paint, wrapped};
use crate::{ReportError, json};

/// A paragraph for each finding, starting with its severity; or a sentence if nothing is unusual.
pub fn render(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    let is_usual = |finding: &Finding| {
        matches!(finding.kind, FindingKind::ActivationsHeldTogether | FindingKind::FewImages)
    };
    if findings.iter().all(is_usual) {
        text.push_str("nothing unusual was found\n");
    }
    for finding in findings {
        let tone = match finding.severity {
            Severity::Problem => Tone::Bad,
            Severity::Warning => Tone::Bold,
            Severity::Note => Tone::Dim,
        };
        let name = severity(finding);
        let line: String = finding.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = wrapped(&format!("{name}: {line}"), style);
        text.push_str(&paint(name, tone, style));
        text.push_str(&line[name.len()..]);
        text.push('\n');
    }
    text
}

/// Writes `findings.json`: a list of findings, each with its kind, node, number, threshold and text.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file.
pub fn save_json(findings: &[Finding], path: &Path) -> Result<(), ReportError> {
    json::save(&findings, path)
}

/// The number behind a finding and the threshold that it passed, in words; empty if the text says it all.
pub fn measured(finding: &Finding) -> String {
    let (value, threshold) = (finding.value, finding.threshold);
    let (number, bound) = (brief(value), brief(threshold));
    match finding.kind {
        FindingKind::NonFiniteWeights | FindingKind::NonFiniteActivations => {
            format!("values that are NaN or infinite: {}", thousands(value as u64))
        }
        FindingKind::DeadLayer | FindingKind::DeadChannels => {
            format!("channels that are never active: {value}")
        }
        FindingKind::ActivationsHeldTogether | FindingKind::UnevenActivations => {
            format!("largest layer mean divided by the smallest: {number} (close together up to {bound})")
        }
        FindingKind::GrowingActivations => {
            format!("factor from layer to layer: {number} (steady up to {bound})")
        }
        FindingKind::FadingActivations => {
            format!("factor from layer to layer: {number} (steady down to {bound})")
        }
        FindingKind::OutlierActivations => {
            let side = if threshold >= 1.0 { "up to" } else { "down to" };
            format!("factor: {number} (usual {side} {bound})")
        }
        FindingKind::IdleLayer => {
            format!("change of the input: {} (idle below {})", percent(value), percent(threshold))
        }
        FindingKind::SmallScales => format!("scales below {bound}: {value}"),
        FindingKind::Saturated => {
            format!("outputs near 0 or 1: {} (saturated above {})", percent(value), percent(threshold))
        }
        FindingKind::ExplodedLoss => format!("loss: {number} (exploded above {bound})"),
        FindingKind::NothingLearned => {
            format!("training accuracy: {} (guessing up to {})", percent(value), percent(threshold))
        }
        FindingKind::Overfitting => format!(
            "training accuracy minus validation accuracy: {} (overfitting from {})",
            percent(value),
            percent(threshold)
        ),
        FindingKind::FewImages => {
            format!("width of the 95 % interval: {} (wide above {})", percent(value), percent(threshold))
        }
        FindingKind::Comparison => String::new(),
    }
}

/// A number without trailing zeros.
fn brief(value: f64) -> String {
    let text = significant(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The name of a severity.
pub(crate) fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Problem => "problem",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::finding;

    #[test]
    fn each_finding_is_a_line_with_its_severity() {
        let findings = [finding(Severity::Problem, "conv2d is\ndead"), finding(Severity::Note, "fine")];
        assert_eq!(render(&findings, Style::PLAIN), "problem: conv2d is dead\nnote: fine\n");
        assert!(render(&findings, Style::ANSI).starts_with("\x1b[31mproblem\x1b[0m: "));
        assert_eq!(render(&[], Style::PLAIN), "nothing unusual was found\n");
        let narrow = Style { width: Some(20), ..Style::PLAIN };
        assert_eq!(
            render(&[finding(Severity::Note, "3 of 16 channels are dead")], narrow),
            "note: 3 of 16\nchannels are dead\n"
        );
    }

    #[test]
    fn the_number_of_a_finding_is_told_in_words() {
        let of = |kind, value, threshold| {
            measured(&Finding { kind, value, threshold, ..finding(Severity::Note, "a") })
        };
        assert_eq!(
            of(FindingKind::UnevenActivations, 8.727, 4.0),
            "largest layer mean divided by the smallest: 8.727 (close together up to 4)"
        );
        assert_eq!(of(FindingKind::DeadChannels, 3.0, 0.0), "channels that are never active: 3");
        assert_eq!(of(FindingKind::OutlierActivations, 0.005, 0.01), "factor: 0.005 (usual down to 0.01)");
        assert_eq!(of(FindingKind::Comparison, 8.727, 1.5), "");
    }

    #[test]
    fn json_keeps_the_number_and_its_threshold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.json");
        save_json(&[finding(Severity::Warning, "a")], &path).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(value[0]["severity"], "warning");
        assert_eq!((value[0]["value"].as_f64(), value[0]["threshold"].as_f64()), (Some(0.5), Some(0.1)));
    }
}
