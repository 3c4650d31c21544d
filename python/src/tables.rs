//! Tables of results by columns.

use convscope::inspect::{Finding, LayerTable};
use convscope::train::metrics::{Confusion, EpochMetrics};
use convscope::train::{Evaluation, LayerMetrics};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::value::{Columns, plain};

/// A line for each epoch.
pub(crate) fn metrics<'py>(py: Python<'py>, lines: &[EpochMetrics]) -> PyResult<Bound<'py, PyDict>> {
    let numbers = |of: fn(&EpochMetrics) -> f64| lines.iter().map(move |line| Some(of(line)));
    Ok(Columns::new(py)
        .counts("epoch", lines.iter().map(|line| line.epoch))?
        .numbers("learning_rate", numbers(|line| line.learning_rate))?
        .numbers("train_loss", numbers(|line| line.train_loss))?
        .numbers("train_accuracy", numbers(|line| line.train_accuracy))?
        .numbers("val_loss", numbers(|line| line.val_loss))?
        .numbers("val_accuracy", numbers(|line| line.val_accuracy))?
        .numbers("seconds", numbers(|line| line.seconds))?
        .numbers("images_per_second", numbers(|line| line.images_per_second))?
        .numbers("data_wait_seconds", numbers(|line| line.data_wait_seconds))?
        .done())
}

/// A line for each layer in each epoch.
pub(crate) fn layer_metrics<'py>(py: Python<'py>, lines: &[LayerMetrics]) -> PyResult<Bound<'py, PyDict>> {
    Ok(Columns::new(py)
        .counts("epoch", lines.iter().map(|line| line.epoch))?
        .items("layer", lines.iter().map(|line| line.layer.clone()))?
        .numbers("gradient_norm", lines.iter().map(|line| Some(line.gradient_norm)))?
        .numbers("update_ratio", lines.iter().map(|line| Some(line.update_ratio)))?
        .numbers("weight_norm", lines.iter().map(|line| Some(line.weight_norm)))?
        .done())
}

/// A line for each layer.
pub(crate) fn layers<'py>(py: Python<'py>, table: &LayerTable) -> PyResult<Bound<'py, PyDict>> {
    let rows = &table.rows;
    Ok(Columns::new(py)
        .items("layer", rows.iter().map(|row| row.name.clone()))?
        .items("type", rows.iter().map(|row| row.kind.clone()))?
        .items("output_shape", rows.iter().map(|row| row.output_shape.clone()))?
        .counts("parameters", rows.iter().map(|row| row.parameters as u64))?
        .counts("running_statistics", rows.iter().map(|row| row.running_statistics as u64))?
        .numbers("mean_abs_weight", rows.iter().map(|row| row.mean_abs_weight))?
        .numbers("sum_abs_weight", rows.iter().map(|row| row.sum_abs_weight))?
        .numbers("weight_gain", rows.iter().map(|row| row.weight_gain))?
        .numbers("mean_abs_activation", rows.iter().map(|row| Some(row.mean_abs_activation)))?
        .numbers("normalized_activation", rows.iter().map(|row| Some(row.normalized_activation)))?
        .numbers("mean", rows.iter().map(|row| Some(row.mean)))?
        .numbers("standard_deviation", rows.iter().map(|row| Some(row.standard_deviation)))?
        .numbers("min", rows.iter().map(|row| Some(row.min)))?
        .numbers("max", rows.iter().map(|row| Some(row.max)))?
        .numbers("zero_share", rows.iter().map(|row| Some(row.zero_share)))?
        .counts("channels", rows.iter().map(|row| row.channels as u64))?
        .counts("dead_channels", rows.iter().map(|row| row.dead_channels as u64))?
        .numbers("saturated_share", rows.iter().map(|row| row.saturated_share))?
        .numbers("effective_rank", rows.iter().map(|row| row.effective_rank))?
        .numbers("relative_change", rows.iter().map(|row| row.relative_change))?
        .done())
}

/// A line for each channel of each layer.
pub(crate) fn channels<'py>(py: Python<'py>, table: &LayerTable) -> PyResult<Bound<'py, PyDict>> {
    let rows = || {
        table.rows.iter().flat_map(|row| {
            row.channel_rows
                .iter()
                .enumerate()
                .map(move |(index, channel)| (row.name.clone(), index, channel))
        })
    };
    let names: Vec<String> = rows().map(|(name, ..)| name).collect();
    let dead: Vec<bool> = rows().map(|(.., channel)| channel.is_dead).collect();
    Ok(Columns::new(py)
        .items("layer", names.into_iter())?
        .counts("channel", rows().map(|(_, index, _)| index as u64))?
        .numbers("mean", rows().map(|(.., channel)| Some(channel.mean)))?
        .numbers("standard_deviation", rows().map(|(.., channel)| Some(channel.standard_deviation)))?
        .numbers("min", rows().map(|(.., channel)| Some(channel.min)))?
        .numbers("max", rows().map(|(.., channel)| Some(channel.max)))?
        .numbers("zero_share", rows().map(|(.., channel)| Some(channel.zero_share)))?
        .items("is_dead", dead.into_iter())?
        .numbers("saturated_share", rows().map(|(.., channel)| channel.saturated_share))?
        .done())
}

/// A line for each finding.
pub(crate) fn findings<'py>(py: Python<'py>, found: &[Finding]) -> PyResult<Bound<'py, PyDict>> {
    let kinds = found.iter().map(|finding| plain(py, &finding.kind)).collect::<PyResult<Vec<_>>>()?;
    let severities =
        found.iter().map(|finding| plain(py, &finding.severity)).collect::<PyResult<Vec<_>>>()?;
    Ok(Columns::new(py)
        .items("kind", kinds.into_iter())?
        .items("severity", severities.into_iter())?
        .items("layer", found.iter().map(|finding| finding.node.clone()))?
        .numbers("value", found.iter().map(|finding| Some(finding.value)))?
        .numbers("threshold", found.iter().map(|finding| Some(finding.threshold)))?
        .items("text", found.iter().map(|finding| finding.text.clone()))?
        .done())
}

/// Loss, accuracy and confusion.
pub(crate) fn evaluation<'py>(py: Python<'py>, found: &Evaluation) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("split", found.split.name())?;
    dict.set_item("images", found.images)?;
    dict.set_item("loss", found.loss)?;
    dict.set_item("accuracy", found.accuracy)?;
    dict.set_item("confusion", confusion(py, &found.confusion)?)?;
    Ok(dict)
}

/// Labels in rows, predictions in columns.
pub(crate) fn confusion<'py>(py: Python<'py>, found: &Confusion) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let classes = found.classes();
    let counts = (0..classes).flat_map(|label| found.row(label)).map(|&count| count as i64);
    PyArray1::from_iter(py, counts).reshape([classes, classes])
}
