//! A drawing as a picture.

use image::RgbImage;

use super::colour_index;
use super::diagram::{Align, Diagram, Ink, LegendEntry, Mark, Shape};
use super::layout::{TEXT, WIDTH};
use crate::canvas::{Canvas, INK, PALE_INK, PAPER, RULE};
use crate::colour::OKABE_ITO;
use crate::font;

/// The drawing with its title above and its legend below the title.
pub(super) fn draw(diagram: &Diagram) -> RgbImage {
    let rows = legend_rows(&diagram.legend);
    let head = HEAD + rows.len() as f64 * LEGEND_ROW;
    let mut canvas =
        Canvas::new((WIDTH * SCALE) as u32, ((head + diagram.height + FOOT) * SCALE).ceil() as u32);
    write(&mut canvas, (20.0, 24.0), &diagram.title, Align::Start, 0.0, 15.0, INK);
    for (row, entries) in rows.iter().enumerate() {
        let middle = HEAD - 8.0 + row as f64 * LEGEND_ROW;
        for &(left, entry) in entries {
            let colour = colour(entry.ink);
            match entry.mark {
                Mark::Dot => canvas.line(
                    scaled((left + 12.0, middle)),
                    scaled((left + 12.0, middle)),
                    8.0 * SCALE,
                    colour,
                ),
                mark => line(
                    &mut canvas,
                    &[(left, middle), (left + 24.0, middle)],
                    2.2,
                    mark == Mark::Dashed,
                    colour,
                ),
            }
            let name = font::fitted(&entry.name, TEXT, LEGEND_NAME);
            write(&mut canvas, (left + 31.0, middle + 4.5), &name, Align::Start, 0.0, TEXT, INK);
        }
    }
    for shape in &diagram.shapes {
        draw_shape(&mut canvas, shape, head);
    }
    canvas.into_image()
}

/// Pixels per unit.
const SCALE: f64 = 1.5;
const HEAD: f64 = 44.0;
const FOOT: f64 = 6.0;
const LEGEND_ROW: f64 = 20.0;
const LEGEND_NAME: f64 = 320.0;
const FAINT: [u8; 3] = [196, 202, 208];
const DASH: (f64, f64) = (6.0, 5.0);

fn scaled((x, y): (f64, f64)) -> (f64, f64) {
    (x * SCALE, y * SCALE)
}

fn draw_shape(canvas: &mut Canvas, shape: &Shape, down: f64) {
    let below = |(x, y): (f64, f64)| (x, y + down);
    match shape {
        Shape::Line { parts, ink, width, dashed } => {
            for part in parts {
                let part: Vec<(f64, f64)> = part.iter().map(|&point| below(point)).collect();
                line(canvas, &part, *width, *dashed, colour(*ink));
            }
        }
        Shape::Dot { at, radius, ink } => {
            let at = scaled(below(*at));
            canvas.line(at, at, 2.0 * radius * SCALE, colour(*ink));
        }
        Shape::Ring { at, radius, ink } => {
            let turn = |step: i32| {
                let (sin, cos) = (f64::from(step) * std::f64::consts::TAU / 24.0).sin_cos();
                (at.0 + radius * cos, at.1 + radius * sin)
            };
            let around: Vec<(f64, f64)> = (0..=24).map(|step| below(turn(step))).collect();
            line(canvas, &around, 1.6, false, colour(*ink));
        }
        Shape::Bar { at, width, height, ink } => {
            let (left, top) = scaled(below(*at));
            let side = |length: f64| (length * SCALE).round() as u32;
            canvas.fill(left as u32, top as u32, side(*width), side(*height), colour(*ink));
        }
        Shape::Text { at, text, align, slant, ink, halo } => {
            let at = below(*at);
            if *halo {
                for (x, y) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)] {
                    write(canvas, (at.0 + x, at.1 + y), text, *align, *slant, TEXT, PAPER);
                }
            }
            write(canvas, at, text, *align, *slant, TEXT, colour(*ink));
        }
    }
}

fn write(
    canvas: &mut Canvas,
    at: (f64, f64),
    text: &str,
    align: Align,
    slant: f64,
    size: f64,
    colour: [u8; 3],
) {
    let back = match align {
        Align::Start => 0.0,
        Align::Middle => font::width(text, size) / 2.0,
        Align::End => font::width(text, size),
    };
    let (sin, cos) = slant.to_radians().sin_cos();
    let origin = scaled((at.0 - back * cos, at.1 + back * sin));
    canvas.text_at(origin, text, size * SCALE, slant, colour);
}

/// The entries of the legend in rows that fit, with the position of each.
fn legend_rows(legend: &[LegendEntry]) -> Vec<Vec<(f64, &LegendEntry)>> {
    let mut rows: Vec<Vec<(f64, &LegendEntry)>> = Vec::new();
    // A single line needs no legend beyond the title.
    let shown = if legend.len() > 1 { legend } else { &[] };
    let mut left = f64::INFINITY;
    for entry in shown {
        let width = 31.0 + font::width(&font::fitted(&entry.name, TEXT, LEGEND_NAME), TEXT) + 20.0;
        if left + width > WIDTH {
            rows.push(Vec::new());
            left = 20.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((left, entry));
        }
        left += width;
    }
    rows
}

fn colour(ink: Ink) -> [u8; 3] {
    match ink {
        Ink::Series(colour) => OKABE_ITO[colour_index(colour)],
        Ink::Faint => FAINT,
        Ink::Rule => RULE,
        Ink::Soft => PALE_INK,
        Ink::Text => INK,
    }
}

/// Draws a line through points, in dashes that continue around its corners.
fn line(canvas: &mut Canvas, points: &[(f64, f64)], width: f64, dashed: bool, colour: [u8; 3]) {
    let mut travelled = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if !dashed {
            canvas.line(scaled(from), scaled(to), width * SCALE, colour);
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
                canvas.line(scaled(at(dash)), scaled(at(end)), width * SCALE, colour);
            }
            start += period;
        }
        travelled += length;
    }
}
