//! Findings in words: for the terminal and as JSON.

use std::path::Path;

use convscope_inspect::findings::Severity;
use convscope_inspect::{Finding, FindingKind};

use crate::number::{percent, significant, thousands};
use crate::style::{Style, Tone, paint};
use crate::table::wrapped;
use crate::{ReportError, json};

/// A paragraph for each finding, starting with its severity; or a sentence if nothing is unusual. Findings that many
/// layers share are one paragraph with the names of the layers.
pub fn render(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    let is_usual = |finding: &Finding| {
        matches!(finding.kind, FindingKind::ActivationsHeldTogether | FindingKind::FewImages)
    };
    if findings.iter().all(is_usual) {
        text.push_str("nothing unusual was found\n");
    }
    for group in alike(findings) {
        let finding = group.strongest;
        let tone = match finding.severity {
            Severity::Problem => Tone::Bad,
            Severity::Warning => Tone::Bold,
            Severity::Note => Tone::Dim,
        };
        let name = severity(finding);
        let mut line = finding.text.clone();
        if let Some(others) = group.others_in_words() {
            line = format!("{line} {others}");
        }
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = wrapped(&format!("{name}: {line}"), style);
        text.push_str(&paint(name, tone, style));
        text.push_str(&line[name.len()..]);
        text.push('\n');
    }
    text
}

/// Findings of one kind and severity.
pub(crate) struct Alike<'a> {
    /// The one to tell in full: whose number is furthest from its threshold.
    pub strongest: &'a Finding,
    /// The other ones, in the network's order.
    pub others: Vec<&'a Finding>,
}

impl Alike<'_> {
    /// `The same goes for 5 other layers: a (3), b (1) and 3 more.` `None` without others.
    fn others_in_words(&self) -> Option<String> {
        let count = self.others.len();
        let mut names: Vec<String> =
            self.others.iter().take(NAMED).map(|finding| name_and_number(finding)).collect();
        if count > NAMED {
            names.push(format!("{} more", count - NAMED));
        }
        let last = names.pop()?;
        Some(format!("The same goes for {count} other layers: {} and {last}.", names.join(", ")))
    }
}

/// The name of the layer of a finding, and its number.
pub(crate) fn name_and_number(finding: &Finding) -> String {
    let name = finding.node.as_deref().unwrap_or_default();
    let value = finding.value;
    match finding.kind {
        FindingKind::DeadLayer => name.to_owned(),
        FindingKind::IdleLayer | FindingKind::Saturated => format!("{name} ({})", percent(value)),
        _ => format!("{name} ({})", brief(value)),
    }
}

/// Findings of layers in groups of the same kind and severity, if more than [`FEW`] layers share them; all others
/// alone. In the order of the first of each.
pub(crate) fn alike(findings: &[Finding]) -> Vec<Alike<'_>> {
    let same = |a: &Finding, b: &Finding| {
        a.kind == b.kind && a.severity == b.severity && a.node.is_some() && b.node.is_some()
    };
    let mut groups = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        let group: Vec<&Finding> = findings.iter().filter(|other| same(finding, other)).collect();
        if group.len() <= FEW {
            groups.push(Alike { strongest: finding, others: Vec::new() });
        } else if !findings[..index].iter().any(|earlier| same(earlier, finding)) {
            let mut strongest = group[0];
            for other in &group {
                if distance(other) > distance(strongest) {
                    strongest = other;
                }
            }
            let others = group.into_iter().filter(|other| !std::ptr::eq(*other, strongest)).collect();
            groups.push(Alike { strongest, others });
        }
    }
    groups
}

/// The number of layers up to which each finding of a kind is told in full.
const FEW: usize = 3;
/// The number of layers that the terminal names.
const NAMED: usize = 8;

/// How far the number of a finding is from its threshold, as a logarithm where there is a ratio.
fn distance(finding: &Finding) -> f64 {
    let ratio = finding.value / finding.threshold;
    if ratio.is_finite() && ratio > 0.0 { ratio.ln().abs() } else { finding.value }
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
    fn a_finding_that_many_layers_share_is_one_paragraph() {
        let dead = |node: &str, value: f64| Finding {
            kind: FindingKind::DeadChannels,
            node: Some(node.to_owned()),
            value,
            threshold: 0.0,
            ..finding(Severity::Note, &format!("{node} has {value} dead channels."))
        };
        let other = Finding { node: None, ..finding(Severity::Note, "few images") };
        let few = [dead("a", 1.0), other.clone(), dead("b", 4.0), dead("c", 2.0)];
        assert_eq!(render(&few, Style::PLAIN).lines().count(), 4);
        let many = [dead("a", 1.0), other, dead("b", 4.0), dead("c", 2.0), dead("d", 1.0)];
        assert_eq!(
            render(&many, Style::PLAIN),
            "note: b has 4 dead channels. The same goes for 3 other layers: a (1), c (2) and d (1).\nnote: few images\n"
        );
        let hundred: Vec<_> = (0..100).map(|index| dead(&format!("conv{index}"), 1.0)).collect();
        assert!(render(&hundred, Style::PLAIN).ends_with("conv7 (1), conv8 (1) and 91 more.\n"));
        // A warning is not hidden among notes.
        let mut mixed = hundred;
        mixed[50].severity = Severity::Warning;
        assert_eq!(render(&mixed, Style::PLAIN).lines().count(), 2);
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
