//! Escapes foreign names, such as those of files and classes, for display in a terminal.

use std::borrow::Cow;

use crate::style::{CODES, Colours, Style};

/// The text with every character that could control a terminal or change the direction of neighbouring text written as
/// `\u202e`: control characters, line and paragraph separators, and Unicode's bidirectional controls. The form is
/// JSON's, so that an escaped JSON document has the same contents.
///
/// ```
/// use convscope_report::escape::escaped;
/// assert_eq!(escaped("cat\u{202e}gnp.exe"), "cat\\u202egnp.exe");
/// assert_eq!(escaped("\x1b[2Jfile\n"), "\\u001b[2Jfile\\u000a");
/// assert_eq!(escaped("Füchse 狐"), "Füchse 狐");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, steers, |_| false)
}

/// A result of several lines, like [`escaped`] but keeping line ends, tabs and, if allowed, colours.
pub fn escaped_lines(text: &str, style: Style) -> Cow<'_, str> {
    let is_colour =
        |rest: &str| style.colours == Colours::Ansi && CODES.iter().any(|code| rest.starts_with(code));
    replaced(text, |c| steers(c) && !['\n', '\t'].contains(&c), is_colour)
}

/// Escapes the characters that are `meant`, unless a sequence that begins with them is to be kept.
fn replaced(text: &str, meant: impl Fn(char) -> bool, stays: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !text.contains(&meant) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 5);
    for (place, c) in text.char_indices() {
        if meant(c) && !stays(&text[place..]) {
            shown += &format!("\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_keeps_its_lines_and_only_its_own_colours() {
        let text = "a\tb\n\x1b[31mred\x1b[0m \x1b[2Jcleared\u{9b}6n\r\u{2066}\n";
        assert_eq!(
            escaped_lines(text, Style::ANSI),
            "a\tb\n\x1b[31mred\x1b[0m \\u001b[2Jcleared\\u009b6n\\u000d\\u2066\n"
        );
        assert!(!escaped_lines(text, Style::PLAIN).contains('\x1b'));
        let twice = escaped("\x1b[31mred").into_owned();
        assert_eq!(escaped_lines(&twice, Style::ANSI), twice);
    }

    #[test]
    fn an_escaped_document_has_the_same_contents() {
        let name = "a\u{202e}b\u{1}\"\\u";
        let document = serde_json::to_string(&[name]).unwrap();
        let shown = escaped_lines(&document, Style::PLAIN);
        assert!(!shown.contains('\u{202e}'), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [name]);
    }
}
