//! The layout of a chart.

use serde_json::json;

use super::diagram::{Align, Diagram, Ink, LegendEntry, Mark, Shape};
use super::frame::Frame;
use super::{Chart, MOST_DOTS, Series, Stroke, XAxis, are_level, value_text};
use crate::font;

/// The chart in shapes, 640 units wide.
pub(super) fn lay_out(chart: &Chart) -> Diagram {
    let mut diagram = Diagram {
        title: chart.title.clone(),
        legend: chart.series.iter().map(legend_entry).collect(),
        width: WIDTH,
        height: 80.0,
        shapes: Vec::new(),
        values: None,
    };
    let Some(frame) = Frame::new(chart) else {
        diagram.shapes.push(text((LEFT, 44.0), "nothing to show", Align::Start, Ink::Soft));
        return diagram;
    };
    diagram.height = TOP + PLOT_HEIGHT + bottom(chart);
    diagram.values = Some(values(chart, &frame));
    axes(&mut diagram.shapes, chart, &frame);
    for series in chart.in_drawing_order() {
        draw_series(&mut diagram.shapes, series, &frame);
    }
    diagram
}

pub(super) const WIDTH: f64 = 640.0;
/// The size of a text in units of the drawing.
pub(super) const TEXT: f64 = 13.0;
const LEFT: f64 = 68.0;
const TOP: f64 = 12.0;
const PLOT_WIDTH: f64 = WIDTH - LEFT - 20.0;
const PLOT_HEIGHT: f64 = 250.0;
/// The longest names of positions, and how steeply they rise: the first one ends at the left edge.
const NAME_ROOM: f64 = 135.0;
const SLANT: f64 = 60.0;
/// If there are more names than this, only every second, third and so on is written.
const MOST_NAMES: usize = 28;
const DOT: f64 = 4.0;

fn legend_entry(series: &Series) -> LegendEntry {
    let mark = match series.stroke {
        Stroke::Dots | Stroke::Best => Mark::Dot,
        Stroke::Dashed => Mark::Dashed,
        Stroke::Solid | Stroke::Faint => Mark::Solid,
    };
    LegendEntry { name: series.name.clone(), ink: ink(series), mark }
}

fn ink(series: &Series) -> Ink {
    if series.stroke == Stroke::Faint { Ink::Faint } else { Ink::Series(series.colour) }
}

pub(crate) fn text(at: (f64, f64), text: &str, align: Align, ink: Ink) -> Shape {
    Shape::Text { at, text: text.to_owned(), align, slant: 0.0, ink, halo: false }
}

fn draw_series(shapes: &mut Vec<Shape>, series: &Series, frame: &Frame) {
    let places: Vec<Option<(f64, f64)>> =
        series.points.iter().map(|&point| frame.place(point).map(pixel)).collect();
    let parts: Vec<Vec<(f64, f64)>> = places
        .split(Option::is_none)
        .map(|part| part.iter().flatten().copied().collect::<Vec<_>>())
        .filter(|part| !part.is_empty())
        .collect();
    let ink = ink(series);
    let dots = match series.stroke {
        Stroke::Dots => Some(DOT),
        Stroke::Best => Some(DOT + 1.5),
        Stroke::Faint => None,
        Stroke::Solid | Stroke::Dashed => (series.points.len() <= MOST_DOTS).then_some(2.6),
    };
    let singles = parts.iter().filter(|part| part.len() == 1).map(|part| part[0]);
    let lone: Vec<(f64, f64)> = if dots.is_none() { singles.collect() } else { Vec::new() };
    if !matches!(series.stroke, Stroke::Dots | Stroke::Best) {
        let (width, dashed) = (if ink == Ink::Faint { 1.4 } else { 2.2 }, series.stroke == Stroke::Dashed);
        shapes.push(Shape::Line { parts, ink, width, dashed });
    }
    let radius = dots.unwrap_or(1.6);
    let points = if dots.is_some() { places.into_iter().flatten().collect() } else { lone };
    shapes.extend(points.iter().map(|&at| Shape::Dot { at, radius, ink }));
    if series.stroke == Stroke::Best {
        shapes.extend(points.iter().map(|&at| Shape::Ring { at, radius: radius + 3.5, ink }));
    }
}

