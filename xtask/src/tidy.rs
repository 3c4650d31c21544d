//! `cargo xtask tidy`: the rules of this repository that no other tool checks.

mod code;
mod cycles;
mod edges;
mod files;
mod links;
mod packages;
mod strings;
mod tree;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// Prints every fault of the tree, one per line, and fails if there is one.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let mut faults = faults(&tree);
    faults.extend(packages::check(root)?);
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err("tidy found 1 fault".to_owned()),
        many => Err(format!("tidy found {many} faults")),
    }
}

fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for check in [edges::check, cycles::check, code::check, files::check, links::check, strings::check] {
        faults.extend(check(tree));
    }
    faults.sort();
    faults
}

/// Something that breaks a rule, shown as `file:line: what is wrong and what to do`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    file: String,
    line: usize,
    message: String,
}

impl Fault {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Number of the line, from 1, that contains the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tidy's output for a temporary tree of these files.
    pub(super) fn found(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        faults(&Tree::read(folder.path()).unwrap()).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn faults_stand_in_the_order_of_files_and_lines() {
        let lines =
            found(&[("b.rs", "fn b() {}\n"), ("a.rs", "//! A.\nfn a() { todo!() }\nfn b() { todo!() }\n")]);
        let places: Vec<&str> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["a.rs:2", "a.rs:3", "b.rs:1"]);
    }

    #[test]
    fn what_is_built_or_downloaded_is_not_read() {
        let bad = "fn f() {}\n";
        let outside = [
            "target/debug/a.rs",
            "runs/a.rs",
            ".git/a.rs",
            "fixtures/.venv/lib/a.rs",
            "fixtures/__pycache__/a.rs",
        ];
        assert_eq!(found(&outside.map(|name| (name, bad))), [""; 0]);
        assert_eq!(found(&[(".ci/a.rs", bad), ("crates/data/src/target/a.rs", bad)]).len(), 2);
    }
}
