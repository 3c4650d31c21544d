//! Standard output for results, standard error for everything else.

use std::io::{self, IsTerminal, Write};

use convscope_report::escape::{escaped, escaped_lines};
use convscope_report::{Colours, Style};
use terminal_size::{Height, Width, terminal_size_of};

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    quiet: bool,
}

/// The reader of standard output is gone, as with `head`; not an error.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl Console {
    /// A console that omits progress and notes if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Console { quiet }
    }

    /// Writes a result, which ends with a line feed, to standard output. Control characters in foreign names are
    /// escaped, here and on standard error.
    ///
    /// # Errors
    /// [`OutputClosed`], or errors of the operating system.
    pub(crate) fn result(self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(escaped_lines(text, self.style()).as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
            Err(error) => Err(anyhow::Error::new(error).context("standard output cannot be written")),
            Ok(()) => Ok(()),
        }
    }

    /// Writes a status line to standard error, unless quiet.
    pub(crate) fn note(self, line: &str) {
        if !self.quiet {
            // Without standard error, there is nowhere to report it.
            let _ = writeln!(io::stderr().lock(), "{}", escaped(line));
        }
    }

    /// Writes a line to standard error, even when quiet.
    pub(crate) fn warning(self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", escaped(line));
    }

    /// Writes an error to standard error.
    pub(crate) fn error(self, sentence: &str) {
        let has_colours = colours(io::stderr().is_terminal()) == Colours::Ansi;
        let label = if has_colours { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        let _ = writeln!(io::stderr().lock(), "{label} {}", escaped(sentence));
    }

    /// How results are written: with colours and fitted to the width if standard output is a terminal.
    pub(crate) fn style(self) -> Style {
        Style { colours: colours(io::stdout().is_terminal()), width: width(terminal_size_of(io::stdout())) }
    }

    /// The same for progress, which goes to standard error.
    pub(crate) fn progress_style(self) -> Style {
        Style { colours: colours(io::stderr().is_terminal()), width: self.width() }
    }

    /// The width of a progress line; `None` if unknown.
    pub(crate) fn width(self) -> Option<usize> {
        width(terminal_size_of(io::stderr()))
    }

    /// Whether progress is shown as redrawn bars rather than lines.
    pub(crate) fn draws_bars(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for OutputClosed {}

/// The rules of <https://no-color.org>, and none for terminals without colours.
fn colours(is_terminal: bool) -> Colours {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    if is_terminal && !refused && !dumb { Colours::Ansi } else { Colours::None }
}

fn width(size: Option<(Width, Height)>) -> Option<usize> {
    size.map(|(width, _)| usize::from(width.0))
}
