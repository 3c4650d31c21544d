//! A chart as a picture.

use image::RgbImage;

use super::frame::Frame;
use super::{Chart, MOST_DOTS, Series, Stroke, XAxis, are_level};
use crate::canvas::{Canvas, Font, INK, PALE_INK, RULE};
use crate::colour::OKABE_ITO;
use crate::table::shorten;

/// The chart with its title above and its legend below the title.
pub(super) fn draw(chart: &Chart) -> RgbImage {
    let rows = legend_rows(&chart.series);
    let top = 44 + rows.len() as u32 * 18 + 8;
    let height = top + PLOT_HEIGHT + bottom(chart);
    let mut canvas = Canvas::new(WIDTH, height);
    canvas.text(LEFT, 16, &chart.title, Font::Title, INK);
    for (row, entries) in rows.iter().enumerate() {
        for &(x, series) in entries {
            let y = 44 + row as u32 * 18;
            let middle = f64::from(y) + 6.5;
            if series.stroke == Stroke::Dots {
                canvas.line(
                    (f64::from(x) + 12.0, middle),
                    (f64::from(x) + 12.0, middle),
                    DOT,
                    colour(series),
                );
            } else {
                stroke(&mut canvas, &[(f64::from(x), middle), (f64::from(x) + 24.0, middle)], series);
            }
            canvas.text(x + 30, y, &shorten(&series.name, LEGEND_NAME), Font::Text, INK);
        }
    }
    let Some(frame) = Frame::new(chart) else {
        canvas.text(LEFT, top + PLOT_HEIGHT / 2, "nothing to show", Font::Text, PALE_INK);
        return canvas.into_image();
    };
    axes(&mut canvas, chart, &frame, top);
    for series in chart.in_drawing_order() {
        let pixel = |(x, y): (f64, f64)| {
            (f64::from(LEFT) + x * f64::from(PLOT_WIDTH), f64::from(top) + (1.0 - y) * f64::from(PLOT_HEIGHT))
        };
        let places: Vec<Option<(f64, f64)>> =
            series.points.iter().map(|&point| frame.place(point).map(pixel)).collect();
        for part in places.split(Option::is_none) {
            let part: Vec<(f64, f64)> = part.iter().flatten().copied().collect();
            if series.stroke != Stroke::Dots {
                stroke(&mut canvas, &part, series);
            }
            let dot = match series.stroke {
                Stroke::Dots => DOT,
                Stroke::Faint if part.len() > 1 => continue,
                Stroke::Faint => 4.0,
                Stroke::Solid | Stroke::Dashed if places.len() > MOST_DOTS => continue,
                Stroke::Solid | Stroke::Dashed => 5.0,
            };
            for &point in &part {
                canvas.line(point, point, dot, colour(series));
            }
        }
    }
    canvas.into_image()
}

const WIDTH: u32 = 960;
const LEFT: u32 = 72;
const PLOT_WIDTH: u32 = WIDTH - LEFT - 32;
const PLOT_HEIGHT: u32 = 320;
const LEGEND_NAME: usize = 48;
const DOT: f64 = 8.0;
/// The width of a letter.
const LETTER: f64 = 7.0;
const FAINT: [u8; 3] = [196, 202, 208];
const DASH: (f64, f64) = (7.0, 5.0);

fn bottom(chart: &Chart) -> u32 {
    match &chart.x_axis {
        XAxis::Counts | XAxis::Numbers | XAxis::Logarithm => 60,
        XAxis::Names(names) if are_level(names, f64::from(PLOT_WIDTH), LETTER) => 60,
        // Names are written at a slant of 45 degrees.
        XAxis::Names(names) => {
            let longest = names.iter().map(|name| Font::Text.width(name)).max().unwrap_or(0);
            40 + (f64::from(longest.min(170)) * 0.71) as u32 + 20
        }
    }
}

fn axes(canvas: &mut Canvas, chart: &Chart, frame: &Frame, top: u32) {
    for (place, text) in &frame.y_marks {
        let y = top + ((1.0 - place) * f64::from(PLOT_HEIGHT)).round() as u32;
        canvas.fill(LEFT, y, PLOT_WIDTH, 1, RULE);
        canvas.text(
            LEFT.saturating_sub(8 + Font::Text.width(text)),
            y.saturating_sub(6),
            text,
            Font::Text,
            PALE_INK,
        );
    }
    canvas.fill(LEFT, top + PLOT_HEIGHT, PLOT_WIDTH, 1, PALE_INK);
    for (place, text) in &frame.x_marks {
        let x = LEFT + (place * f64::from(PLOT_WIDTH)).round() as u32;
        canvas.fill(x, top + PLOT_HEIGHT, 1, 5, PALE_INK);
        match &chart.x_axis {
            XAxis::Names(names) if !are_level(names, f64::from(PLOT_WIDTH), LETTER) => {
                canvas.text_rising(x + 4, top + PLOT_HEIGHT + 8, &shorten(text, 28), PALE_INK)
            }
            _ => {
                let left = x.saturating_sub(Font::Text.width(text) / 2);
                canvas.text(left, top + PLOT_HEIGHT + 9, text, Font::Text, PALE_INK);
            }
        }
    }
    let label = LEFT + (PLOT_WIDTH - Font::Text.width(&chart.x_label).min(PLOT_WIDTH)) / 2;
    canvas.text(label, top + PLOT_HEIGHT + bottom(chart) - 26, &chart.x_label, Font::Text, INK);
}

/// The entries of the legend in rows that fit, with the place where each begins.
fn legend_rows(series: &[Series]) -> Vec<Vec<(u32, &Series)>> {
    let mut rows: Vec<Vec<(u32, &Series)>> = Vec::new();
    let mut left = u32::MAX;
    for series in series {
        let width = 30 + Font::Text.width(&shorten(&series.name, LEGEND_NAME)) + 24;
        if rows.is_empty() || left + width > WIDTH {
            rows.push(Vec::new());
            left = LEFT;
        }
        if let Some(row) = rows.last_mut() {
            row.push((left, series));
        }
        left += width;
    }
    rows
}

fn colour(series: &Series) -> [u8; 3] {
    if series.stroke == Stroke::Faint { FAINT } else { OKABE_ITO[series.colour % OKABE_ITO.len()] }
}

/// Draws a line through points, in dashes that run on around its corners.
fn stroke(canvas: &mut Canvas, points: &[(f64, f64)], series: &Series) {
    let mut travelled = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if series.stroke != Stroke::Dashed {
            let width = if series.stroke == Stroke::Faint { 1.0 } else { 2.0 };
            canvas.line(from, to, width, colour(series));
            continue;
        }
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |distance: f64| {
            let share = distance / length;
            (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
        };
        let period = DASH.0 + DASH.1;
        let mut start = -(travelled % period);
        while start < length {
            let (dash, end) = (start.max(0.0), (start + DASH.0).min(length));
            if dash < end {
                canvas.line(at(dash), at(end), 2.0, colour(series));
            }
            start += period;
        }
        travelled += length;
    }
}
