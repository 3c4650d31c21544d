//! Text tables for terminals and log files.
//!
//! Columns are as wide as their widest cell on screen, so that wide (East Asian) characters and combining marks
//! keep their place. Colour is written only where the caller asks for it with [`Style::Ansi`].

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::escaped;

/// Whether escape sequences for colour may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text only: for files, pipes and terminals without colour.
    #[default]
    Plain,
    /// ANSI escape sequences for bold, dim and coloured text.
    Ansi,
}

/// How a cell stands out in [`Style::Ansi`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As the terminal shows all text.
    #[default]
    Normal,
    /// Heavier, for what matters most.
    Bold,
    /// Paler, for what may be skipped.
    Dim,
    /// Green.
    Good,
    /// Red.
    Bad,
}

/// A column: its title and the side its cells stand on.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    side: Side,
}

impl Column {
    /// A column whose cells begin at the left, for names.
    pub fn left(title: impl Into<String>) -> Self {
        Self { title: escaped(&title.into()).into_owned(), side: Side::Left }
    }

    /// A column whose cells end at the right, for numbers.
    pub fn right(title: impl Into<String>) -> Self {
        Self { title: escaped(&title.into()).into_owned(), side: Side::Right }
    }
}

/// One cell. Text and strings turn into a cell of [`Tone::Normal`] by themselves.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell that stands out.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: escaped(&text.into()).into_owned(), tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Normal)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Normal)
    }
}

/// A table with a line of titles, lines of cells, and rules between them.
///
/// ```
/// use convscope_report::{Column, Style, Table, number};
///
/// let mut table = Table::new([Column::left("layer"), Column::right("parameters")]);
/// table.row(["conv2d".into(), number::thousands(448).into()]);
/// table.row(["dense".into(), number::thousands(1290).into()]);
/// table.rule();
/// table.row(["total".into(), number::thousands(1738).into()]);
/// assert_eq!(
///     table.render(Style::Plain),
///     "layer   parameters\n\
///      ──────────────────\n\
///      conv2d         448\n\
///      dense        1,290\n\
///      ──────────────────\n\
///      total        1,738\n"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    lines: Vec<Line>,
}

impl Table {
    /// An empty table of these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), lines: Vec::new() }
    }

    /// Adds a line of cells. Control characters in them (line ends, escape sequences of a hostile file name) are
    /// shown as [`escaped`] has them.
    ///
    /// # Panics
    /// If the number of cells is not the number of columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "one cell a column");
        self.lines.push(Line::Cells(cells));
    }

    /// Adds a horizontal rule, as above a line of totals.
    pub fn rule(&mut self) {
        self.lines.push(Line::Rule);
    }

    /// The table as text: every line ends with a line feed, none with spaces.
    pub fn render(&self, style: Style) -> String {
        let widths = self.widths();
        let gaps = GAP.width() * widths.len().saturating_sub(1);
        let rule = paint(&"─".repeat(widths.iter().sum::<usize>() + gaps), Tone::Dim, style);
        let mut text = String::new();

        let titles: Vec<Cell> =
            self.columns.iter().map(|c| Cell::new(c.title.as_str(), Tone::Bold)).collect();
        self.push_cells(&mut text, &titles, &widths, style);
        text.push_str(&rule);
        text.push('\n');
        for line in &self.lines {
            match line {
                Line::Cells(cells) => self.push_cells(&mut text, cells, &widths, style),
                Line::Rule => {
                    text.push_str(&rule);
                    text.push('\n');
                }
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.title.width()).collect();
        for line in &self.lines {
            if let Line::Cells(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.text.width());
                }
            }
        }
        widths
    }

    fn push_cells(&self, text: &mut String, cells: &[Cell], widths: &[usize], style: Style) {
        let start = text.len();
        for (index, ((cell, column), &width)) in cells.iter().zip(&self.columns).zip(widths).enumerate() {
            if index > 0 {
                text.push_str(GAP);
            }
            let padding = " ".repeat(width - cell.text.width());
            if column.side == Side::Right {
                text.push_str(&padding);
            }
            text.push_str(&paint(&cell.text, cell.tone, style));
            if column.side == Side::Left {
                text.push_str(&padding);
            }
        }
        let end = text.trim_end_matches(' ').len().max(start);
        text.truncate(end);
        text.push('\n');
    }
}

