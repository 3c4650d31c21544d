//! Links in Markdown to files of the repository.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::tree::{SourceFile, Tree};
use super::{Fault, line_at};

/// Finds links and images with missing targets.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension("md") {
        for (offset, target) in targets(&file.text) {
            let Some(path) = local_path(file, &target) else { continue };
            let line = line_at(&file.text, offset);
            match normalised(&path) {
                None => {
                    let message =
                        format!("link to {target} leaves the repository; link to a file in it or to a URL");
                    faults.push(Fault::new(&file.path, line, message));
                }
                Some(path) if !tree.root.join(&path).exists() => {
                    let message =
                        format!("link to {target}, but there is no {path}; fix the link or add the file");
                    faults.push(Fault::new(&file.path, line, message));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// The target of every link and image in a text, with its position.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                targets.push((range.start, dest_url.to_string()));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in ["src=\"", "href=\""] {
                    for (start, _) in html.match_indices(attribute) {
                        let value = html[start + attribute.len()..].split('"').next().unwrap_or_default();
                        targets.push((range.start + start, value.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    targets
}

/// The path below the root that a target names, not yet normalised; `None` for URLs and anchors in the same file.
fn local_path(file: &SourceFile, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let scheme = path.split_once(':').map(|(scheme, _)| scheme);
    let is_url =
        scheme.is_some_and(|scheme| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)));
    if path.is_empty() || is_url || path.starts_with("//") {
        return None;
    }
    let path = path.replace("%20", " ");
    Some(match path.strip_prefix('/') {
        Some(from_root) => from_root.to_owned(),
        None => format!("{}/{path}", file.folder()),
    })
}

/// The path without `.` and `..`; `None` if it leads above the root.
fn normalised(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::found;

    #[test]
    fn a_link_to_nothing_is_found_on_its_line() {
        assert_eq!(
            found(&[("docs/a.md", "# A\n\nSee [it](../crates/absent.rs#L3).\n")]),
            ["docs/a.md:3: link to ../crates/absent.rs#L3, but there is no crates/absent.rs; \
              fix the link or add the file"]
        );
    }

    #[test]
    fn every_way_to_write_a_link_is_read() {
        let ways = [
            "![picture](absent.png)",
            "[text](<absent.png>)",
            "[text][label]\n\n[label]: absent.png",
            "<p><img src=\"absent.png\"></p>",
            "| a |\n|---|\n| [text](absent.png) |",
            "[text](/absent.png)",
        ];
        for text in ways {
            let lines = found(&[("a.md", &format!("{text}\n"))]);
            assert!(lines.len() == 1 && lines[0].contains("there is no absent.png;"), "{text}: {lines:?}");
        }
    }

    #[test]
    fn what_exists_or_lies_elsewhere_or_is_code_is_fine() {
        let text = "[a](b%20c.md) [folder](../crates) [root](/docs/b%20c.md#part) [here](#part) [url](https://example.org/a)\n\
                    [mail](mailto:a@example.org) `[code](absent.md)`\n\n```\n[code](absent.md)\n```\n";
        assert_eq!(found(&[("docs/a.md", text), ("docs/b c.md", ""), ("crates/x.rs", "//! X.\n")]), [""; 0]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(
            found(&[("docs/a.md", "[a](../../b.md)\n")]),
            ["docs/a.md:1: link to ../../b.md leaves the repository; link to a file in it or to a URL"]
        );
    }
}
