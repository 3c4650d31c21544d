//! The curves of training and the activations against depth, as charts.

use std::path::Path;

use convscope_inspect::{LayerTable, Quantity};
use convscope_train::LayerMetrics;
use convscope_train::metrics::EpochMetrics;

use crate::ReportError;
use crate::chart::{self, Chart, Series, Stroke, XAxis, YAxis};

/// Loss over the epochs: for each run, the training loss as a dashed line and the validation loss as a solid line.
pub fn loss_chart(runs: &[(&str, &[EpochMetrics])]) -> Chart {
    epochs("Loss", YAxis::Number, runs, |line| (line.train_loss, line.val_loss))
}

/// Accuracy over the epochs, lines as in [`loss_chart`].
pub fn accuracy_chart(runs: &[(&str, &[EpochMetrics])]) -> Chart {
    epochs("Accuracy", YAxis::Percent, runs, |line| (line.train_accuracy, line.val_accuracy))
}

/// How each layer of a run learned, layer by layer from input to output, with a line for each of a few epochs including
/// the first and the last: the norm of its gradient, and its update ratio. Both axes are logarithmic; a line that falls
/// to the left shows gradients that fade on their way back. Empty if nothing was recorded.
pub fn learning_charts(lines: &[LayerMetrics]) -> Vec<Chart> {
    let Some(last) = lines.last().map(|line| line.epoch) else { return Vec::new() };
    let names: Vec<String> =
        lines.iter().filter(|line| line.epoch == last).map(|line| line.layer.clone()).collect();
    let mut epochs: Vec<u64> = lines.iter().map(|line| line.epoch).collect();
    epochs.dedup();
    let shown = even_choice(&epochs, LEARNING_LINES);
    let chart = |title: &str, value: fn(&LayerMetrics) -> f64| {
        let series = shown.iter().enumerate().map(|(colour, &epoch)| Series {
            name: format!("epoch {epoch}"),
            points: lines
                .iter()
                .filter(|line| line.epoch == epoch)
                .filter_map(|line| {
                    Some((names.iter().position(|name| *name == line.layer)? as f64, value(line)))
                })
                .collect(),
            colour,
            stroke: Stroke::Solid,
        });
        Chart {
            title: title.to_owned(),
            x_label: "layer, from input to output".to_owned(),
            x_axis: XAxis::Names(names.clone()),
            y_axis: YAxis::Logarithm,
            series: series.collect(),
        }
    };
    vec![
        chart("Norm of the gradient of each layer", |line| line.gradient_norm),
        chart("Update ratio of each layer", |line| line.update_ratio),
    ]
}

/// Most epochs in a chart of layers: as many as there are easily distinguished colours.
const LEARNING_LINES: usize = 4;

/// At most `most` of these, evenly spaced, including the first and the last.
fn even_choice(all: &[u64], most: usize) -> Vec<u64> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|index| all[index * (all.len() - 1) / (most - 1)]).collect()
}

/// Writes `curves.png`: loss above accuracy and, if known, how each layer learned below them.
///
/// # Errors
/// Those of [`chart::save`].
pub fn save(
    name: &str,
    metrics: &[EpochMetrics],
    layers: &[LayerMetrics],
    path: &Path,
) -> Result<(), ReportError> {
    let runs = [(name, metrics)];
    let mut charts = vec![loss_chart(&runs), accuracy_chart(&runs)];
    charts.extend(learning_charts(layers));
    chart::save(&charts, path)
}

/// Writes `depth.png`: [`depth_chart`] as a picture.
///
/// # Errors
/// Those of [`chart::save`].
pub fn save_depth(runs: &[(&str, &LayerTable)], path: &Path) -> Result<(), ReportError> {
    chart::save(&[depth_chart(runs)], path)
}

/// [`layer_chart`] of the mean |activation|.
pub fn depth_chart(runs: &[(&str, &LayerTable)]) -> Chart {
    layer_chart(runs, Quantity::MeanAbsActivation, Scaling::Raw)
}

/// The scaling of values in a chart of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Unscaled.
    Raw,
    /// Scaled so that the smallest layer of a run is 0 and its largest 1: [`LayerTable::normalized`].
    Normalized,
}

/// A quantity of every layer that has it, in the order of the network, with a line in a different colour for each run.
/// Layers with the same name share a position; one that only some runs have comes after the layer it follows there, and
/// the lines of the others skip it. The vertical axis of raw values is logarithmic if the largest is more than twenty
/// times the smallest.
pub fn layer_chart(runs: &[(&str, &LayerTable)], quantity: Quantity, scaling: Scaling) -> Chart {
    let of = |table: &LayerTable| match scaling {
        Scaling::Raw => table.values(quantity),
        Scaling::Normalized => table.normalized(quantity),
    };
    let has_it = |name: &String| {
        runs.iter().any(|(_, table)| {
            table
                .rows
                .iter()
                .zip(table.values(quantity))
                .any(|(row, value)| row.name == *name && value.is_some())
        })
    };
    let names: Vec<String> = merged_names(runs).into_iter().filter(has_it).collect();
    let place = |name: &str| names.iter().position(|known| known == name);
    let series: Vec<Series> = runs
        .iter()
        .enumerate()
        .map(|(colour, (name, table))| Series {
            name: (*name).to_owned(),
            points: table
                .rows
                .iter()
                .zip(of(table))
                .filter_map(|(row, value)| Some((place(&row.name)? as f64, value?)))
                .collect(),
            colour,
            stroke: Stroke::Solid,
        })
        .collect();
    let values =
        || series.iter().flat_map(|s| s.points.iter().map(|p| p.1)).filter(|v| v.is_finite() && *v > 0.0);
    let wide = values().fold(0.0, f64::max) > 20.0 * values().fold(f64::INFINITY, f64::min);
    let normalised = if scaling == Scaling::Normalized { ", normalised" } else { "" };
    Chart {
        title: format!("{} of each layer{normalised}", quantity_name(quantity)),
        x_label: "layer, from input to output".to_owned(),
        x_axis: XAxis::Names(names),
        y_axis: if wide && scaling == Scaling::Raw { YAxis::Logarithm } else { YAxis::Number },
        series,
    }
}

