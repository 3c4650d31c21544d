//! Text tables for terminals and log files.
//!
//! Columns are as wide as their widest cell on screen, so that wide (East Asian) characters and combining marks stay
//! aligned. Colour is written only if the caller asks for it with [`Style::ANSI`].

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::escaped;
use crate::style::paint;
pub use crate::style::{Colours, Style, Tone};

/// A column: its title and alignment.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    side: Side,
}

impl Column {
    /// A left-aligned column, for names.
    pub fn left(title: impl Into<String>) -> Self {
        Self { title: escaped(&title.into()).into_owned(), side: Side::Left }
    }

    /// A right-aligned column, for numbers.
    pub fn right(title: impl Into<String>) -> Self {
        Self { title: escaped(&title.into()).into_owned(), side: Side::Right }
    }
}

/// One cell. Text and strings convert into a cell of [`Tone::Normal`].
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A highlighted cell.
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

/// A table with a line of titles, lines of cells, and horizontal rules.
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
///     table.render(Style::PLAIN),
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
    /// escaped as in [`escaped`].
    ///
    /// # Panics
    /// If the number of cells is not the number of columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.lines.push(Line::Cells(cells));
    }

    /// Adds a horizontal rule, as above a line of totals.
    pub fn rule(&mut self) {
        self.lines.push(Line::Rule);
    }

    /// The table as text: every line ends with a line feed, none with spaces. If it is too wide for the style, its
    /// columns are split into several tables, each starting with the first column; text, but not numbers, is then
    /// shortened.
    pub fn render(&self, style: Style) -> String {
        let room = style.width.unwrap_or(usize::MAX).max(NARROWEST);
        let mut widths = self.widths();
        let mut columns = 0..widths.len();
        if total(&widths) <= room || columns.len() < 2 {
            return self.part(&columns.collect::<Vec<_>>(), &widths, style);
        }
        columns.next();
        widths[0] = widths[0].min(room / 2);
        let most = room - widths[0] - GAP.width();
        for (width, column) in widths.iter_mut().zip(&self.columns).skip(1) {
            if column.side == Side::Left {
                *width = (*width).min(most);
            }
        }
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut left = 0;
        for column in columns {
            let wide = GAP.width() + widths[column];
            match parts.last_mut() {
                Some(part) if wide <= left => part.push(column),
                _ => {
                    parts.push(vec![0, column]);
                    left = room - widths[0];
                }
            }
            left = left.saturating_sub(wide);
        }
        let texts: Vec<String> = parts.iter().map(|part| self.part(part, &widths, style)).collect();
        texts.join("\n")
    }

    /// Whether the table fits into the style's lines unchanged.
    pub fn fits(&self, style: Style) -> bool {
        style.width.is_none_or(|room| total(&self.widths()) <= room)
    }

    /// These columns as a table.
    fn part(&self, columns: &[usize], widths: &[usize], style: Style) -> String {
        let own: Vec<usize> = columns.iter().map(|&column| widths[column]).collect();
        let rule = paint(&"─".repeat(total(&own)), Tone::Dim, style);
        let titles: Vec<Cell> =
            self.columns.iter().map(|c| Cell::new(c.title.as_str(), Tone::Bold)).collect();
        let mut text = String::new();
        self.push_cells(&mut text, &titles, columns, widths, style);
        text.push_str(&rule);
        text.push('\n');
        for line in &self.lines {
            match line {
                Line::Cells(cells) => self.push_cells(&mut text, cells, columns, widths, style),
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

    fn push_cells(
        &self,
        text: &mut String,
        cells: &[Cell],
        columns: &[usize],
        widths: &[usize],
        style: Style,
    ) {
        let start = text.len();
        for (place, &index) in columns.iter().enumerate() {
            if place > 0 {
                text.push_str(GAP);
            }
            let (cell, side, width) = (&cells[index], self.columns[index].side, widths[index]);
            let shown = shorten(&cell.text, width);
            let padding = " ".repeat(width - shown.width());
            if side == Side::Right {
                text.push_str(&padding);
            }
            text.push_str(&paint(&shown, cell.tone, style));
            if side == Side::Left {
                text.push_str(&padding);
            }
        }
        let end = text.trim_end_matches(' ').len().max(start);
        text.truncate(end);
        text.push('\n');
    }
}

/// The width of columns with the gaps between them.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.width() * widths.len().saturating_sub(1)
}

/// Text in lines of at most the style's width, broken between words; a longer word gets its own line.
///
/// ```
/// use convscope_report::table::{Style, wrapped};
/// let narrow = Style { width: Some(12), ..Style::PLAIN };
/// assert_eq!(wrapped("note: a long line", narrow), "note: a long\nline");
/// ```
pub fn wrapped(text: &str, style: Style) -> String {
    let Some(room) = style.width else { return text.to_owned() };
    let (mut lines, mut used) = (String::with_capacity(text.len()), 0);
    for word in text.split(' ') {
        let wide = word.width();
        if used > 0 && used + 1 + wide > room {
            lines.push('\n');
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += wide;
    }
    lines
}

/// Text of at most `width` columns on screen: the end of longer text is replaced with `…`.
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

/// A horizontal bar that fills `ratio` (0 to 1; clamped, NaN is empty) of `width` columns, in steps of an eighth of a
/// column. It has no padding.
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
/// The smallest assumed line width.
const NARROWEST: usize = 24;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_or_title() {
        let mut table = Table::new([Column::left("a"), Column::right("count"), Column::left("note")]);
        table.row(["longer".into(), "1".into(), "x".into()]);
        table.row(["b".into(), "1234567".into(), "".into()]);
        assert_eq!(
            table.render(Style::PLAIN),
            "a         count  note\n\
             ─────────────────────\n\
             longer        1  x\n\
             b       1234567\n"
        );
    }

    #[test]
    fn a_wide_table_becomes_several_of_the_same_first_column() {
        let mut table = Table::new([
            Column::left("layer"),
            Column::left("type"),
            Column::right("parameters"),
            Column::right("dead"),
        ]);
        table.row(["a_name_that_is_far_too_long".into(), "conv2d".into(), "294,810".into(), "3".into()]);
        table.rule();
        table.row(["b".into(), "x".into(), "1".into(), "".into()]);
        let narrow = Style { width: Some(30), ..Style::PLAIN };
        assert_eq!(
            table.render(narrow),
            "layer            type\n\
             ───────────────────────\n\
             a_name_that_is…  conv2d\n\
             ───────────────────────\n\
             b                x\n\
             \n\
             layer            parameters\n\
             ───────────────────────────\n\
             a_name_that_is…     294,810\n\
             ───────────────────────────\n\
             b                         1\n\
             \n\
             layer            dead\n\
             ─────────────────────\n\
             a_name_that_is…     3\n\
             ─────────────────────\n\
             b\n"
        );
        for width in [40, 80, 200] {
            let text = table.render(Style { width: Some(width), ..Style::PLAIN });
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert!(text.contains("294,810"));
        }
        assert_eq!(table.render(Style { width: Some(200), ..Style::PLAIN }), table.render(Style::PLAIN));
    }

    #[test]
    fn wide_and_combining_characters_keep_their_place() {
        let mut table = Table::new([Column::left("class"), Column::right("n")]);
        table.row(["飛行機".into(), "1".into()]);
        table.row(["e\u{301}te\u{301}".into(), "22".into()]);
        assert_eq!(
            table.render(Style::PLAIN),
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
            table.render(Style::ANSI),
            "\x1b[1ma\x1b[0m   \x1b[1mb\x1b[0m\n\
             \x1b[2m─────\x1b[0m\n\
             \x1b[32mx\x1b[0m  \x1b[31m10\x1b[0m\n\
             y   \x1b[2m5\x1b[0m\n"
        );
        assert!(!table.render(Style::PLAIN).contains('\x1b'));
    }

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        let mut table = Table::new([Column::left("file\t")]);
        table.row([Cell::new("a\x1b[2Jb\nc", Tone::Bold)]);
        assert_eq!(table.render(Style::PLAIN), "file\\u0009\n──────────────────\na\\u001b[2Jb\\u000ac\n");
    }

    #[test]
    fn a_table_without_lines_has_its_titles() {
        assert_eq!(
            Table::new([Column::left("run"), Column::right("loss")]).render(Style::PLAIN),
            "run  loss\n─────────\n"
        );
        assert_eq!(Table::new([]).render(Style::PLAIN), "\n\n");
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
