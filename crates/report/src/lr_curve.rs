//! The curve of a learning-rate range test.

use std::path::Path;

use convscope_train::lr_find::LrFinding;

use crate::ReportError;
use crate::chart::{self, Chart, Series, Stroke, XAxis, YAxis};

/// Loss against the logarithm of the rate: a thin line for each batch, a thick one for the smoothed loss, and a point
/// for the suggested rate.
pub fn chart(finding: &LrFinding) -> Chart {
    // Values far above the start would flatten the rest.
    let most = finding.steps.first().map_or(f64::INFINITY, |first| 1.3 * first.smoothed);
    let line = |name: &str, stroke, value: fn(&convscope_train::lr_find::LrStep) -> f64| Series {
        name: name.to_owned(),
        points: finding
            .steps
            .iter()
            .map(|step| (step.learning_rate, if value(step) <= most { value(step) } else { f64::NAN }))
            .collect(),
        colour: 0,
        stroke,
    };
    let mut series = vec![
        line("loss of each batch", Stroke::Faint, |step| step.loss),
        line("smoothed", Stroke::Solid, |step| step.smoothed),
    ];
    for (colour, name, rate) in
        [(1, "steepest: the suggestion", finding.steepest()), (2, "lowest", finding.lowest())]
    {
        let step = finding.steps.iter().find(|step| Some(step.learning_rate) == rate);
        if let Some(step) = step {
            let points = vec![(step.learning_rate, step.smoothed)];
            series.push(Series { name: name.to_owned(), points, colour, stroke: Stroke::Dots });
        }
    }
    Chart {
        title: "Loss while the learning rate grows".to_owned(),
        x_label: "learning rate".to_owned(),
        x_axis: XAxis::Logarithm,
        y_axis: YAxis::Span,
        series,
    }
}

/// Writes the curve as a picture.
///
/// # Errors
/// Those of [`chart::save`].
pub fn save_png(finding: &LrFinding, path: &Path) -> Result<(), ReportError> {
    chart::save(&[chart(finding)], path)
}

/// Writes the curve as a table: `learning_rate`, `loss`, `smoothed`.
///
/// # Errors
/// Those of [`csv::save`](crate::csv::save).
pub fn save_csv(finding: &LrFinding, path: &Path) -> Result<(), ReportError> {
    let rows = finding
        .steps
        .iter()
        .map(|step| [step.learning_rate, step.loss, step.smoothed].map(|v| v.to_string()));
    crate::csv::save(path, &["learning_rate", "loss", "smoothed"], rows)
}
