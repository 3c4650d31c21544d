//! Parallel coordinates: a vertical axis for each parameter and one for the accuracy, with a line per trial.

use convscope_tune::{Distribution, Parameter, Scale, Trial, TrialState, Value, ranked};

use super::charts::SHOWN;
use super::{StudyReport, short};
use crate::chart::diagram::{Align, Diagram, Ink, LegendEntry, Mark, Shape};
use crate::chart::text;
use crate::font;
use crate::number::percent;

const WIDTH: f64 = 640.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 290.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 560.0;
/// The largest letter size, on a narrow screen.
const LETTERS: f64 = 15.0;

/// Each completed trial as a line from its parameters to its accuracy. The best five have a colour each, as in the chart over
/// epochs; the best one has a thicker line and a ring.
pub fn parallel_coordinates(study: &StudyReport<'_>) -> Diagram {
    let parameters = study.space.parameters();
    let completed = study.trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let trials: Vec<(&Trial, f64)> =
        ranked(completed).into_iter().filter_map(|t| Some((t, t.value?))).collect();
    let x = |axis: usize| LEFT + (RIGHT - LEFT) * axis as f64 / parameters.len() as f64;
    let y = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    let low = trials.last().map_or(0.0, |last| last.1);
    let high = trials.first().map_or(1.0, |first| first.1);
    let judged = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };

    let mut shapes = Vec::new();
    // Better ones are drawn above.
    for (rank, (trial, value)) in trials.iter().enumerate().rev() {
        let point = trial.point(study.space).unwrap_or_default();
        let shares = parameters.iter().zip(&point).map(|(parameter, &place)| share(parameter, place));
        let stations: Vec<(f64, f64)> = shares
            .chain(std::iter::once(judged(*value)))
            .enumerate()
            .map(|(axis, s)| (x(axis), y(s)))
            .collect();
        let (ink, width) = match rank {
            0 => (Ink::Series(0), 3.4),
            1..SHOWN => (Ink::Series(rank), 2.2),
            _ => (Ink::Faint, 1.4),
        };
        let end = stations.last().copied().unwrap_or((RIGHT, BOTTOM));
        shapes.push(Shape::Line { parts: vec![stations], ink, width, dashed: false });
        if rank == 0 {
            shapes.push(Shape::Ring { at: end, radius: 6.0, ink });
        }
    }
    let room = (RIGHT - LEFT) / parameters.len() as f64;
    for (axis, parameter) in parameters.iter().enumerate() {
        upright(&mut shapes, x(axis), &parameter.name, room);
        for (at, mark) in marks(parameter) {
            marked(&mut shapes, (x(axis), y(at)), &mark, room - 12.0);
        }
    }
    let last = x(parameters.len());
    upright(&mut shapes, last, "accuracy", WIDTH - RIGHT);
    if !trials.is_empty() {
        let values = if high > low { vec![low, (low + high) / 2.0, high] } else { vec![low] };
        for value in values {
            marked(&mut shapes, (last, y(judged(value))), &percent(value), WIDTH - RIGHT);
        }
    }
    let entry = |(rank, (trial, _)): (usize, &(&Trial, f64))| LegendEntry {
        name: format!("{}: {}", trial.number, study.values(trial).join(" ")),
        ink: Ink::Series(rank),
        mark: Mark::Solid,
    };
    Diagram {
        title: "From parameters to validation accuracy".to_owned(),
        legend: trials.iter().enumerate().take(SHOWN).map(entry).collect(),
        width: WIDTH,
        height: BOTTOM + 22.0,
        shapes,
        values: None,
    }
}

/// An axis with its name above, which has this much room.
fn upright(shapes: &mut Vec<Shape>, x: f64, name: &str, room: f64) {
    let parts = vec![vec![(x, TOP - 8.0), (x, BOTTOM + 8.0)]];
    shapes.push(Shape::Line { parts, ink: Ink::Soft, width: 1.0, dashed: false });
    let name = font::fitted(name, LETTERS, room - 8.0);
    shapes.push(text((x, TOP - 20.0), &name, Align::Middle, Ink::Text));
}

