//! Charts: the numbers, drawn once and shown as SVG on a page or as PNG.

pub(crate) mod diagram;
mod draw;
mod frame;
mod layout;
mod png;
mod svg;

pub use diagram::Diagram;
pub(crate) use layout::text;
pub(crate) use svg::{class, escape};

use std::path::Path;

use image::RgbImage;

use crate::ReportError;

/// Lines on a common axis.
///
/// ```
/// use convscope_report::chart::{Chart, Series, Stroke, XAxis, YAxis};
///
/// let loss = Series { name: "training".into(), points: vec![(1.0, 2.3), (2.0, 1.1)], colour: 0, stroke: Stroke::Dashed };
/// let chart = Chart {
///     title: "Loss".into(),
///     x_label: "epoch".into(),
///     x_axis: XAxis::Counts,
///     y_axis: YAxis::Number,
///     series: vec![loss],
/// };
/// assert!(chart.to_svg().contains("Loss"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The label of the horizontal axis.
    pub x_label: String,
    /// The positions along the horizontal axis.
    pub x_axis: XAxis,
    /// The scale of the vertical axis.
    pub y_axis: YAxis,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Positions and values, left to right. A value that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// Its index in the colours ([`OKABE_ITO`](crate::colour::OKABE_ITO)), which wrap around.
    pub colour: usize,
    /// How it is drawn.
    pub stroke: Stroke,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps.
    #[default]
    Solid,
    /// In dashes.
    Dashed,
    /// Points without a line.
    Dots,
    /// Points with a ring around them, for what matters most.
    Best,
    /// A thin pale line behind the others, whose values the page does not show.
    Faint,
}

/// The positions along the horizontal axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum XAxis {
    /// Whole numbers, such as epochs.
    #[default]
    Counts,
    /// Names for the positions 0, 1, 2 and so on, such as layers.
    Names(Vec<String>),
    /// Numbers in even steps.
    Numbers,
    /// Numbers in even factors; positions of 0 and below are left out.
    Logarithm,
}

/// The scale of the vertical axis and the format of its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum YAxis {
    /// Even steps, numbers, from 0 if none is below.
    #[default]
    Number,
    /// Even steps, numbers, from the least to the largest.
    Span,
    /// Even steps, written as percentages; from 0 to 1 if the values span more than half of that, otherwise around
    /// them.
    Percent,
    /// Even factors; values of 0 and below leave a gap.
    Logarithm,
}

impl Chart {
    /// The chart as a drawing.
    pub fn diagram(&self) -> Diagram {
        layout::lay_out(self)
    }

    /// The chart as a standalone picture, with title and legend, 960 pixels wide.
    pub fn to_image(&self) -> RgbImage {
        self.diagram().to_image()
    }

    /// The chart as an `<svg>` element for a page: see [`Diagram::to_svg`].
    pub fn to_svg(&self) -> String {
        self.diagram().to_svg()
    }

    /// The lines with the pale ones first, since they are below the others.
    fn in_drawing_order(&self) -> impl Iterator<Item = &Series> {
        let is_faint = |series: &&Series| series.stroke == Stroke::Faint;
        let others = self.series.iter().filter(move |series| !is_faint(series));
        self.series.iter().filter(is_faint).chain(others)
    }

    /// Whether there are no values to draw.
    pub fn is_empty(&self) -> bool {
        !self.series.iter().any(|series| series.points.iter().any(|&(_, y)| y.is_finite()))
    }
}

/// Writes charts below one another as one PNG.
///
/// # Errors
/// Those of [`png::save`](crate::png::save()); [`ReportError::NoPixels`] if there are no charts.
pub fn save(charts: &[Chart], path: &Path) -> Result<(), ReportError> {
    Diagram::save(&charts.iter().map(Chart::diagram).collect::<Vec<_>>(), path)
}

/// A line of more points than this has no dots on it.
const MOST_DOTS: usize = 60;

/// Whether names in letters of this size are written horizontally, because the longest fits under its position.
fn are_level(names: &[String], plot_width: f64, size: f64) -> bool {
    let longest = names.iter().map(|name| crate::font::width(name, size)).fold(0.0, f64::max);
    longest + size <= plot_width / names.len() as f64
}

/// The index of a series' colour; colours wrap around.
fn colour_index(colour: usize) -> usize {
    colour % crate::colour::OKABE_ITO.len()
}

/// How a value of the vertical axis is written.
pub(crate) fn value_text(axis: YAxis, value: f64) -> String {
    match axis {
        YAxis::Percent => crate::number::percent(value),
        YAxis::Number | YAxis::Span | YAxis::Logarithm => crate::number::significant(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::OKABE_ITO;

    pub(crate) fn falling(y_axis: YAxis) -> Chart {
        let line = |colour, stroke, points: &[(f64, f64)]| Series {
            name: format!("<line & \"{colour}\">"),
            points: points.to_vec(),
            colour,
            stroke,
        };
        Chart {
            title: "a <b> & \"c\"".into(),
            x_label: "epoch".into(),
            x_axis: XAxis::Counts,
            y_axis,
            series: vec![
                line(0, Stroke::Solid, &[(1.0, 0.9), (2.0, 0.5), (3.0, 0.1)]),
                line(1, Stroke::Dashed, &[(1.0, 0.2), (2.0, f64::NAN), (3.0, 0.2)]),
            ],
        }
    }

    #[test]
    fn lines_run_the_right_way_in_their_own_colour() {
        let image = falling(YAxis::Number).to_image();
        let places: Vec<(u32, u32)> = image
            .enumerate_pixels()
            .filter(|&(_, y, p)| p.0 == OKABE_ITO[0] && y > 60)
            .map(|(x, y, _)| (x, y))
            .collect();
        let left = places.iter().min().unwrap();
        let right = places.iter().max().unwrap();
        assert!(left.0 + 600 < right.0 && left.1 + 200 < right.1, "{left:?} to {right:?}");
    }

    #[test]
    fn markup_in_names_is_escaped_and_gaps_stay_gaps() {
        let svg = falling(YAxis::Number).to_svg();
        assert!(!svg.contains("<b>") && !svg.contains("<line &"), "{svg}");
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;"), "{svg}");
        // The broken line is two single points, each with its own move command.
        let broken = svg
            .split("class=\"line s1 dashed\" stroke-width=\"2.2\" d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(broken.matches('M').count(), 2, "{broken}");
    }

    #[test]
    fn nothing_to_draw_is_drawn_too() {
        for y_axis in [YAxis::Number, YAxis::Span, YAxis::Percent, YAxis::Logarithm] {
            let empty = Chart { series: Vec::new(), ..falling(y_axis) };
            assert!(empty.is_empty());
            assert!(empty.to_svg().contains("nothing to show"));
            assert_eq!(empty.to_image().width(), 960);
            let mut zeros = falling(y_axis);
            zeros.series[0].points = vec![(1.0, 0.0)];
            zeros.series.truncate(1);
            assert!(!zeros.to_svg().contains("NaN"));
        }
    }

    #[test]
    fn charts_are_saved_below_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.png");
        save(&[falling(YAxis::Number), falling(YAxis::Percent)], &path).unwrap();
        let image = ::image::open(&path).unwrap();
        assert_eq!((image.width(), image.height()), (960, 2 * falling(YAxis::Number).to_image().height()));
        assert!(matches!(save(&[], &path), Err(ReportError::NoPixels { .. })));
    }
}
