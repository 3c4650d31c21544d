//! A drawing made of shapes, shown as SVG on a page and as PNG in a file.

/// A drawing with its title and legend. It is laid out once; [`to_svg`](Self::to_svg) and [`to_image`](Self::to_image) show the
/// same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagram {
    /// What it shows.
    pub title: String,
    pub(crate) legend: Vec<LegendEntry>,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
    /// The values under the pointer, as JSON for the page.
    pub(crate) values: Option<String>,
}

/// An entry of a legend: a line or a dot, and its meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LegendEntry {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    pub(crate) mark: Mark,
}

/// The mark before the name in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Solid,
    Dashed,
    Dot,
}

/// A part of a drawing. Positions are in units of 1/640 of the drawing's width, from its upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Lines through points; a new part is a gap.
    Line { parts: Vec<Vec<(f64, f64)>>, ink: Ink, width: f64, dashed: bool },
    /// A filled circle.
    Dot { at: (f64, f64), radius: f64, ink: Ink },
    /// A circle around the most important point.
    Ring { at: (f64, f64), radius: f64, ink: Ink },
    /// A filled rectangle.
    Bar { at: (f64, f64), width: f64, height: f64, ink: Ink },
    /// A text on its baseline; with a halo it stays readable over lines behind it.
    Text { at: (f64, f64), text: String, align: Align, slant: f64, ink: Ink, halo: bool },
}

/// Which side of a text is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// The colours of a drawing; a page has light and dark variants of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// One of the six colours of series.
    Series(usize),
    /// Anything behind the others.
    Faint,
    /// Lines of a grid.
    Rule,
    /// Axes and their texts.
    Soft,
    /// Names of axes.
    Text,
}
