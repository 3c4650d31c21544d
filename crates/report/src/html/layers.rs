//! The layer table, the findings and the table of epochs, as text for the templates.

use std::fmt::Write;

use convscope_inspect::{Finding, Histogram, LayerRow, LayerTable};
use convscope_train::metrics::EpochMetrics;
use minijinja::{Value, context};

use crate::findings::severity;
use crate::layers::{kind, shape};
use crate::number::{percent, significant, thousands};

/// Everything that `layers.html` names, but for the depth plot.
pub(super) fn table_view(table: &LayerTable) -> Value {
    let parameters: u64 = table.rows.iter().map(|row| row.parameters as u64).sum();
    let trend = table.trend.as_ref().map(|trend| {
        let change = if trend.factor_per_layer >= 1.0 { "grows" } else { "fades" };
        format!(
            "From one layer with weights to the next the mean |activation| that is handed on {change} by a factor of {} (a \
             straight line through the logarithms of {} layers, which explains {} of their variance); the largest, of {}, is {} \
             times the smallest, of {}.",
            significant(trend.factor_per_layer),
            trend.layers,
            percent(trend.fit),
            trend.largest.0,
            significant(trend.spread),
            trend.smallest.0,
        )
    });
    context! {
        images => thousands(table.images),
        parameters => thousands(parameters),
        rows => table.rows.iter().map(row_view).collect::<Vec<_>>(),
        trend,
    }
}

/// Findings for the template.
pub(super) fn findings_view(findings: &[Finding]) -> Vec<Value> {
    let view = |finding: &Finding| {
        context! {
            severity => severity(finding),
            node => finding.node.clone(),
            text => finding.text.clone(),
            value => significant(finding.value),
            threshold => significant(finding.threshold),
        }
    };
    findings.iter().map(view).collect()
}

/// The table of epochs.
pub(super) fn epochs_view(metrics: &[EpochMetrics]) -> Vec<Value> {
    let view = |line: &EpochMetrics| {
        context! {
            epoch => line.epoch,
            learning_rate => significant(line.learning_rate),
            train_loss => significant(line.train_loss),
            train_accuracy => percent(line.train_accuracy),
            val_loss => significant(line.val_loss),
            val_accuracy => percent(line.val_accuracy),
            speed => thousands(line.images_per_second.max(0.0).round() as u64),
        }
    };
    metrics.iter().map(view).collect()
}

/// The mean |activation| of every layer of several runs: names down, runs across. Empty for fewer than two.
pub(super) fn side_by_side(tables: &[(&str, &LayerTable)]) -> Value {
    if tables.len() < 2 {
        return Value::from(());
    }
    let names = crate::curves::merged_names(tables);
    let rows = names.iter().map(|name| {
        let cells = tables.iter().map(|(_, table)| {
            let row = table.rows.iter().find(|row| row.name == *name)?;
            Some(context! {
                activation => significant(row.mean_abs_activation),
                bar => bar(row.normalized_activation),
            })
        });
        context! { name => name.clone(), cells => cells.collect::<Vec<_>>() }
    });
    context! {
        runs => tables.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>(),
        rows => rows.collect::<Vec<_>>(),
    }
}

fn row_view(row: &LayerRow) -> Value {
    let number = |value: Option<f64>| {
        context! {
            text => value.map_or_else(String::new, significant),
            sort => value.filter(|v| v.is_finite()).unwrap_or(-1.0),
        }
    };
    let broken = row.non_finite_activations + row.non_finite_weights;
    context! {
        name => row.name.clone(),
        kind => kind(row),
        shape => shape(row).replace('x', "\u{202f}×\u{202f}"),
        size => row.output_shape.iter().product::<usize>(),
        parameters => if row.parameters == 0 { String::new() } else { thousands(row.parameters as u64) },
        parameters_sort => row.parameters,
        mean_abs_weight => number(row.mean_abs_weight),
        sum_abs_weight => number(row.sum_abs_weight),
        mean_abs_activation => number(Some(row.mean_abs_activation)),
        normalized => number(Some(row.normalized_activation)),
        normalized_text => format!("{:.3}", row.normalized_activation),
        bar => bar(row.normalized_activation),
        standard_deviation => number(Some(row.standard_deviation)),
        zeros => percent(row.zero_share),
        zeros_sort => row.zero_share,
        dead => row.dead_channels,
        channels => row.channels,
        rank => number(row.effective_rank),
        broken => (broken > 0).then(|| thousands(broken)),
        histogram => histogram_svg(&row.histogram, row),
        histogram_text => format!("{} to {}", significant(row.min), significant(row.max)),
    }
}

