//! Rules about files as text: names, length, the first line, marks of unfinished work, paths of one machine.

use super::Fault;
use super::tree::{SourceFile, Tree};

/// Longest Rust file; longer ones have more than one subject.
const MOST_LINES: usize = 500;

/// Names that say nothing about a file's contents.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "misc", "stuff"];

// Assembled from parts, so that this file does not break its own rules.
const MARKS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];
const MACHINE_FOLDERS: [&str; 5] = [
    concat!("/", "home/"),
    concat!("/", "root/"),
    concat!("/", "work/"),
    concat!("/", "tmp/"),
    concat!("/", "Users/"),
];

/// Finds violations of these rules.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in &tree.files {
        if file.extension() == "rs" {
            check_rust(file, &mut faults);
        }
        for (number, line) in file.lines() {
            if let Some(mark) = MARKS.iter().find(|mark| file.extension() != "md" && has_word(line, mark)) {
                let message = format!("{mark} marks unfinished work; finish it or describe it in an issue");
                faults.push(Fault::new(&file.path, number, message));
            }
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| has_path(line, folder)) {
                let message = format!(
                    "{folder} exists only on some machines; use a relative path or a temporary folder"
                );
                faults.push(Fault::new(&file.path, number, message));
            }
        }
    }
    faults
}

fn check_rust(file: &SourceFile, faults: &mut Vec<Fault>) {
    let parts: Vec<&str> = file.path.trim_end_matches(".rs").split('/').collect();
    if let Some(name) = parts.iter().find(|part| EMPTY_NAMES.contains(part)) {
        let message = format!("the name {name} says nothing; name the file after its one subject");
        faults.push(Fault::new(&file.path, 1, message));
    }
    if !file.text.starts_with("//!") {
        let message = "the first line is not a //! comment; describe the file's purpose there in one line";
        faults.push(Fault::new(&file.path, 1, message));
    }
    let lines = file.text.lines().count();
    if lines > MOST_LINES && !parts.iter().any(|part| ["tests", "fixtures"].contains(part)) {
        let message = format!("{lines} lines are more than {MOST_LINES}; split the file by subject");
        faults.push(Fault::new(&file.path, MOST_LINES + 1, message));
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let after = &line[start + word.len()..];
        !is_part(line[..start].chars().next_back()) && !is_part(after.chars().next())
    })
}

/// Whether a path in the line begins with `folder`, rather than containing it further on.
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~})>*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::found;

    #[test]
    fn a_file_says_in_its_first_line_what_it_is_for() {
        assert_eq!(
            found(&[("a.rs", "\n//! Late.\n")]),
            ["a.rs:1: the first line is not a //! comment; describe the file's purpose there in one line"]
        );
        assert_eq!(found(&[("a.rs", "//! A.\n")]), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found_outside_tests() {
        let long = format!("//! A.\n{}", "//\n".repeat(MOST_LINES));
        assert_eq!(
            found(&[("src/a.rs", &long)]),
            ["src/a.rs:501: 501 lines are more than 500; split the file by subject"]
        );
        assert_eq!(
            found(&[("src/a.rs", &long[..long.len() - 3]), ("crates/ops/tests/a.rs", &long)]),
            [""; 0]
        );
    }

    #[test]
    fn empty_names_are_found() {
        for path in ["src/utils.rs", "src/helpers.rs", "src/misc.rs", "src/utils/mod.rs"] {
            let lines = found(&[(path, "//! A.\n")]);
            assert!(lines.len() == 1 && lines[0].contains(" says nothing; "), "{path}: {lines:?}");
        }
        assert_eq!(found(&[("src/miscount.rs", "//! A.\n")]), [""; 0]);
    }

    #[test]
    fn marks_of_unfinished_work_are_found() {
        for mark in MARKS {
            assert_eq!(
                found(&[("a.rs", &format!("//! A.\n// {mark}: later\n")), ("b.py", &format!("# {mark}\n"))]),
                ["a.rs:2", "b.py:1"].map(|place| {
                    format!("{place}: {mark} marks unfinished work; finish it or describe it in an issue")
                })
            );
            assert_eq!(found(&[("a.rs", &format!("//! A.\n// {mark}S and _{mark}\n"))]), [""; 0]);
        }
    }

    #[test]
    fn paths_of_a_machine_are_found_in_every_language() {
        for folder in MACHINE_FOLDERS {
            for (name, first, comment) in
                [("a.rs", "//! A.", "//"), ("a.md", "A.", "-"), ("a.toml", "", "#"), ("a.py", "", "#")]
            {
                let lines = found(&[(name, &format!("{first}\n{comment} \"{folder}x\"\n"))]);
                assert!(lines.len() == 1, "{name}: {lines:?}");
                assert!(lines[0].starts_with(&format!("{name}:2: {folder} exists only on ")), "{lines:?}");
            }
            assert_eq!(found(&[("a.md", &format!("see crates{folder}x and ~{folder}y\n"))]), [""; 0]);
        }
    }
}