/// Text of at most `width` places on screen: what is longer loses its end, and gets `…` in its place.
///
/// ```
/// assert_eq!(convscope_report::table::shorten("automobile", 6), "autom…");
/// ```
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        short.push(character);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// A horizontal bar that fills `ratio` (0 to 1; what lies outside is cut off, NaN is empty) of `width` places, in
/// steps of an eighth of a place. It has no padding.
///
/// ```
/// assert_eq!(convscope_report::table::bar(0.5, 5), "██▌");
/// ```
pub fn bar(ratio: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // `as` turns NaN into 0.
    let eighths = (ratio.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

const GAP: &str = "  ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

#[derive(Clone, Debug)]
enum Line {
    Cells(Vec<Cell>),
    Rule,
}

pub(crate) fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match (style, tone) {
        (Style::Plain, _) | (_, Tone::Normal) => return text.to_owned(),
        (Style::Ansi, _) if text.is_empty() => return String::new(),
        (Style::Ansi, Tone::Bold) => 1,
        (Style::Ansi, Tone::Dim) => 2,
        (Style::Ansi, Tone::Good) => 32,
        (Style::Ansi, Tone::Bad) => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// All that [`paint`] writes of itself.
pub(crate) const CODES: [&str; 5] = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_or_title() {
        let mut table = Table::new([Column::left("a"), Column::right("count"), Column::left("note")]);
        table.row(["longer".into(), "1".into(), "x".into()]);
        table.row(["b".into(), "1234567".into(), "".into()]);
        assert_eq!(
            table.render(Style::Plain),
            "a         count  note\n\
             ─────────────────────\n\
             longer        1  x\n\
             b       1234567\n"
        );
    }

    #[test]
    fn wide_and_combining_characters_keep_their_place() {
        let mut table = Table::new([Column::left("class"), Column::right("n")]);
        table.row(["飛行機".into(), "1".into()]);
        table.row(["e\u{301}te\u{301}".into(), "22".into()]);
        assert_eq!(
            table.render(Style::Plain),
            "class    n\n\
             ──────────\n\
             飛行機   1\n\
             e\u{301}te\u{301}     22\n"
        );
    }

    #[test]
    fn colour_is_written_only_when_asked_for_and_takes_no_width() {
        let mut table = Table::new([Column::left("a"), Column::right("b")]);
        table.row([Cell::new("x", Tone::Good), Cell::new("10", Tone::Bad)]);
        table.row(["y".into(), Cell::new("5", Tone::Dim)]);
        assert_eq!(
            table.render(Style::Ansi),
            "\x1b[1ma\x1b[0m   \x1b[1mb\x1b[0m\n\
             \x1b[2m─────\x1b[0m\n\
             \x1b[32mx\x1b[0m  \x1b[31m10\x1b[0m\n\
             y   \x1b[2m5\x1b[0m\n"
        );
        assert!(!table.render(Style::Plain).contains('\x1b'));
    }

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        let mut table = Table::new([Column::left("file\t")]);
        table.row([Cell::new("a\x1b[2Jb\nc", Tone::Bold)]);
        assert_eq!(table.render(Style::Plain), "file\\u0009\n──────────────────\na\\u001b[2Jb\\u000ac\n");
    }

    #[test]
    fn a_table_without_lines_has_its_titles() {
        assert_eq!(
            Table::new([Column::left("run"), Column::right("loss")]).render(Style::Plain),
            "run  loss\n─────────\n"
        );
        assert_eq!(Table::new([]).render(Style::Plain), "\n\n");
    }

    #[test]
    fn shorten_counts_places_on_screen() {
        assert_eq!(shorten("truck", 5), "truck");
        assert_eq!(shorten("trucks", 5), "truc…");
        assert_eq!(shorten("飛行機", 5), "飛行…");
        assert_eq!(shorten("飛行機", 4), "飛…");
        assert_eq!(shorten("truck", 1), "…");
        assert_eq!(shorten("truck", 0), "");
    }

    #[test]
    fn bars_stay_inside_their_width() {
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(7.0, 4), "████");
        assert_eq!(bar(-1.0, 4), "");
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(bar(0.15625, 4), "▋");
        assert_eq!(bar(0.8, 0), "");
    }
}