/// A share as percent of a bar's length.
fn bar(share: f64) -> String {
    format!("{:.1}", if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 })
}

/// A small histogram over an even scale from the smallest to the largest value. The bins of the result, which are even
/// in the logarithm, are dealt to it by how much of each lies where. Heights are square roots, so that rare values
/// beside a peak can be seen.
fn histogram_svg(histogram: &Histogram, row: &LayerRow) -> String {
    const BARS: usize = 28;
    const SIZE: (f64, f64) = (84.0, 22.0);
    let span = row.max - row.min;
    if !span.is_finite() || span <= 0.0 || histogram.counts.is_empty() {
        return String::new();
    }
    let mut bars = [0.0_f64; BARS];
    for (edges, &count) in histogram.edges.windows(2).zip(&histogram.counts) {
        let place = |edge: f64| ((edge - row.min) / span * BARS as f64).clamp(0.0, BARS as f64);
        let (low, high) = (place(edges[0]), place(edges[1]));
        let last = (low as usize).min(BARS - 1);
        if high - low < 1e-9 {
            bars[last] += count as f64;
            continue;
        }
        for (bar, value) in bars.iter_mut().enumerate().skip(last) {
            let overlap = (high.min(bar as f64 + 1.0) - low.max(bar as f64)).max(0.0);
            *value += count as f64 * overlap / (high - low);
        }
    }
    let most = bars.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let step = SIZE.0 / BARS as f64;
    let mut path = String::new();
    for (index, value) in bars.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let height = ((value / most).sqrt() * SIZE.1).max(0.6);
        let _ = write!(
            path,
            "M{:.1} {}v-{height:.1}h{:.1}v{height:.1}z",
            index as f64 * step,
            SIZE.1,
            step - 0.5
        );
    }
    format!(
        "<svg class=\"histogram\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" \
         aria-label=\"distribution from {2} to {3}\"><path d=\"{path}\"/></svg>",
        SIZE.0,
        SIZE.1,
        significant(row.min),
        significant(row.max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::table;

    fn heights(svg: &str) -> Vec<f64> {
        svg.split("v-").skip(1).map(|part| part.split('h').next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn counts_are_dealt_to_an_even_scale() {
        let mut row = table().rows[0].clone();
        (row.min, row.max) = (0.0, 28.0);
        // 28 bars of width 1: all of the first bin in one bar, the second spread over 27.
        let histogram = Histogram { edges: vec![0.0, 1.0, 28.0], counts: vec![100, 27 * 25] };
        let heights = heights(&histogram_svg(&histogram, &row));
        assert_eq!(heights.len(), 28);
        assert_eq!((heights[0], heights[1], heights[27]), (22.0, 11.0, 11.0));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let mut row = table().rows[0].clone();
        let histogram = row.histogram.clone();
        assert!(!histogram_svg(&histogram, &row).is_empty());
        row.max = row.min;
        assert!(histogram_svg(&histogram, &row).is_empty());
        row.max = f64::NAN;
        assert!(histogram_svg(&histogram, &row).is_empty());
        row.max = 5.0;
        assert!(histogram_svg(&Histogram { edges: vec![9.0, 9.5], counts: vec![0] }, &row).is_empty());
    }
}