fn bottom(chart: &Chart) -> f64 {
    match &chart.x_axis {
        XAxis::Names(names) if !are_level(names, PLOT_WIDTH, NARROW) => {
            let longest = names.iter().map(|name| font::width(&short(name), NARROW)).fold(0.0, f64::max);
            56.0 + longest * SLANT.to_radians().sin()
        }
        _ => 56.0,
    }
}

/// The largest letter size, on a narrow screen.
const NARROW: f64 = 20.0;

/// A name shortened to the room below its position; the first one is limited by the left edge.
fn short(name: &str) -> std::borrow::Cow<'_, str> {
    font::fitted(name, NARROW, NAME_ROOM)
}

fn pixel((x, y): (f64, f64)) -> (f64, f64) {
    (LEFT + x * PLOT_WIDTH, TOP + (1.0 - y) * PLOT_HEIGHT)
}

fn axes(shapes: &mut Vec<Shape>, chart: &Chart, frame: &Frame) {
    let line = |from: (f64, f64), to: (f64, f64), ink| Shape::Line {
        parts: vec![vec![from, to]],
        ink,
        width: 1.0,
        dashed: false,
    };
    let base = TOP + PLOT_HEIGHT;
    for (place, mark) in &frame.y_marks {
        let (_, y) = pixel((0.0, *place));
        shapes.push(line((LEFT, y), (LEFT + PLOT_WIDTH, y), Ink::Rule));
        shapes.push(text((LEFT - 8.0, y + 4.5), mark, Align::End, Ink::Soft));
    }
    let each = match chart.x_axis {
        XAxis::Names(_) => frame.x_marks.len().div_ceil(MOST_NAMES),
        _ => 1,
    };
    for (place, mark) in frame.x_marks.iter().step_by(each.max(1)) {
        let (x, _) = pixel((*place, 0.0));
        shapes.push(match &chart.x_axis {
            XAxis::Names(names) if !are_level(names, PLOT_WIDTH, NARROW) => Shape::Text {
                at: (x + 4.0, base + 14.0),
                text: short(mark).into_owned(),
                align: Align::End,
                slant: SLANT,
                ink: Ink::Soft,
                halo: false,
            },
            // The last name stays within the drawing.
            _ if x + font::width(mark, NARROW) / 2.0 > WIDTH => {
                text((WIDTH - 2.0, base + 23.0), mark, Align::End, Ink::Soft)
            }
            _ => text((x, base + 23.0), mark, Align::Middle, Ink::Soft),
        });
    }
    shapes.push(line((LEFT, base), (LEFT + PLOT_WIDTH, base), Ink::Soft));
    let label = (LEFT + PLOT_WIDTH / 2.0, base + bottom(chart) - 8.0);
    shapes.push(text(label, &chart.x_label, Align::Middle, Ink::Text));
}

/// What the page's script needs to show values under the pointer.
fn values(chart: &Chart, frame: &Frame) -> String {
    let told = || chart.series.iter().filter(|series| series.stroke != Stroke::Faint);
    let mut places: Vec<f64> = told().flat_map(|s| s.points.iter().map(|p| p.0)).collect();
    places.retain(|&place| frame.across(place).is_finite());
    places.sort_by(f64::total_cmp);
    places.dedup();
    let name = |place: f64| match &chart.x_axis {
        XAxis::Names(names) => names.get(place as usize).cloned().unwrap_or_default(),
        XAxis::Counts => format!("{} {place}", chart.x_label),
        XAxis::Numbers | XAxis::Logarithm => {
            format!("{} {}", chart.x_label, crate::number::significant(place))
        }
    };
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    let series = told().map(|series| {
        let at = |&place: &f64| {
            let mut here = series.points.iter().filter(|point| point.0 == place).map(|point| point.1);
            let first = here.next()?;
            let (_, y) = pixel(frame.place((place, first))?);
            let texts: Vec<String> =
                std::iter::once(first).chain(here).map(|value| value_text(chart.y_axis, value)).collect();
            Some(json!([tenth(y), texts.join(", ")]))
        };
        json!({
            "name": series.name,
            "colour": super::colour_index(series.colour),
            "values": places.iter().map(at).collect::<Vec<_>>(),
        })
    });
    json!({
        "x": places.iter().map(|&place| tenth(pixel((frame.across(place), 0.0)).0)).collect::<Vec<_>>(),
        "names": places.iter().map(|&place| name(place)).collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
        "top": TOP,
        "base": TOP + PLOT_HEIGHT,
    })
    .to_string()
}
