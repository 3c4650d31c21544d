//! The rule that no two files of a crate reach each other through `use`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proc_macro2::{TokenStream, TokenTree};

use super::Fault;
use super::tree::Tree;

/// Finds files that use each other, directly or through others. Re-exports are followed to the file that has the item; a
/// parent that names its children does not count, and neither do tests.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut crates: BTreeMap<&str, Crate> = BTreeMap::new();
    for file in tree.with_extension("rs") {
        let Some((root, inside)) = file.path.split_once("/src/") else { continue };
        let Ok(tokens) = file.text.parse::<TokenStream>() else { continue };
        let mut uses = Vec::new();
        collect(tokens, &mut uses);
        crates.entry(root).or_default().0.insert(module_of(inside), File { path: &file.path, uses });
    }
    crates.values().flat_map(Crate::cycles).collect()
}

/// The names of a module and of those around it, from the root of its crate.
type Module = Vec<String>;

#[derive(Default)]
struct Crate<'a>(BTreeMap<Module, File<'a>>);

struct File<'a> {
    path: &'a str,
    uses: Vec<Use>,
}

/// One name that is brought into a file.
struct Use {
    line: usize,
    /// The path as it is written.
    path: Vec<String>,
    /// What it is called here; none for all names of a module.
    name: Option<String>,
}

impl Crate<'_> {
    fn cycles(&self) -> Vec<Fault> {
        let edges: BTreeMap<&Module, BTreeMap<&Module, usize>> =
            self.0.keys().map(|module| (module, self.edges(module))).collect();
        let mut seen = BTreeSet::new();
        let mut faults = Vec::new();
        for (&from, targets) in &edges {
            for (&to, &line) in targets {
                let Some(back) = way(&edges, to, from) else { continue };
                // The cycle is told of once, at its first file.
                if seen.insert(back.iter().copied().collect::<BTreeSet<_>>()) {
                    let files: Vec<&str> = back.iter().map(|&module| self.0[module].path).collect();
                    let message = format!(
                        "these files reach each other through use: {}; move what both need to a file of its own",
                        files.join(", ")
                    );
                    faults.push(Fault::new(self.0[from].path, line, message));
                }
            }
        }
        faults
    }

    /// The files that a file uses, each with the line of its first use.
    fn edges(&self, module: &Module) -> BTreeMap<&Module, usize> {
        let mut edges = BTreeMap::new();
        for used in &self.0[module].uses {
            let Some(path) = self.absolute(module, &used.path) else { continue };
            let target = self.target(&path, 0);
            if target != module && !target.starts_with(module) {
                edges.entry(target).or_insert(used.line);
            }
        }
        edges
    }

    /// The path from the root of the crate; none if it leads out of it.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let parent = &module[..module.len().checked_sub(1)?];
                match rest.first().map(String::as_str) {
                    Some("super") => self.absolute(parent, rest),
                    _ => Some([parent, rest].concat()),
                }
            }
            _ => {
                let child = [module, &path[..1]].concat();
                self.0.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// The file that has what a path names.
    fn target(&self, path: &[String], depth: usize) -> &Module {
        let inside = (0..=path.len()).rev().find_map(|len| self.0.get_key_value(&path[..len]));
        let (module, file) = inside.expect("every crate has a root");
        let Some(item) = path.get(module.len()) else { return module };
        let reexport = file.uses.iter().find(|used| used.name.as_ref() == Some(item));
        let further = reexport.and_then(|used| self.absolute(module, &used.path)).filter(|_| depth < 8);
        further.map_or(module, |further| self.target(&further, depth + 1))
    }
}

