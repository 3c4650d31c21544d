//! Parallel coordinates: an upright axis for each parameter and one for the accuracy, a line a trial.

use convscope_tune::{Distribution, Parameter, Scale, Trial, TrialState, Value, ranked};
use image::RgbImage;

use super::{StudyReport, short};
use crate::canvas::{Canvas, Font, INK, PALE_INK};
use crate::colour::viridis;
use crate::number::percent;
use crate::table::shorten;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 440;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 400.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 850.0;

/// Each completed trial as a line from its parameters to its accuracy, the lighter the better; better ones lie above.
pub fn parallel_coordinates(study: &StudyReport<'_>) -> RgbImage {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    canvas.text(20, 16, "From parameters to validation accuracy", Font::Title, INK);
    let parameters = study.space.parameters();
    let completed = study.trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let mut trials: Vec<(&Trial, f64)> =
        ranked(completed).into_iter().filter_map(|t| Some((t, t.value?))).collect();
    trials.reverse();
    let x = |axis: usize| LEFT + (RIGHT - LEFT) * axis as f64 / parameters.len() as f64;
    let y = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    let low = trials.first().map_or(0.0, |first| first.1);
    let high = trials.last().map_or(1.0, |last| last.1);
    let judged = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };

    for (trial, value) in &trials {
        let point = trial.point(study.space).unwrap_or_default();
        let shares = parameters.iter().zip(&point).map(|(parameter, &place)| share(parameter, place));
        let stations: Vec<(f64, f64)> = shares
            .chain(std::iter::once(judged(*value)))
            .enumerate()
            .map(|(axis, s)| (x(axis), y(s)))
            .collect();
        // The lightest yellow would hardly show on white.
        let colour = viridis(judged(*value) as f32 * 0.92);
        for pair in stations.windows(2) {
            canvas.line(pair[0], pair[1], 2.0, colour);
        }
    }
    for (axis, parameter) in parameters.iter().enumerate() {
        upright(&mut canvas, x(axis), &parameter.name);
        for (at, text) in marks(parameter) {
            mark(&mut canvas, (x(axis), y(at)), &text);
        }
    }
    let last = x(parameters.len());
    upright(&mut canvas, last, "accuracy");
    if !trials.is_empty() {
        let values = if high > low { vec![low, (low + high) / 2.0, high] } else { vec![low] };
        for value in values {
            mark(&mut canvas, (last, y(judged(value))), &percent(value));
        }
    }
    canvas.into_image()
}

fn upright(canvas: &mut Canvas, x: f64, name: &str) {
    canvas.line((x, TOP - 8.0), (x, BOTTOM + 8.0), 1.0, PALE_INK);
    let name = shorten(name, 18);
    let left = (x as u32).saturating_sub(Font::Text.width(&name) / 2);
    canvas.text(left, TOP as u32 - 30, &name, Font::Text, INK);
}

fn mark(canvas: &mut Canvas, (x, y): (f64, f64), text: &str) {
    canvas.line((x - 3.0, y), (x + 3.0, y), 1.0, INK);
    let text = shorten(text, 16);
    // Lines pass behind the texts.
    let (left, top) = (x as u32 + 7, (y - 6.0) as u32);
    canvas.fill(left - 1, top, Font::Text.width(&text) + 2, Font::Text.height(), [255; 3]);
    canvas.text(left, top, &text, Font::Text, INK);
}

/// Where a place lies on its axis, from 0 below to 1 above. Names start above, numbers have the larger ones there.
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
        let image = parallel_coordinates(&StudyReport { space: &space, trials: &trials, images: 2000 });
        assert_eq!(image.dimensions(), (WIDTH, HEIGHT));
        // The best trial, drawn last, arrives at the top of the last axis in the lightest colour.
        let best = viridis(0.92);
        let arrives =
            (TOP as u32 - 3..TOP as u32 + 6).any(|y| image.get_pixel(RIGHT as u32 - 6, y).0 == best);
        assert!(arrives);
        let rate = &space.parameters()[0];
        assert!((share(rate, 0.01) - 0.5).abs() < 1e-9, "the axis is logarithmic");
        let optimizer = &space.parameters()[1];
        assert_eq!(marks(optimizer), [(1.0, "adam".to_owned()), (0.0, "sgd".to_owned())]);
    }
}
