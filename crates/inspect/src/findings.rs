//! What the numbers mean, in plain words.

use convscope_ops::Activation;
use serde::Serialize;

use crate::depth::{DEPTH_FACTOR, DepthTrend, DepthVerdict, HELD_SPREAD};
use crate::layers::{LayerRow, LayerTable, SATURATION_MARGIN, SMALL_SCALE};
use crate::number::{figure, thousands};

/// Something worth knowing about a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The kind of finding.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The node, if it is about one.
    pub node: Option<String>,
    /// The number that it is based on.
    pub value: f64,
    /// The threshold that the number passed.
    pub threshold: f64,
    /// A whole sentence or two for a reader, with the node and the number, and what can be done.
    pub text: String,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Weights that are NaN or infinite; at the first node that has them.
    NonFiniteWeights,
    /// Activations that are NaN or infinite; at the first node that has them.
    NonFiniteActivations,
    /// A layer none of whose channels is ever active.
    DeadLayer,
    /// Channels that are never active.
    DeadChannels,
    /// Activations of about the same size in all layers.
    ActivationsHeldTogether,
    /// Activations that grow from layer to layer.
    GrowingActivations,
    /// Activations that fade from layer to layer.
    FadingActivations,
    /// Activations that vary widely without growing or fading steadily.
    UnevenActivations,
    /// A layer whose weights or activations are far larger or smaller than those of the layers around it.
    OutlierActivations,
    /// A layer whose output is nearly its input.
    IdleLayer,
    /// Scales of a batch normalisation that are nearly zero.
    SmallScales,
    /// Outputs of a sigmoid or softmax near 0 or 1.
    Saturated,
    /// A loss far above that of guessing.
    ExplodedLoss,
    /// A training accuracy that is hardly above that of guessing.
    NothingLearned,
    /// Training images that have been memorised.
    Overfitting,
    /// An accuracy measured on few images.
    FewImages,
    /// The result of a comparison.
    Comparison,
}