/// The name of a quantity.
pub fn quantity_name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::MeanAbsWeight => "Mean |weight|",
        Quantity::SumAbsWeight => "Sum of |weight|",
        Quantity::MeanAbsActivation => "Mean |activation|",
    }
}

fn epochs(
    title: &str,
    y_axis: YAxis,
    runs: &[(&str, &[EpochMetrics])],
    values: impl Fn(&EpochMetrics) -> (f64, f64),
) -> Chart {
    let mut series = Vec::new();
    for (colour, (name, lines)) in runs.iter().enumerate() {
        let prefix = if runs.len() > 1 { format!("{name}, ") } else { String::new() };
        let points = |pick: &dyn Fn((f64, f64)) -> f64| {
            lines.iter().map(|line| (line.epoch as f64, pick(values(line)))).collect()
        };
        let (training, validation) = if runs.len() > 1 { (colour, colour) } else { (1, 0) };
        series.push(Series {
            name: format!("{prefix}training"),
            points: points(&|value| value.0),
            colour: training,
            stroke: Stroke::Dashed,
        });
        series.push(Series {
            name: format!("{prefix}validation"),
            points: points(&|value| value.1),
            colour: validation,
            stroke: Stroke::Solid,
        });
    }
    Chart { title: title.to_owned(), x_label: "epoch".to_owned(), x_axis: XAxis::Counts, y_axis, series }
}

/// All names in one order: those of the first run, then each other name after the one it follows.
pub(crate) fn merged_names(runs: &[(&str, &LayerTable)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, table) in runs {
        let mut next = 0;
        for row in &table.rows {
            match names.iter().position(|known| *known == row.name) {
                Some(place) => next = place + 1,
                None => {
                    names.insert(next, row.name.clone());
                    next += 1;
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{layer_metrics, metrics, table};

    #[test]
    fn one_run_has_two_colours_and_several_have_one_each() {
        let (a, b) = (metrics(3), metrics(2));
        let one = loss_chart(&[("a", &a)]);
        assert_eq!(
            one.series.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
            ["training", "validation"]
        );
        assert_ne!(one.series[0].colour, one.series[1].colour);
        assert_eq!(one.series[1].points[2], (3.0, a[2].val_loss));
        let two = accuracy_chart(&[("a", &a), ("b", &b)]);
        assert_eq!(two.series[3].name, "b, validation");
        assert_eq!(two.series.iter().map(|s| s.colour).collect::<Vec<_>>(), [0, 0, 1, 1]);
        assert_eq!(two.series[2].points, [(1.0, b[0].train_accuracy), (2.0, b[1].train_accuracy)]);
    }

    #[test]
    fn learning_has_a_line_for_each_of_a_few_epochs_over_the_layers() {
        let lines = layer_metrics(9);
        let charts = learning_charts(&lines);
        let epochs: Vec<&str> = charts[0].series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(epochs, ["epoch 1", "epoch 3", "epoch 6", "epoch 9"]);
        assert_eq!(charts[0].x_axis, XAxis::Names(["conv2d", "dense"].map(String::from).to_vec()));
        // The lines are in order of epoch, then layer.
        assert_eq!(
            charts[0].series[1].points,
            [(0.0, lines[4].gradient_norm), (1.0, lines[5].gradient_norm)]
        );
        assert_eq!(charts[1].series[3].points[1], (1.0, lines[17].update_ratio));
        assert!(learning_charts(&[]).is_empty());
        assert_eq!(even_choice(&[5, 6], 4), [5, 6]);
    }

    #[test]
    fn layers_that_one_run_lacks_keep_their_place() {
        let plain = table();
        let mut normalised = table();
        let mut extra = normalised.rows[0].clone();
        extra.name = "batch_normalization".into();
        extra.mean_abs_activation = 900.0;
        normalised.rows.insert(1, extra);
        let chart = depth_chart(&[("plain", &plain), ("bn", &normalised)]);
        let expected = ["conv2d", "batch_normalization", "conv2d_1", "dense"].map(String::from);
        assert_eq!(chart.x_axis, XAxis::Names(expected.to_vec()));
        assert_eq!(chart.series[0].points[1].0, 2.0);
        assert_eq!(chart.series[1].points[1], (1.0, 900.0));
        assert_eq!(chart.y_axis, YAxis::Logarithm);
        // Dashes are only for training images.
        assert!(chart.series.iter().all(|series| series.stroke == Stroke::Solid));
        let weights = layer_chart(
            &[("plain", &plain), ("bn", &normalised)],
            Quantity::SumAbsWeight,
            Scaling::Normalized,
        );
        assert_eq!(weights.title, "Sum of |weight| of each layer, normalised");
        assert_eq!(weights.x_axis, XAxis::Names(expected[..3].to_vec()), "the last layer has no weights");
        assert_eq!(depth_chart(&[("plain", &plain)]).y_axis, YAxis::Number);
    }
}
