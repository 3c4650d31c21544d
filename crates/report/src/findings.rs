//! What was found, in words: on the terminal and as JSON.

use std::path::Path;

use convscope_inspect::findings::Severity;
use convscope_inspect::{Finding, FindingKind};

use crate::table::{Style, Tone, paint};
use crate::{ReportError, json};

/// A paragraph for each finding, its severity before it; one that says so where nothing is unusual.
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
        text.push_str(&paint(severity(finding), tone, style));
        text.push_str(": ");
        text.extend(finding.text.chars().map(|c| if c.is_control() { ' ' } else { c }));
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

/// How a severity is called.
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
        assert_eq!(render(&findings, Style::Plain), "problem: conv2d is dead\nnote: fine\n");
        assert!(render(&findings, Style::Ansi).starts_with("\x1b[31mproblem\x1b[0m: "));
        assert_eq!(render(&[], Style::Plain), "nothing unusual was found\n");
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
