//! What serde says about a file, in plain words.

/// The message of a serde error in plain words: what was found, and what must be there. Others stay as they are.
///
/// ```
/// use convscope_files::plain_words;
/// assert_eq!(plain_words("invalid type: string \"x\", expected f64"), "is \"x\", must be a number");
/// assert_eq!(plain_words("invalid value: integer `-3`, expected usize"), "is -3, must be a whole number of at least 0");
/// assert_eq!(plain_words("missing field `lr`"), "lr is missing");
/// ```
pub fn plain_words(message: &str) -> String {
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return format!("{field} is missing");
    }
    let kinds = ["invalid type: ", "invalid value: "];
    let wrong = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    format!("is {}, must be {}", value(found), wanted(expected))
}

/// ``integer `3` `` as 3, `string "x"` as "x".
fn value(found: &str) -> &str {
    let quoted = found.split_once('`').and_then(|(_, rest)| rest.rsplit_once('`')).map(|(value, _)| value);
    match found.split_once(' ') {
        _ if quoted.is_some() => quoted.unwrap_or(found),
        Some(("string", text)) => text,
        _ if found == "map" => "a table",
        _ if found == "sequence" => "a list",
        _ if found.starts_with("unit") || found == "null" => "nothing",
        _ => found,
    }
}

fn wanted(expected: &str) -> &str {
    // JSON adds the place in a text that nobody has.
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    match expected {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum") => "a table",
        _ if expected.starts_with("an array of length ") || expected.starts_with("a tuple ") => {
            "a list of that many numbers"
        }
        _ => expected,
    }
}

/// Names for a sentence: all of them, or the first ten and how many more there are.
///
/// ```
/// use convscope_files::listed;
/// assert_eq!(listed(&["cat", "dog"]), "cat, dog");
/// let many: Vec<String> = (0..1000).map(|class| class.to_string()).collect();
/// assert_eq!(listed(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more");
/// ```
pub fn listed<N: AsRef<str>>(names: &[N]) -> String {
    const SHOWN: usize = 10;
    // Two more take no more room than their number.
    let shown = if names.len() > SHOWN + 2 { SHOWN } else { names.len() };
    let text = names[..shown].iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if shown < names.len() { format!("{text} and {} more", names.len() - shown) } else { text }
}

/// A message about a stretch of a text: `line 2, column 6: ...`, in plain words; the place is left out where it is unknown.
pub fn located(text: &str, start: Option<usize>, message: &str) -> String {
    let plain = plain_words(message.trim_end());
    let Some(before) = start.and_then(|start| text.get(..start)) else { return plain };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_types_have_plain_names() {
        for (message, plain) in [
            ("invalid type: integer `1`, expected a boolean", "is 1, must be true or false"),
            (
                "invalid type: floating point `1.5`, expected usize",
                "is 1.5, must be a whole number of at least 0",
            ),
            ("invalid type: map, expected f64", "is a table, must be a number"),
            ("invalid type: integer `3`, expected struct PartialData", "is 3, must be a table"),
            (
                "invalid type: string \"a, expected b\", expected i64",
                "is \"a, expected b\", must be a whole number",
            ),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
        ] {
            assert_eq!(plain_words(message), plain);
        }
    }

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        assert_eq!(located("a = 1\nü = x", Some(11), "is no value\n"), "line 2, column 5: is no value");
        assert_eq!(located("a", None, "missing field `b`"), "b is missing");
        assert_eq!(located("a", Some(7), "wrong"), "wrong");
    }
}