impl FindingKind {
    /// Whether it reports something that a healthy network does not have.
    pub fn is_unusual(self) -> bool {
        !matches!(
            self,
            FindingKind::ActivationsHeldTogether | FindingKind::FewImages | FindingKind::Comparison
        )
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Costs accuracy or time.
    Warning,
    /// The network cannot work.
    Problem,
}

/// The share of dead channels from which they are a warning rather than a note.
pub const MANY_DEAD: f64 = 0.25;
/// The factor from which a layer's weights, or its activations relative to its input's, stand out: `1 / 100` or less,
/// or 100 or more.
pub const OUTLIER_FACTOR: f64 = 100.0;
/// The factor per layer from which growing with depth (or, below `1 / 1.5`, fading) is a warning rather than a note.
pub const STEEP_FACTOR: f64 = 1.5;
/// The relative change below which a layer does nothing.
pub const IDLE_CHANGE: f64 = 1e-3;
/// The share of outputs near 0 or 1 above which a sigmoid is saturated.
pub const SATURATED_SHARE: f64 = 0.9;
/// The same for a softmax, which should be confident when it is right.
pub const SATURATED_SOFTMAX_SHARE: f64 = 0.999;

/// Everything in the table that passes a threshold: problems, then warnings, then notes, each in the network's order;
/// and, with at least three layers, whether activations are held together.
pub fn findings(table: &LayerTable) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(non_finite(table));
    for row in &table.rows {
        found.extend(dead(row));
        found.extend(outlier(table, row));
        found.extend(idle(row));
        found.extend(small_scales(row));
        found.extend(saturated(row));
    }
    let has_outlier = found.iter().any(|finding| finding.kind == FindingKind::OutlierActivations);
    found.extend(table.trend.as_ref().map(|trend| {
        // A single outlying layer distorts the line through all of them.
        let verdict = trend.verdict();
        let is_bent = has_outlier && verdict != DepthVerdict::HeldTogether;
        depth(trend, if is_bent { DepthVerdict::Uneven } else { verdict })
    }));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// The first node with weights that are not finite, and the first with such activations.
fn non_finite(table: &LayerTable) -> Vec<Finding> {
    let mut found = Vec::new();
    for (kind, what) in
        [(FindingKind::NonFiniteWeights, "weights"), (FindingKind::NonFiniteActivations, "activations")]
    {
        let number = |row: &LayerRow| match kind {
            FindingKind::NonFiniteWeights => row.non_finite_weights,
            _ => row.non_finite_activations,
        };
        let mut rows = table.rows.iter().filter(|row| number(row) > 0);
        let Some(first) = rows.next() else { continue };
        let later = match rows.count() {
            0 => String::new(),
            1 => "; one later layer has them too".to_string(),
            count => format!("; {count} later layers have them too"),
        };
        let name = &first.name;
        let count = thousands(number(first));
        let text = format!(
            "{name} is the first layer with {what} that are not finite: {count} of them are NaN or infinite{later}. Nothing \
             after it can be trusted; go back to an earlier checkpoint or train again with a lower learning rate or gradient clipping."
        );
        found.push(Finding {
            kind,
            severity: Severity::Problem,
            node: Some(name.clone()),
            value: number(first) as f64,
            threshold: 0.0,
            text,
        });
    }
    found
}

fn dead(row: &LayerRow) -> Option<Finding> {
    // A pooling or flattening only passes on the values of the layer before it.
    let acts = row.parameters > 0 || row.activation.is_some();
    if row.dead_channels == 0 || !acts {
        return None;
    }
    let (name, dead, channels) = (&row.name, row.dead_channels, row.channels);
    let share = dead as f64 / channels as f64;
    let (kind, severity, text) = if dead == channels {
        let text = format!(
            "{name} is dead: none of its {channels} channels was active on any image, so nothing of the image gets past it. Its \
             weights or biases have moved into a region where the activation is zero; train again with a lower learning rate."
        );
        (FindingKind::DeadLayer, Severity::Problem, text)
    } else {
        let severity = if share >= MANY_DEAD { Severity::Warning } else { Severity::Note };
        let text = format!(
            "{dead} of the {channels} channels of {name} ({}) {} never active on any image. {} time and {} nothing.",
            percent(share),
            if dead == 1 { "was" } else { "were" },
            if dead == 1 { "It costs" } else { "They cost" },
            if dead == 1 { "adds" } else { "add" },
        );
        (FindingKind::DeadChannels, severity, text)
    };
    Some(Finding { kind, severity, node: Some(name.clone()), value: dead as f64, threshold: 0.0, text })
}

fn outlier(table: &LayerTable, row: &LayerRow) -> Option<Finding> {
    let weight_gain = row.weight_gain?;
    let name = &row.name;
    let stands_out = |factor: f64| factor >= OUTLIER_FACTOR || factor <= 1.0 / OUTLIER_FACTOR;
    // What a sigmoid or softmax outputs does not grow with the weights; a dead layer is reported elsewhere.
    let input = row.inputs.first().and_then(|input| table.row(input));
    let gain = input.map(|input| row.mean_abs_activation / input.mean_abs_activation);
    let gain = gain.filter(|gain| gain.is_finite() && *gain > 0.0 && row.saturated_share.is_none());
    let (value, text) = if stands_out(weight_gain) {
        let text = format!(
            "The weights of {name} are far from those of a healthy layer: they scale independent inputs by {}, where about 1 is \
             usual.",
            figure(weight_gain)
        );
        (weight_gain, text)
    } else {
        let gain = gain.filter(|&gain| stands_out(gain))?;
        let text = format!(
            "The activations of {name} are {} times as large as those of its input ({} against {}).",
            figure(gain),
            figure(row.mean_abs_activation),
            input.map_or(String::new(), |input| figure(input.mean_abs_activation)),
        );
        (gain, text)
    };
    let threshold = if value >= 1.0 { OUTLIER_FACTOR } else { 1.0 / OUTLIER_FACTOR };
    Some(Finding {
        kind: FindingKind::OutlierActivations,
        severity: Severity::Warning,
        node: Some(name.clone()),
        value,
        threshold,
        text,
    })
}

fn idle(row: &LayerRow) -> Option<Finding> {
    let change = row.relative_change.filter(|&change| change < IDLE_CHANGE && !row.is_identity)?;
    let name = &row.name;
    let text = format!(
        "{name} does almost nothing: its output differs from its input by {} of the input's size. It could be left out.",
        percent(change)
    );
    Some(Finding {
        kind: FindingKind::IdleLayer,
        severity: Severity::Note,
        node: Some(name.clone()),
        value: change,
        threshold: IDLE_CHANGE,
        text,
    })
}

fn small_scales(row: &LayerRow) -> Option<Finding> {
    let small = row.small_scales.filter(|&small| small > 0)?;
    let (name, channels) = (&row.name, row.channels);
    let text = format!(
        "{small} of the {channels} scales of {name} {} below {SMALL_SCALE} in magnitude, so {} almost switched off.",
        if small == 1 { "is" } else { "are" },
        if small == 1 { "this channel is" } else { "these channels are" },
    );
    Some(Finding {
        kind: FindingKind::SmallScales,
        severity: if 4 * small >= channels { Severity::Warning } else { Severity::Note },
        node: Some(name.clone()),
        value: small as f64,
        threshold: f64::from(SMALL_SCALE),
        text,
    })
}

fn saturated(row: &LayerRow) -> Option<Finding> {
    let is_softmax = row.activation.is_some_and(Activation::is_distribution);
    // The softmax of a single class is always 1.
    let threshold = match (is_softmax, row.channels) {
        (true, 1) => return None,
        (true, _) => SATURATED_SOFTMAX_SHARE,
        (false, _) => SATURATED_SHARE,
    };
    let share = row.saturated_share.filter(|&share| share > threshold)?;
    let name = &row.name;
    let text = format!(
        "{name} is saturated: {} of its outputs are within {SATURATION_MARGIN} of 0 or 1, where almost no gradient gets past it.",
        percent(share)
    );
    let severity = if is_softmax { Severity::Note } else { Severity::Warning };
    let kind = FindingKind::Saturated;
    Some(Finding { kind, severity, node: Some(name.clone()), value: share, threshold, text })
}

fn depth(trend: &DepthTrend, verdict: DepthVerdict) -> Finding {
    let factor = trend.factor_per_layer;
    let steady = |verb: &str| {
        format!(
            "Activations {verb} with depth: by a factor of {} from layer to layer over {} layers, the largest {} times the \
             smallest. Batch normalisation or a different initialiser would keep them similar in size.",
            figure(factor),
            trend.layers,
            figure(trend.spread),
        )
    };
    let ((small, smallest), (large, largest)) = (&trend.smallest, &trend.largest);
    let is_steep = !(1.0 / STEEP_FACTOR..=STEEP_FACTOR).contains(&factor);
    let severity = if is_steep { Severity::Warning } else { Severity::Note };
    let (kind, severity, value, threshold, text) = match verdict {
        DepthVerdict::HeldTogether => {
            let text = format!(
                "Activations stay similar in size with depth: over {} layers the largest mean size, {} of {large}, is {} times \
                 the smallest, {} of {small}.",
                trend.layers,
                figure(*largest),
                figure(trend.spread),
                figure(*smallest),
            );
            (FindingKind::ActivationsHeldTogether, Severity::Note, trend.spread, HELD_SPREAD, text)
        }
        DepthVerdict::Growing => {
            (FindingKind::GrowingActivations, severity, factor, DEPTH_FACTOR, steady("grow"))
        }
        DepthVerdict::Fading => {
            (FindingKind::FadingActivations, severity, factor, 1.0 / DEPTH_FACTOR, steady("fade"))
        }
        DepthVerdict::Uneven => {
            let text = format!(
                "Activations vary in size: the largest mean size, {} of {large}, is {} times the smallest, {} of \
                 {small}; over the {} layers they neither grow nor fade steadily.",
                figure(*largest),
                figure(trend.spread),
                figure(*smallest),
                trend.layers,
            );
            (FindingKind::UnevenActivations, Severity::Note, trend.spread, HELD_SPREAD, text)
        }
    };
    Finding { kind, severity, node: None, value, threshold, text }
}

fn percent(share: f64) -> String {
    format!("{} %", figure(100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_activations_are_held_together_is_said_with_its_number() {
        let said = |sizes: [f64; 4]| {
            let trend = DepthTrend::of(
                &["a", "b", "c", "d"].map(|name| (name, sizes[name.as_bytes()[0] as usize - 97])),
            );
            let trend = trend.unwrap();
            depth(&trend, trend.verdict())
        };
        let held = said([1.0, 2.0, 1.5, 2.0]);
        assert_eq!((held.kind, held.value, held.threshold), (FindingKind::ActivationsHeldTogether, 2.0, 4.0));
        let grow = said([1.0, 2.0, 4.0, 8.0]);
        assert_eq!((grow.kind, grow.severity), (FindingKind::GrowingActivations, Severity::Warning));
        assert!((grow.value - 2.0).abs() < 1e-9, "{grow:?}");
        let start = "Activations grow with depth: by a factor of 2.00 from layer to layer over 4 layers, the largest 8.00 times";
        assert!(grow.text.starts_with(start), "{}", grow.text);
        assert_eq!(said([8.0, 4.0, 2.0, 1.0]).kind, FindingKind::FadingActivations);
        let uneven = said([1.0, 9.0, 9.0, 1.0]);
        assert_eq!((uneven.kind, uneven.value), (FindingKind::UnevenActivations, 9.0));
    }
}
