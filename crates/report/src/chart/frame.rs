//! The positions of values on a chart, and the marks on its axes.

use super::{Chart, Stroke, XAxis, YAxis};
use crate::number::significant;

/// The ranges of both axes and their marks. Positions are shares of the plot: 0 is left and bottom.
pub(super) struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    x_is_log: bool,
    y_axis: YAxis,
    /// Position and text of each mark on the horizontal axis.
    pub(super) x_marks: Vec<(f64, String)>,
    /// Position and text of each mark on the vertical axis.
    pub(super) y_marks: Vec<(f64, String)>,
}

impl Frame {
    /// The frame that contains all values of a chart; `None` if there are no values.
    pub(super) fn new(chart: &Chart) -> Option<Self> {
        let y_axis = chart.y_axis;
        let points = chart.series.iter().flat_map(|series| &series.points);
        let x_is_log = chart.x_axis == XAxis::Logarithm;
        let drawn: Vec<(f64, f64)> = points
            .filter_map(|&(x, y)| Some((width(x_is_log, x), height(y_axis, y)?)))
            .filter(|(x, _)| x.is_finite())
            .collect();
        if drawn.is_empty() {
            return None;
        }
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let x = match &chart.x_axis {
            XAxis::Counts => range(&mut drawn.iter().map(|point| point.0)),
            // Isolated points have room on both sides.
            XAxis::Names(names)
                if chart.series.iter().any(|series| matches!(series.stroke, Stroke::Dots | Stroke::Best)) =>
            {
                (-0.5, names.len() as f64 - 0.5)
            }
            XAxis::Names(names) => (0.0, names.len().saturating_sub(1) as f64),
            // Points at the ends are kept clear of the axes.
            XAxis::Numbers | XAxis::Logarithm => {
                let (low, high) = range(&mut drawn.iter().map(|point| point.0));
                (low - 0.03 * (high - low), high + 0.03 * (high - low))
            }
        };
        let x = if x.0 < x.1 { x } else { (x.0 - 0.5, x.0 + 0.5) };
        let (low, high) = range(&mut drawn.iter().map(|point| point.1));
        let y = match y_axis {
            YAxis::Percent if high - low > 0.5 => (low.min(0.0), high.max(1.0)),
            YAxis::Percent => {
                let margin = (0.08 * (high - low)).max(0.005);
                ((low - margin).max(low.min(0.0)), (high + margin).min(high.max(1.0)))
            }
            YAxis::Number if low >= 0.0 => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
            _ if low == high => (low - 0.5, high + 0.5),
            _ => (low - 0.05 * (high - low), high + 0.05 * (high - low)),
        };
        let mut frame = Self { x, y, x_is_log, y_axis, x_marks: Vec::new(), y_marks: Vec::new() };
        frame.y_marks = frame.vertical_marks();
        frame.x_marks = frame.horizontal_marks(&chart.x_axis);
        Some(frame)
    }

    /// The position of a point, as shares of the plot; `None` for a value that cannot be drawn.
    pub(super) fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let y = height(self.y_axis, y)?;
        width(self.x_is_log, x).is_finite().then(|| (self.across(x), self.up(y)))
    }

    pub(super) fn across(&self, x: f64) -> f64 {
        (width(self.x_is_log, x) - self.x.0) / (self.x.1 - self.x.0)
    }

    fn up(&self, y: f64) -> f64 {
        (y - self.y.0) / (self.y.1 - self.y.0)
    }

    fn vertical_marks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.y;
        if self.y_axis == YAxis::Logarithm {
            let marked = |value: f64| (self.up(value.log10()), plain(value));
            return round_factors(low, high).into_iter().map(marked).collect();
        }
        let values = round_values(low, high, 5.0).into_iter();
        let text = |value: f64| match self.y_axis {
            YAxis::Percent => format!("{}\u{a0}%", plain((value * 1e6).round() / 1e4)),
            _ => plain(value),
        };
        values.map(|value| (self.up(value), text(value))).collect()
    }

    fn horizontal_marks(&self, axis: &XAxis) -> Vec<(f64, String)> {
        let (low, high) = self.x;
        match axis {
            XAxis::Counts => {
                let step = round_step((high - low) / 8.0).max(1.0).ceil();
                let first = (low / step).ceil() as i64;
                let last = (high / step).floor() as i64;
                let mut counts: Vec<i64> = (first..=last).map(|count| count * step as i64).collect();
                // The first epoch gets its own mark if there is room.
                if counts.first().is_some_and(|&count| count as f64 - low >= step / 2.0) && low == low.round()
                {
                    counts.insert(0, low as i64);
                }
                counts.into_iter().map(|count| (self.across(count as f64), count.to_string())).collect()
            }
            XAxis::Numbers => {
                let values = round_values(low, high, 6.0).into_iter();
                values.map(|value| (self.across(value), plain(value))).collect()
            }
            XAxis::Logarithm => {
                let values = round_factors(low, high).into_iter();
                values.map(|value| (self.across(value), plain(value))).collect()
            }
            XAxis::Names(names) => names
                .iter()
                .enumerate()
                .map(|(place, name)| (self.across(place as f64), name.clone()))
                .collect(),
        }
    }
}

/// The vertical coordinate of a value: itself or its logarithm.
fn height(axis: YAxis, value: f64) -> Option<f64> {
    let value = if axis == YAxis::Logarithm { value.log10() } else { value };
    value.is_finite().then_some(value)
}

/// The horizontal coordinate: the value itself or its logarithm, which may not be finite.
fn width(is_log: bool, x: f64) -> f64 {
    if is_log { x.log10() } else { x }
}

/// The multiples of a round step between two values.
fn round_values(low: f64, high: f64, about: f64) -> Vec<f64> {
    let step = round_step((high - low) / about);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|count| count as f64 * step).collect()
}

