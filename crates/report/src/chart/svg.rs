//! A drawing as an element of a page.

use std::fmt::Write;

use super::colour_index;
use super::diagram::{Align, Diagram, Ink, Shape};

/// The `<svg>` element. Text sizes and colours are those of the page's style sheet, which defines the classes.
pub(super) fn draw(diagram: &Diagram) -> String {
    let title = escape(&diagram.title);
    let data = diagram.values.as_ref();
    let data =
        data.map_or_else(String::new, |values| format!(" tabindex=\"0\" data-chart=\"{}\"", escape(values)));
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {:.0}\" role=\"img\" aria-label=\"{title}\"{data}>",
        diagram.width, diagram.height
    );
    for shape in &diagram.shapes {
        draw_shape(&mut svg, shape);
    }
    svg.push_str("<g class=\"cursor\" aria-hidden=\"true\"></g></svg>");
    svg
}

fn draw_shape(svg: &mut String, shape: &Shape) {
    // Writing to a string cannot fail.
    let _ = match shape {
        Shape::Line { parts, ink, width, dashed } => {
            let mut path = String::new();
            for part in parts {
                for (index, (x, y)) in part.iter().enumerate() {
                    let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
                }
            }
            let dashed = if *dashed { " dashed" } else { "" };
            write!(
                svg,
                "<path class=\"line {}{dashed}\" stroke-width=\"{width}\" d=\"{path}\"/>",
                class(*ink)
            )
        }
        Shape::Dot { at: (x, y), radius, ink } => {
            write!(svg, "<circle class=\"fill {}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>", class(*ink))
        }
        Shape::Ring { at: (x, y), radius, ink } => write!(
            svg,
            "<circle class=\"line {}\" stroke-width=\"1.6\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>",
            class(*ink)
        ),
        Shape::Bar { at: (x, y), width, height, ink } => write!(
            svg,
            "<rect class=\"fill {}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
            class(*ink)
        ),
        Shape::Text { at: (x, y), text, align, slant, ink, halo } => {
            let anchor = match align {
                Align::Start => "start",
                Align::Middle => "middle",
                Align::End => "end",
            };
            let place = if *slant == 0.0 {
                format!("x=\"{x:.1}\" y=\"{y:.1}\"")
            } else {
                format!("transform=\"translate({x:.1} {y:.1}) rotate({})\"", -slant)
            };
            let halo = if *halo { " halo" } else { "" };
            let name = if *slant == 0.0 { "" } else { " name" };
            write!(
                svg,
                "<text class=\"{}{halo}{name}\" {place} text-anchor=\"{anchor}\">{}</text>",
                class(*ink),
                escape(text)
            )
        }
    };
}

/// The class with this colour.
pub(crate) fn class(ink: Ink) -> String {
    match ink {
        Ink::Series(colour) => format!("s{}", colour_index(colour)),
        Ink::Faint => "faint".to_owned(),
        Ink::Rule => "rule".to_owned(),
        Ink::Soft => "soft".to_owned(),
        Ink::Text => "ink".to_owned(),
    }
}

/// Text for an element or for an attribute in double quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
