//! Rules about Rust code as the compiler sees it: comments and strings do not count.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Fault;
use super::tree::Tree;

/// Finds unsafe code outside the kernels, unwritten code, platform-dependent functions in code that must be bit-exact,
/// and tests that are ignored without a reason.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension("rs") {
        match file.text.parse::<TokenStream>() {
            Ok(tokens) => {
                let decides_bits = BITS.iter().any(|folder| file.path.starts_with(folder));
                let may_be_unsafe = file.path.starts_with("crates/kernels/");
                let mut finder = Finder { may_be_unsafe, decides_bits, found: Vec::new() };
                finder.walk(tokens);
                faults
                    .extend(finder.found.into_iter().map(|(line, text)| Fault::new(&file.path, line, text)));
            }
            Err(error) => {
                let line = error.span().start().line;
                faults.push(Fault::new(&file.path, line, format!("not Rust: {error}; fix it")));
            }
        }
    }
    faults
}

/// The code that determines the bits of a trained network. Those of the kernels depend on the processor's vectors and
/// fused products anyway.
const BITS: [&str; 4] = ["crates/ops/src/", "crates/graph/src/", "crates/data/src/", "crates/train/src/"];

/// Methods of numbers whose last bit depends on the platform.
const OF_THE_PLATFORM: [&str; 16] = [
    "ln", "ln_1p", "log", "log2", "log10", "exp", "exp2", "exp_m1", "powf", "sin", "cos", "sin_cos", "tan",
    "tanh", "atan2", "cbrt",
];

struct Finder {
    may_be_unsafe: bool,
    decides_bits: bool,
    found: Vec<(usize, String)>,
}

impl Finder {
    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let is_macro = is_punctuation(tokens.get(index + 1), '!');
                    let is_method = index > 0 && is_punctuation(tokens.get(index - 1), '.');
                    if self.decides_bits && is_method && OF_THE_PLATFORM.iter().any(|name| word == name) {
                        self.add(
                            line,
                            format!(".{word}() gives different bits on other platforms; use libm's"),
                        );
                    }
                    if word == "unsafe" && !self.may_be_unsafe {
                        self.add(line, "unsafe code; only crates/kernels may contain it");
                    } else if is_macro && (word == "todo" || word == "unimplemented") {
                        self.add(line, format!("{word}! is unwritten code; write it or leave it out"));
                    }
                }
                TokenTree::Group(group) => {
                    let is_attribute = index > 0 && is_punctuation(tokens.get(index - 1), '#');
                    if is_attribute && group.delimiter() == Delimiter::Bracket {
                        self.attribute(group.stream());
                    }
                    let is_tests = index > 1
                        && matches!(&tokens[index - 2..index], [TokenTree::Ident(word), TokenTree::Ident(name)]
                            if word == "mod" && name == "tests");
                    let decides_bits = self.decides_bits;
                    self.decides_bits &= !is_tests;
                    self.walk(group.stream());
                    self.decides_bits = decides_bits;
                }
                _ => {}
            }
        }
    }

    /// Looks for `ignore` without `= "reason"`, also inside `cfg_attr(...)`.
    fn attribute(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let starts_with =
            |word: &str| matches!(tokens.first(), Some(TokenTree::Ident(first)) if first == word);
        if starts_with("cfg_attr") {
            if let Some(TokenTree::Group(group)) = tokens.get(1) {
                let parts: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in parts.split(|token| is_punctuation(Some(token), ',')).skip(1) {
                    self.attribute(part.iter().cloned().collect());
                }
            }
        } else if starts_with("ignore") && !is_punctuation(tokens.get(1), '=') {
            let line = tokens[0].span().start().line;
            self.add(line, "a test is ignored without a reason; write #[ignore = \"why\"]");
        }
    }

    fn add(&mut self, line: usize, message: impl Into<String>) {
        self.found.push((line, message.into()));
    }
}

fn is_punctuation(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punctuation)) if punctuation.as_char() == character)
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::found;

    fn found_in(code: &str) -> Vec<String> {
        found(&[("crates/ops/src/a.rs", &format!("//! A.\n{code}\n"))])
    }

    #[test]
    fn unsafe_code_is_found_outside_the_kernels() {
        let message = "unsafe code; only crates/kernels may contain it";
        assert_eq!(
            found_in("fn f(p: *const u8) -> u8 {\n    unsafe { *p }\n}"),
            [format!("crates/ops/src/a.rs:3: {message}")]
        );
        for code in ["unsafe fn f() {}", "unsafe impl Send for A {}", "#[unsafe(no_mangle)]\nfn f() {}"] {
            assert_eq!(found_in(code), [format!("crates/ops/src/a.rs:2: {message}")], "{code}");
        }
        assert_eq!(found(&[("crates/kernels/src/a.rs", "//! A.\nunsafe fn f() {}\n")]), [""; 0]);
    }

    #[test]
    fn functions_of_the_platform_are_found_where_bits_count() {
        let code = "fn f(x: f64) -> f64 {\n    x.ln() + g(x.abs().sin_cos().0)\n}\nmod tests { fn f() { 1f64.exp(); } }";
        let lines = ["ln", "sin_cos"].map(|name| {
            format!("crates/ops/src/a.rs:3: .{name}() gives different bits on other platforms; use libm's")
        });
        assert_eq!(found_in(code), lines);
        assert_eq!(found_in("fn f(x: f64) -> f64 { libm::exp(x) + x.sqrt() + log(x) }"), [""; 0]);
        assert_eq!(found(&[("crates/report/src/a.rs", "//! A.\nfn f(x: f64) -> f64 { x.ln() }\n")]), [""; 0]);
    }

    #[test]
    fn the_word_unsafe_may_be_talked_about() {
        let code = "#![deny(unsafe_code)]\n/// unsafe\n// unsafe { }\n/* unsafe /* unsafe */ unsafe */\n\
                    fn f<'a>(q: char) -> &'a str { if q == '\"' { \"unsafe\" } else { r#\"\" unsafe \"# } }";
        assert_eq!(found_in(code), [""; 0]);
    }

    #[test]
    fn unwritten_code_is_found() {
        assert_eq!(
            found_in("fn f() {\n    todo!()\n}\nfn g() { unimplemented!(\"later\") }"),
            [
                "crates/ops/src/a.rs:3: todo! is unwritten code; write it or leave it out",
                "crates/ops/src/a.rs:5: unimplemented! is unwritten code; write it or leave it out"
            ]
        );
        assert_eq!(found_in("fn f(todo: bool) -> bool { !todo }\n// todo!()"), [""; 0]);
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        let message = "a test is ignored without a reason; write #[ignore = \"why\"]";
        for code in ["#[test]\n#[ignore]\nfn f() {}", "#[test]\n#[cfg_attr(windows, ignore)]\nfn f() {}"] {
            assert_eq!(found_in(code), [format!("crates/ops/src/a.rs:3: {message}")], "{code}");
        }
        let fine = "#[ignore = \"takes an hour\"]\nfn f(ignore: u8) {}\n#[cfg_attr(windows, ignore = \"no pipes\")]\nfn g() {}";
        assert_eq!(found_in(fine), [""; 0]);
    }

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        let lines = found_in("fn f() {\n    (\n}");
        assert!(lines.len() == 1 && lines[0].contains(": not Rust: "), "{lines:?}");
    }
}