/// A value at its position on an axis. Lines pass behind it.
fn marked(shapes: &mut Vec<Shape>, (x, y): (f64, f64), mark: &str, room: f64) {
    let parts = vec![vec![(x - 3.0, y), (x + 3.0, y)]];
    shapes.push(Shape::Line { parts, ink: Ink::Soft, width: 1.0, dashed: false });
    shapes.push(Shape::Text {
        at: (x + 8.0, y + 4.5),
        text: font::fitted(mark, LETTERS, room).into_owned(),
        align: Align::Start,
        slant: 0.0,
        ink: Ink::Text,
        halo: true,
    });
}

/// The position of a value on its axis, from 0 at the bottom to 1 at the top. Names start at the top; larger numbers
/// are at the top.
fn share(parameter: &Parameter, place: f64) -> f64 {
    let (low, high) = parameter.distribution.bounds();
    let along = |place: f64| match &parameter.distribution {
        Distribution::Float { scale: Scale::Logarithm, .. }
        | Distribution::Int { scale: Scale::Logarithm, .. } => place.ln(),
        Distribution::Choices(values) if !grows(values) => -place,
        _ => place,
    };
    let (from, to) = (along(low).min(along(high)), along(low).max(along(high)));
    if to > from { (along(place) - from) / (to - from) } else { 0.5 }
}

fn grows(values: &[Value]) -> bool {
    let ends = values.first().and_then(Value::number).zip(values.last().and_then(Value::number));
    ends.is_some_and(|(first, last)| first < last)
}

/// The values that are written on an axis.
fn marks(parameter: &Parameter) -> Vec<(f64, String)> {
    let (low, high) = parameter.distribution.bounds();
    let text = |place: f64| short(&parameter.value(place));
    match &parameter.distribution {
        Distribution::Choices(values) => (0..values.len())
            .step_by(values.len().div_ceil(16).max(1))
            .map(|index| (share(parameter, index as f64), text(index as f64)))
            .collect(),
        other => {
            let is_log = matches!(
                other,
                Distribution::Float { scale: Scale::Logarithm, .. }
                    | Distribution::Int { scale: Scale::Logarithm, .. }
            );
            let middle = if is_log { (low * high).sqrt() } else { (low + high) / 2.0 };
            let middle = match parameter.value(middle) {
                Value::Int(whole) => whole as f64,
                _ => middle,
            };
            [low, middle, high].map(|place| (share(parameter, place), text(place))).to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::study;

    #[test]
    fn lines_lead_from_the_parameters_to_the_accuracy() {
        let (space, trials) = study();
        let diagram = parallel_coordinates(&StudyReport { space: &space, trials: &trials, images: 2000 });
        let lines: Vec<(&Vec<(f64, f64)>, f64)> = diagram
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Line { parts, width, .. } if parts[0].len() == 3 => Some((&parts[0], *width)),
                _ => None,
            })
            .collect();
        // Six were completed; the best, drawn last, ends at the top in the thickest line, and the worst at the bottom.
        assert_eq!(lines.len(), 6);
        let (best, width) = lines[5];
        assert_eq!((best[2], width), ((RIGHT, TOP), 3.4));
        assert_eq!(lines[0].0[2], (RIGHT, BOTTOM));
        assert!(diagram.shapes.contains(&Shape::Ring { at: (RIGHT, TOP), radius: 6.0, ink: Ink::Series(0) }));
        let rate = &space.parameters()[0];
        assert!((share(rate, 0.01) - 0.5).abs() < 1e-9, "the axis is logarithmic");
        let optimizer = &space.parameters()[1];
        assert_eq!(marks(optimizer), [(1.0, "adam".to_owned()), (0.0, "sgd".to_owned())]);
        // The best, with sgd, passes the second axis at the bottom.
        assert_eq!(best[1].1, BOTTOM);
    }
}