/// The shortest way along the edges, with both ends.
fn way<'a>(
    edges: &BTreeMap<&'a Module, BTreeMap<&'a Module, usize>>,
    from: &'a Module,
    to: &'a Module,
) -> Option<Vec<&'a Module>> {
    let mut before: BTreeMap<&Module, &'a Module> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let mut way = vec![at];
            while let Some(&earlier) = before.get(way[way.len() - 1]).filter(|_| way[way.len() - 1] != from) {
                way.push(earlier);
            }
            return Some(way);
        }
        for &next in edges[at].keys() {
            if next != from && !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn module_of(inside: &str) -> Module {
    let path = inside.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Every `use` but those of modules within the file, which are tests.
fn collect(tokens: TokenStream, uses: &mut Vec<Use>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while index < tokens.len() {
        match &tokens[index] {
            TokenTree::Ident(word) if word == "use" => {
                let end = (index..tokens.len()).find(|&end| is(&tokens[end], ';')).unwrap_or(tokens.len());
                branch(&tokens[index + 1..end], &[], word.span().start().line, uses);
                index = end;
            }
            TokenTree::Ident(word)
                if word == "mod" && matches!(tokens.get(index + 2), Some(TokenTree::Group(_))) =>
            {
                index += 2;
            }
            TokenTree::Group(group) => collect(group.stream(), uses),
            _ => {}
        }
        index += 1;
    }
}

/// The names of `a::b::{c, d as e, f::*}`.
fn branch(tokens: &[TokenTree], before: &[String], line: usize, uses: &mut Vec<Use>) {
    let mut path = before.to_vec();
    let mut name = None;
    let mut is_all = false;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                name = tokens.get(index + 1).map(ToString::to_string);
                break;
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                inner.split(|token| is(token, ',')).for_each(|part| branch(part, &path, line, uses));
                return;
            }
            TokenTree::Punct(mark) if mark.as_char() == '*' => is_all = true,
            _ => {}
        }
        index += 1;
    }
    if path.len() > before.len() || is_all {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = name.or_else(|| path.last().cloned()).filter(|_| !is_all);
        uses.push(Use { line, path, name });
    }
}

fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == character)
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::found;

    /// Tidy's output for the files of a crate.
    fn found_in(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(name, code)| (format!("crates/a/src/{name}"), format!("//! A.\n{code}\n")))
            .collect();
        found(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
    }

    #[test]
    fn files_that_use_each_other_are_found_once() {
        let files = [
            ("lib.rs", "mod one;\nmod two;"),
            ("one.rs", "use crate::two::B;\npub struct A;"),
            ("two.rs", "use super::one::A;\npub struct B;"),
        ];
        assert_eq!(
            found_in(&files),
            ["crates/a/src/one.rs:2: these files reach each other through use: crates/a/src/one.rs, \
              crates/a/src/two.rs; move what both need to a file of its own"]
        );
    }

    #[test]
    fn reexports_are_followed_and_others_are_passed_through() {
        let files = [
            ("lib.rs", "mod one;\nmod two;\nmod three;\npub use one::A as First;\npub use two::{self, B};"),
            ("one.rs", "use crate::three::C;\npub struct A;"),
            ("two.rs", "fn f() { use crate::First; }\npub struct B;"),
            ("three.rs", "use crate::{B, two::*};\npub struct C;"),
        ];
        let lines = found_in(&files);
        assert!(lines.len() == 1 && lines[0].contains("one.rs, "), "{lines:?}");
        assert!(lines[0].contains("two.rs, crates/a/src/three.rs"), "{lines:?}");
    }

    #[test]
    fn parents_tests_and_other_crates_do_not_count() {
        let files = [
            ("lib.rs", "mod one;\npub use one::A;\npub struct R;"),
            ("one/mod.rs", "mod two;\nuse crate::R;\nuse two::B;\nuse std::fmt;\npub struct A;"),
            ("one/two.rs", "use super::A;\nuse other::A;\npub struct B;"),
            ("three.rs", "use crate::four::D;\npub struct C;"),
            ("four.rs", "pub struct D;\nmod tests { use crate::three::C; }"),
        ];
        assert_eq!(found_in(&files), [""; 0]);
    }
}
