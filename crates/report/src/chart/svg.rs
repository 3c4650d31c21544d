//! A chart as an element of a page.

use std::fmt::Write;

use serde_json::json;

use super::frame::Frame;
use super::{Chart, Stroke, XAxis, are_level, value_text};
use crate::colour::OKABE_ITO;

/// The `<svg>` element. Its units are those of a plot 640 wide; text sizes and colours are the page's style sheet's.
pub(super) fn draw(chart: &Chart) -> String {
    let title = escape(&chart.title);
    let height = TOP + PLOT_HEIGHT + bottom(chart);
    let Some(frame) = Frame::new(chart) else {
        return format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} 80\" role=\"img\" aria-label=\"{title}: nothing to show\">\
             <text x=\"{LEFT}\" y=\"44\">nothing to show</text></svg>"
        );
    };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" tabindex=\"0\" \
         aria-label=\"{title}\" data-chart=\"{}\">",
        escape(&data(chart, &frame))
    );
    axes(&mut svg, chart, &frame);
    for series in chart.in_drawing_order() {
        let mut path = String::new();
        let mut dots = String::new();
        let mut pen_down = false;
        for &point in &series.points {
            let Some(place) = frame.place(point) else {
                pen_down = false;
                continue;
            };
            let (x, y) = pixel(place);
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { 'L' } else { 'M' });
            if series.stroke == Stroke::Faint && !pen_down {
                // A line of no length shows as a dot where no other point follows.
                path.push_str("h0");
            }
            let radius = if series.stroke == Stroke::Dots { 4.0 } else { 2.6 };
            let _ = write!(dots, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
            pen_down = true;
        }
        let colour = series.colour % OKABE_ITO.len();
        let class = match series.stroke {
            Stroke::Faint => "faint".to_owned(),
            Stroke::Dashed => format!("s{colour} dashed"),
            Stroke::Solid | Stroke::Dots => format!("s{colour}"),
        };
        if series.stroke != Stroke::Dots {
            let _ = write!(svg, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
        let has_dots = match series.stroke {
            Stroke::Dots => true,
            Stroke::Faint => false,
            Stroke::Solid | Stroke::Dashed => series.points.len() <= super::MOST_DOTS,
        };
        if has_dots {
            let _ = write!(svg, "<g class=\"dots s{colour}\">{dots}</g>");
        }
    }
    svg.push_str("<g class=\"cursor\" aria-hidden=\"true\"></g></svg>");
    svg
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

const WIDTH: f64 = 640.0;
const LEFT: f64 = 68.0;
const TOP: f64 = 12.0;
const PLOT_WIDTH: f64 = WIDTH - LEFT - 20.0;
const PLOT_HEIGHT: f64 = 250.0;
const NAME_LETTERS: usize = 22;
/// The width of a letter of a name where letters are largest, on a narrow screen.
const LETTER: f64 = 9.0;

fn bottom(chart: &Chart) -> f64 {
    match &chart.x_axis {
        XAxis::Counts | XAxis::Numbers | XAxis::Logarithm => 52.0,
        XAxis::Names(names) if are_level(names, PLOT_WIDTH, LETTER) => 52.0,
        // Names rise to the right at 50 degrees, at most so many letters of about 6.7 units.
        XAxis::Names(names) => {
            let longest = names.iter().map(|name| name.chars().count().min(NAME_LETTERS)).max().unwrap_or(0);
            52.0 + 5.4 * longest as f64
        }
    }
}

fn pixel((x, y): (f64, f64)) -> (f64, f64) {
    (LEFT + x * PLOT_WIDTH, TOP + (1.0 - y) * PLOT_HEIGHT)
}

fn axes(svg: &mut String, chart: &Chart, frame: &Frame) {
    let base = TOP + PLOT_HEIGHT;
    svg.push_str("<g class=\"axis\">");
    for (place, text) in &frame.y_marks {
        let (_, y) = pixel((0.0, *place));
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + PLOT_WIDTH,
            LEFT - 8.0,
            y + 4.5,
            escape(text)
        );
    }
    // Where there are many names every second, third and so on is written.
    let each = match chart.x_axis {
        XAxis::Names(_) => frame.x_marks.len().div_ceil(28),
        _ => 1,
    };
    for (place, text) in frame.x_marks.iter().step_by(each.max(1)) {
        let (x, _) = pixel((*place, 0.0));
        let _ = match &chart.x_axis {
            XAxis::Names(names) if !are_level(names, PLOT_WIDTH, LETTER) => write!(
                svg,
                "<text class=\"name\" transform=\"translate({:.1} {}) rotate(-50)\" text-anchor=\"end\">{}</text>",
                x + 4.0,
                base + 14.0,
                escape(&crate::table::shorten(text, NAME_LETTERS))
            ),
            _ => {
                write!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    base + 19.0,
                    escape(text)
                )
            }
        };
    }
    let _ = write!(
        svg,
        "<path class=\"base\" d=\"M{LEFT} {base}h{PLOT_WIDTH}\"/>\
         <text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        LEFT + PLOT_WIDTH / 2.0,
        base + bottom(chart) - 8.0,
        escape(&chart.x_label)
    );
}

/// What the page's script needs to show values under the pointer.
fn data(chart: &Chart, frame: &Frame) -> String {
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
    let series = told().map(|series| {
        let at = |&place: &f64| {
            let mut here = series.points.iter().filter(|point| point.0 == place).map(|point| point.1);
            let first = here.next()?;
            let (_, y) = pixel(frame.place((place, first))?);
            let texts: Vec<String> =
                std::iter::once(first).chain(here).map(|value| value_text(chart.y_axis, value)).collect();
            Some(json!([(y * 10.0).round() / 10.0, texts.join(", ")]))
        };
        json!({
            "name": series.name,
            "colour": series.colour % OKABE_ITO.len(),
            "values": places.iter().map(at).collect::<Vec<_>>(),
        })
    });
    json!({
        "x": places.iter().map(|&place| (pixel((frame.across(place), 0.0)).0 * 10.0).round() / 10.0).collect::<Vec<_>>(),
        "names": places.iter().map(|&place| name(place)).collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
        "top": TOP,
        "base": TOP + PLOT_HEIGHT,
    })
    .to_string()
}
