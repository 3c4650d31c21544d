//! How text is set in a terminal.

/// How text is written: its colours and width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences for colour may be written.
    pub colours: Colours,
    /// The width of a line; `None` if lines may have any length, as in files and pipes.
    pub width: Option<usize>,
}

/// Whether escape sequences for colour may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// Text only: for files, pipes and terminals without colour.
    #[default]
    None,
    /// ANSI escape sequences for bold, dim and coloured text.
    Ansi,
}

impl Style {
    /// Text only, in lines of any length.
    pub const PLAIN: Style = Style { colours: Colours::None, width: None };
    /// Colours, in lines of any length.
    pub const ANSI: Style = Style { colours: Colours::Ansi, width: None };
}

/// How a cell is highlighted if there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// The terminal's normal text.
    #[default]
    Normal,
    /// Bold, for what matters most.
    Bold,
    /// Dim, for what may be skipped.
    Dim,
    /// Green.
    Good,
    /// Red.
    Bad,
}

pub(crate) fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match (style.colours, tone) {
        (Colours::None, _) | (_, Tone::Normal) => return text.to_owned(),
        (Colours::Ansi, _) if text.is_empty() => return String::new(),
        (Colours::Ansi, Tone::Bold) => 1,
        (Colours::Ansi, Tone::Dim) => 2,
        (Colours::Ansi, Tone::Good) => 32,
        (Colours::Ansi, Tone::Bad) => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Everything that [`paint`] itself writes.
pub(crate) const CODES: [&str; 5] = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"];
