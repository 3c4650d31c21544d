//! Accuracy over the epochs, and against each parameter.

use convscope_tune::{Distribution, Parameter, Scale, Trial, TrialState, ranked};

use super::{StudyReport, short};
use crate::chart::{Chart, Series, Stroke, XAxis, YAxis};

/// How many trials have their own colour.
pub(super) const SHOWN: usize = 5;

/// Validation accuracy over the epochs: the best five trials in colour, all others behind them.
pub fn accuracy_over_epochs(study: &StudyReport<'_>) -> Chart {
    let finished = ranked(study.trials);
    let (shown, others) = finished.split_at(finished.len().min(SHOWN));
    let under_way = study.trials.iter().filter(|trial| !trial.state.is_finished());
    let curve =
        |trial: &Trial| trial.curve.iter().map(|(&epoch, &value)| (epoch as f64, value)).collect::<Vec<_>>();
    let mut series: Vec<Series> = shown
        .iter()
        .enumerate()
        .filter(|(_, trial)| !trial.curve.is_empty())
        .map(|(colour, trial)| Series {
            name: format!("{}: {}", trial.number, study.values(trial).join(" ")),
            points: curve(trial),
            colour,
            stroke: Stroke::Solid,
        })
        .collect();
    // A single line for all of them, with gaps in between.
    let gap = (f64::NAN, f64::NAN);
    let points: Vec<(f64, f64)> = others
        .iter()
        .copied()
        .chain(under_way)
        .flat_map(|trial| curve(trial).into_iter().chain(std::iter::once(gap)))
        .collect();
    if points.iter().any(|point| point.1.is_finite()) {
        series.push(Series { name: "other trials".to_owned(), points, colour: 0, stroke: Stroke::Faint });
    }
    Chart {
        title: "Validation accuracy over epochs".to_owned(),
        x_label: "epoch".to_owned(),
        x_axis: XAxis::Counts,
        y_axis: YAxis::Percent,
        series,
    }
}

/// A chart for each parameter: the trials' validation accuracies against its values.
pub fn accuracy_against(study: &StudyReport<'_>) -> Vec<Chart> {
    study
        .space
        .parameters()
        .iter()
        .enumerate()
        .map(|(axis, parameter)| against(study, axis, parameter))
        .collect()
}

fn against(study: &StudyReport<'_>, axis: usize, parameter: &Parameter) -> Chart {
    let points = |state: TrialState| -> Vec<(f64, f64)> {
        let trials = study.trials.iter().filter(|trial| trial.state == state);
        trials.filter_map(|trial| Some((trial.point(study.space)?[axis], trial.value?))).collect()
    };
    let dots = |name: &str, colour, state| Series {
        name: name.to_owned(),
        points: points(state),
        colour,
        stroke: Stroke::Dots,
    };
    let x_axis = match &parameter.distribution {
        Distribution::Choices(values) => XAxis::Names(values.iter().map(short).collect()),
        Distribution::Float { scale: Scale::Logarithm, .. }
        | Distribution::Int { scale: Scale::Logarithm, .. } => XAxis::Logarithm,
        Distribution::Float { .. } | Distribution::Int { .. } => XAxis::Numbers,
    };
    let mut series = vec![dots("completed", 0, TrialState::Complete)];
    let pruned = dots("pruned", 1, TrialState::Pruned);
    if !pruned.points.is_empty() {
        series.push(pruned);
    }
    let best = study.best().and_then(|trial| Some((trial, (trial.point(study.space)?[axis], trial.value?))));
    if let Some((trial, point)) = best {
        let name = format!("best: trial {}", trial.number);
        series.push(Series { name, points: vec![point], colour: 2, stroke: Stroke::Best });
    }
    Chart {
        title: format!("Validation accuracy against {}", parameter.name),
        x_label: parameter.name.clone(),
        x_axis,
        y_axis: YAxis::Percent,
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::study;

    #[test]
    fn every_trial_is_drawn_and_the_best_are_named() {
        let (space, trials) = study();
        let report = StudyReport { space: &space, trials: &trials, images: 2000 };
        let chart = accuracy_over_epochs(&report);
        assert_eq!(chart.series.len(), 6);
        assert!(chart.series[0].name.starts_with("3: 0.03"), "{}", chart.series[0].name);
        assert_eq!(chart.series[0].points.last(), Some(&(3.0, 0.81)));
        let drawn: usize =
            chart.series.iter().map(|s| s.points.iter().filter(|p| p.1.is_finite()).count()).sum();
        assert_eq!(drawn, trials.iter().map(|trial| trial.curve.len()).sum::<usize>());
        let against = accuracy_against(&report);
        assert_eq!(against[0].x_axis, XAxis::Logarithm);
        assert_eq!(against[1].x_axis, XAxis::Names(vec!["adam".into(), "sgd".into()]));
        assert!(against[0].series[0].points.contains(&(0.03, 0.81)));
        assert_eq!(against[1].series[1].name, "pruned");
        let best = &against[0].series[2];
        assert_eq!((best.name.as_str(), best.points.as_slice()), ("best: trial 3", &[(0.03, 0.81)][..]));
    }
}