/// Round numbers between two logarithms to the base 10.
fn round_factors(low: f64, high: f64) -> Vec<f64> {
    let decades = high.floor() - low.ceil();
    let factors: &[f64] = match decades {
        d if d >= 5.0 => &[1.0],
        d if d >= 2.0 => &[1.0, 3.0],
        _ if high - low >= 1.2 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
    };
    let each = ((decades / 8.0).ceil() as i32).max(1);
    let powers = (low.floor() as i32..=high.ceil() as i32).filter(|power| power.rem_euclid(each) == 0);
    let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    values.filter(|value| (low..=high).contains(&value.log10())).collect()
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = step / power;
    let rounded = [1.0, 2.0, 5.0].into_iter().find(|&round| factor <= round + 1e-9).unwrap_or(10.0);
    rounded * power
}

/// A mark's value without trailing zeros.
fn plain(value: f64) -> String {
    let text = significant(value);
    if let Some((number, power)) = text.split_once('e') {
        return format!("{}e{power}", number.trim_end_matches('0').trim_end_matches('.'));
    }
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::Series;
    use super::*;

    fn frame(y_axis: YAxis, points: &[(f64, f64)]) -> Frame {
        let series =
            Series { name: String::new(), points: points.to_vec(), colour: 0, stroke: Stroke::Solid };
        let chart = Chart {
            title: String::new(),
            x_label: String::new(),
            x_axis: XAxis::Counts,
            y_axis,
            series: vec![series],
        };
        Frame::new(&chart).unwrap()
    }

    fn texts(marks: &[(f64, String)]) -> Vec<&str> {
        marks.iter().map(|mark| mark.1.as_str()).collect()
    }

    #[test]
    fn marks_are_round_numbers_inside_the_plot() {
        let linear = frame(YAxis::Number, &[(1.0, 2.3), (30.0, 0.4)]);
        assert_eq!(texts(&linear.y_marks), ["0", "0.5", "1", "1.5", "2"]);
        assert_eq!(texts(&linear.x_marks), ["1", "5", "10", "15", "20", "25", "30"]);
        let span = frame(YAxis::Span, &[(1.0, 2.3), (30.0, 1.9)]);
        assert_eq!(texts(&span.y_marks), ["1.9", "2", "2.1", "2.2", "2.3"]);
        let percent = frame(YAxis::Percent, &[(1.0, 0.3), (2.0, 0.9)]);
        assert_eq!(texts(&percent.y_marks).last(), Some(&"100\u{a0}%"));
        assert_eq!(texts(&percent.x_marks), ["1", "2"]);
        // Values close together fill the axis.
        let close = frame(YAxis::Percent, &[(1.0, 0.46), (2.0, 0.6)]);
        assert_eq!(texts(&close.y_marks), ["45\u{a0}%", "50\u{a0}%", "55\u{a0}%", "60\u{a0}%"]);
        let high = frame(YAxis::Percent, &[(1.0, 0.995), (2.0, 1.0)]);
        assert_eq!(texts(&high.y_marks).last(), Some(&"100\u{a0}%"));
        let factors = frame(YAxis::Logarithm, &[(1.0, 0.05), (2.0, 900.0), (3.0, 0.0)]);
        assert_eq!(texts(&factors.y_marks), ["0.1", "0.3", "1", "3", "10", "30", "100", "300", "1,000"]);
        for marks in [&linear.y_marks, &linear.x_marks, &factors.y_marks] {
            assert!(marks.iter().all(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place)));
        }
    }

    #[test]
    fn a_logarithm_across_has_even_factors() {
        let mut chart = Chart {
            title: String::new(),
            x_label: String::new(),
            x_axis: XAxis::Logarithm,
            y_axis: YAxis::Percent,
            series: vec![Series {
                name: String::new(),
                points: vec![(0.001, 0.2), (0.01, 0.4), (0.1, 0.3), (0.0, 0.5)],
                colour: 0,
                stroke: Stroke::Dots,
            }],
        };
        let frame = Frame::new(&chart).unwrap();
        let across: Vec<f64> = [0.001, 0.01, 0.1].iter().map(|&x| frame.place((x, 0.5)).unwrap().0).collect();
        assert!((across[1] - 0.5).abs() < 1e-9 && (across[0] + across[2] - 1.0).abs() < 1e-9, "{across:?}");
        assert!(across[0] > 0.01 && across[2] < 0.99);
        assert_eq!(texts(&frame.x_marks), ["0.001", "0.003", "0.01", "0.03", "0.1"]);
        assert!(frame.place((0.0, 0.5)).is_none());
        chart.x_axis = XAxis::Names(vec!["a".into(), "b".into()]);
        let frame_of_names = Frame::new(&chart).unwrap();
        assert_eq!((frame_of_names.across(0.0), frame_of_names.across(1.0)), (0.25, 0.75));
        chart.x_axis = XAxis::Numbers;
        assert_eq!(texts(&Frame::new(&chart).unwrap().x_marks), ["0", "0.02", "0.04", "0.06", "0.08", "0.1"]);
    }

    #[test]
    fn a_single_point_lies_in_the_middle() {
        let one = frame(YAxis::Number, &[(1.0, 2.0)]);
        let (x, y) = one.place((1.0, 2.0)).unwrap();
        assert!((x - 0.5).abs() < 1e-9 && (0.5..1.0).contains(&y));
        assert_eq!(texts(&one.x_marks), ["1"]);
        assert!(one.place((1.0, f64::NAN)).is_none());
        assert!(frame(YAxis::Logarithm, &[(1.0, 2.0)]).place((1.0, 0.0)).is_none());
    }
}
