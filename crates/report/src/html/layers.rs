//! The layer table, the findings and the table of epochs, as text for the templates.

use convscope_inspect::{Finding, LayerRow, LayerTable, Quantity};
use convscope_train::metrics::EpochMetrics;
use minijinja::{Value, context};

use super::bars;
use super::words;
use crate::chart::escape;
use crate::findings::{Alike, alike, measured, name_and_number, severity};
use crate::layers::{kind, shape};
use crate::number::{percent, significant, thousands};

/// All variables of `layers.html` except the depth plot.
pub(super) fn table_view(table: &LayerTable, over: &str) -> Value {
    let trend = table.trend.as_ref().map(|trend| {
        let change = if trend.factor_per_layer >= 1.0 { "grows" } else { "fades" };
        format!(
            "From one layer with weights to the next, the mean |activation| {change} by a factor of {} (a \
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
        images => if over.is_empty() { format!("{} images", thousands(table.images)) } else { over.to_owned() },
        has_saturated => table.rows.iter().any(|row| row.saturated_share.is_some()),
        parameters => thousands(table.parameters()),
        statistics => (table.running_statistics() > 0).then(|| thousands(table.running_statistics())),
        rows => table.rows.iter().map(row_view).collect::<Vec<_>>(),
        trend,
    }
}

/// Findings for the template: those that many layers share as one, with the other layers as a list.
pub(super) fn findings_view(findings: &[Finding]) -> Vec<Value> {
    let view = |group: Alike<'_>| {
        let finding = group.strongest;
        context! {
            severity => severity(finding),
            node => finding.node.clone(),
            text => finding.text.clone(),
            measured => measured(finding),
            word => words::of(finding.kind),
            others => group.others.into_iter().map(name_and_number).collect::<Vec<_>>(),
        }
    };
    alike(findings).into_iter().map(view).collect()
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

/// A quantity of every layer of several runs, raw and normalised: layers down, runs across.
pub(super) fn side_by_side(tables: &[(&str, &LayerTable)], quantity: Quantity) -> Vec<Value> {
    let columns: Vec<_> =
        tables.iter().map(|(_, table)| (table, table.values(quantity), table.normalized(quantity))).collect();
    let number = |value: Option<f64>| value.map_or_else(String::new, significant);
    let rows = crate::curves::merged_names(tables).into_iter().filter_map(|name| {
        let cells: Vec<(Option<f64>, Option<f64>)> = columns
            .iter()
            .map(|(table, values, normalized)| {
                let place = table.rows.iter().position(|row| row.name == name);
                place.map_or((None, None), |place| (values[place], normalized[place]))
            })
            .collect();
        let view = |&(value, normalized): &(Option<f64>, Option<f64>)| {
            context! {
                value => number(value),
                normalized => normalized.map_or_else(String::new, |share| format!("{share:.3}")),
                bar => normalized.map(bar),
            }
        };
        let is_there = cells.iter().any(|(value, _)| value.is_some());
        is_there.then(|| context! { name, cells => cells.iter().map(view).collect::<Vec<_>>() })
    });
    rows.collect()
}

/// A name as HTML that may be broken between words, and within a word only if the word is too long for a line.
pub(super) fn breakable(name: &str) -> String {
    const LONGEST_WORD: usize = 15;
    let (mut html, mut word) = (String::new(), 0);
    let mut rest = name;
    for letter in name.chars() {
        rest = &rest[letter.len_utf8()..];
        if word == LONGEST_WORD {
            html.push_str("<wbr>");
            word = 0;
        }
        html.push_str(&escape(letter.encode_utf8(&mut [0; 4])));
        word += 1;
        // A number stays with its word.
        if "_./- ".contains(letter) && !rest.chars().all(|letter| letter.is_ascii_digit()) {
            html.push_str("<wbr>");
            word = 0;
        }
    }
    html
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
        low => significant(row.min),
        high => significant(row.max),
    }
}

/// A share as a percentage of a bar's length.
fn bar(share: f64) -> String {
    format!("{:.1}", if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_between_words_and_words_only_where_they_must() {
        assert_eq!(breakable("max_pooling2d"), "max_<wbr>pooling2d");
        assert_eq!(breakable("conv2d_12"), "conv2d_12");
        assert_eq!(breakable("batch_normalization_7"), "batch_<wbr>normalization_7");
        assert_eq!(breakable("a<b"), "a&lt;b");
        assert_eq!(breakable(&"x".repeat(16)), format!("{}<wbr>x", "x".repeat(15)));
    }
}
