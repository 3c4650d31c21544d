//! Rules about strings in library code: what belongs to the command line, and what to the operators.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use super::Fault;
use super::tree::{SourceFile, Tree};

/// Finds flags in the messages of libraries, and code outside the operators that asks which operator a node has. Tests do
/// not count.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let operators: BTreeSet<&str> = tree.files.iter().filter_map(operator).collect();
    let mut faults = Vec::new();
    for file in tree.with_extension("rs").filter(|file| file.path.contains("/src/")) {
        let Ok(tokens) = file.text.parse::<TokenStream>() else { continue };
        let is_in = |crates: &[&str]| crates.iter().any(|name| file.path.starts_with(&format!("{name}/")));
        let mut found = Vec::new();
        if is_in(&["crates"]) && !is_in(&MAY_NAME_FLAGS) {
            flags(tokens.clone(), &mut found);
        }
        if !is_in(&MAY_ASK) {
            kinds(tokens, &operators, &mut found);
        }
        faults.extend(found.into_iter().map(|(line, message)| Fault::new(&file.path, line, message)));
    }
    faults
}

/// The command line, and crates that do not speak of ours: pages that give advice, and the call of another program.
const MAY_NAME_FLAGS: [&str; 3] = ["crates/cli", "crates/report", "crates/verify"];
/// The operators, their names in files of others, and tools.
const MAY_ASK: [&str; 7] =
    ["crates/ops", "crates/verify", "crates/onnx", "crates/testkit", "python", "fuzz", "xtask"];

/// The name of an operator, for the first file of its folder.
fn operator(file: &SourceFile) -> Option<&str> {
    file.path.strip_prefix("crates/ops/src/")?.strip_suffix("/mod.rs").filter(|name| !name.contains('/'))
}

fn flags(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    let mut before = Vec::new();
    for token in tokens {
        match &token {
            TokenTree::Group(group) if !is_tests(&before) && !is_documentation(&before, group.stream()) => {
                flags(group.stream(), found);
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let flag =
                    text.split(" --").skip(1).find(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
                if let Some(rest) = flag {
                    let name: String =
                        rest.chars().take_while(|&c| c.is_alphanumeric() || c == '-').collect();
                    let message = format!(
                        "--{name} is a flag of the command line; a library says what is wrong, advice in crates/cli what to do"
                    );
                    found.push((literal.span().start().line, message));
                }
            }
            _ => {}
        }
        before.push(token);
    }
}

fn kinds(tokens: TokenStream, operators: &BTreeSet<&str>, found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if !is_tests(&tokens[..index]) => {
                kinds(group.stream(), operators, found);
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let name = text.trim_matches('"');
                let before = index.checked_sub(2).and_then(|start| tokens.get(start..index));
                let after = tokens.get(index + 1..index + 3);
                let is_compared = [before, after].into_iter().flatten().any(is_equality);
                if is_compared && operators.contains(name) {
                    let message = format!(
                        "asks whether an operator is {name}; ask its layer for the fact that matters, in crates/ops"
                    );
                    found.push((literal.span().start().line, message));
                }
            }
            _ => {}
        }
    }
}

/// `==` or `!=`.
fn is_equality(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(first), TokenTree::Punct(second)]
        if "=!".contains(first.as_char()) && second.as_char() == '=')
}

fn is_tests(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" && name == "tests")
}

/// `#[doc = "..."]`, which is what a documentation comment becomes.
fn is_documentation(before: &[TokenTree], inside: TokenStream) -> bool {
    let is_attribute = matches!(before.last(), Some(TokenTree::Punct(mark)) if "#!".contains(mark.as_char()));
    is_attribute && matches!(inside.into_iter().next(), Some(TokenTree::Ident(word)) if word == "doc")
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::found;

    #[test]
    fn flags_are_found_in_libraries() {
        let code = "//! A.\n/// As --lr.\nfn f() -> String {\n    format!(\"{}: give another --lr\", 1)\n}\n\
                    fn g() -> &'static str { \"a -- b --\" }\nmod tests { fn h() -> &'static str { \"x --lr\" } }\n";
        assert_eq!(
            found(&[("crates/train/src/a.rs", code), ("crates/cli/src/a.rs", code)]),
            [
                "crates/train/src/a.rs:4: --lr is a flag of the command line; a library says what is wrong, advice in \
              crates/cli what to do"
            ]
        );
    }

    #[test]
    fn questions_for_an_operators_name_are_found() {
        let code = "//! A.\nfn f(a: &str) -> bool {\n    a == \"conv2d\"\n}\nfn g(a: &str) -> bool { \"conv2d\" != a }\n\
                    fn h() -> &'static str { \"conv2d\" }\nmod tests { fn i() -> bool { \"a\" == \"conv2d\" } }\n";
        let own = ("crates/ops/src/conv2d/mod.rs", "//! A.\nfn f(a: &str) -> bool { a == \"conv2d\" }\n");
        let message =
            "asks whether an operator is conv2d; ask its layer for the fact that matters, in crates/ops";
        assert_eq!(
            found(&[own, ("crates/graph/src/a.rs", code)]),
            [format!("crates/graph/src/a.rs:3: {message}"), format!("crates/graph/src/a.rs:5: {message}")]
        );
    }
}
