//! The layer table, the findings and the table of epochs, as text for the templates.

use convscope_inspect::{Finding, LayerRow, LayerTable};
use convscope_train::metrics::EpochMetrics;
use minijinja::{Value, context};

use super::bars;
use crate::findings::severity;
use crate::layers::{kind, shape};
use crate::number::{percent, significant, thousands};

/// Everything that `layers.html` names, but for the depth plot.
pub(super) fn table_view(table: &LayerTable) -> Value {
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
        parameters => thousands(table.parameters()),
        statistics => (table.running_statistics() > 0).then(|| thousands(table.running_statistics())),
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
        saturated => row.saturated_share.map_or_else(String::new, percent),
        saturated_sort => row.saturated_share.unwrap_or(-1.0),
        dead => row.dead_channels,
        channels => row.channels,
        rank => number(row.effective_rank),
        broken => (broken > 0).then(|| thousands(broken)),
        histogram => bars::svg(&row.histogram, row.min, row.max),
        histogram_text => format!("{} to {}", significant(row.min), significant(row.max)),
    }
}

/// A share as percent of a bar's length.
fn bar(share: f64) -> String {
    format!("{:.1}", if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 })
}
