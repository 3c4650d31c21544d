//! Which of our crates may depend on which: data flows one way, and so do the dependencies.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::tree::Tree;
use super::{Fault, line_at};

/// Our packages in order: each may depend on those before it.
const ORDER: [&str; 17] = [
    "convscope-files",
    "convscope-torch",
    "convscope-keras",
    "convscope-kernels",
    "convscope-ops",
    "convscope-verify",
    "convscope-graph",
    "convscope-onnx",
    "convscope-pictures",
    "convscope-data",
    "convscope-train",
    "convscope-tune",
    "convscope-inspect",
    "convscope-report",
    "convscope",
    "convscope-cli",
    "convscope-python",
];

/// Not in the order: only tests depend on it, and it may use the crates whose tests need it.
const TESTKIT: &str = "convscope-testkit";

/// Not in the order either: it passes bytes to every library crate.
const FUZZ: &str = "convscope-fuzz";

/// Works on the repository from outside, so that it builds when the crates do not.
const XTASK: &str = "xtask";

/// Finds dependencies in the wrong direction.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension("toml").filter(|file| file.path.rsplit('/').next() == Some("Cargo.toml"))
    {
        let (manifest, tables) = match read(&file.text) {
            Ok(read) => read,
            Err(error) => {
                let line = line_at(&file.text, error.span().map_or(0, |span| span.start));
                let message = error.message().replace('\n', ", ");
                faults.push(Fault::new(&file.path, line, format!("not a manifest: {message}; fix it")));
                continue;
            }
        };
        // The manifest of the workspace is not a package and has no dependencies of its own.
        let Some(package) = &manifest.package else { continue };
        // A package that is a separate workspace measures ours from outside; nothing can depend on it.
        if manifest.workspace.is_some() {
            continue;
        }
        let name = package.name.get_ref().as_str();
        if !is_ours(name) {
            let line = line_at(&file.text, package.name.span().start);
            let message = format!(
                "package {name} has no place among our crates; add it to ORDER in xtask/src/tidy/edges.rs"
            );
            faults.push(Fault::new(&file.path, line, message));
            continue;
        }
        for (key, dependency, kind) in
            [&tables].into_iter().chain(manifest.target.values()).flat_map(Tables::edges)
        {
            if let Err(message) = judge(name, dependency, kind) {
                faults.push(Fault::new(&file.path, line_at(&file.text, key.span().start), message));
            }
        }
    }
    faults
}

fn read(text: &str) -> Result<(Manifest, Tables), toml::de::Error> {
    // Two passes, because a flattened field would lose the positions of its keys.
    Ok((toml::from_str(text)?, toml::from_str(text)?))
}

fn judge(package: &str, dependency: &str, kind: Kind) -> Result<(), String> {
    let rank = |name| ORDER.iter().position(|&other| other == name);
    match (rank(package), rank(dependency)) {
        _ if !is_ours(dependency) => Ok(()),
        _ if package == XTASK => {
            Err(format!("xtask depends on {dependency}, but must build without our crates; remove it"))
        }
        _ if dependency == XTASK => Err("xtask is a tool, not a library; remove it".to_owned()),
        _ if dependency == FUZZ => Err(format!("{FUZZ} is a test, not a library; remove it")),
        _ if package == FUZZ && dependency == TESTKIT => Ok(()),
        (Some(_), None) if kind == Kind::Dev => Ok(()),
        (Some(_), None) => Err(format!("{TESTKIT} is for tests; move it to [dev-dependencies]")),
        (Some(from), Some(to)) if to < from => Ok(()),
        // The testkit and the fuzzer may use every library crate, but not what builds on them.
        (None, Some(to)) if !["convscope", "convscope-cli", "convscope-python"].contains(&ORDER[to]) => {
            Ok(())
        }
        _ => Err(format!(
            "{package} must not depend on {dependency}; dependencies point from right to left in {}, \
             so move the needed code to the lower crate",
            ORDER.map(|name| name.trim_start_matches("convscope-")).join(" < ")
        )),
    }
}

fn is_ours(name: &str) -> bool {
    ORDER.contains(&name) || [TESTKIT, FUZZ, XTASK].contains(&name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Dev,
}

type Dependencies = BTreeMap<Spanned<String>, toml::Value>;

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
    workspace: Option<toml::Table>,
    #[serde(default)]
    target: BTreeMap<String, Tables>,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Tables {
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    build_dependencies: Dependencies,
    #[serde(default)]
    dev_dependencies: Dependencies,
}

impl Tables {
    /// Every dependency: its key, the name of its package, and its purpose.
    fn edges(&self) -> impl Iterator<Item = (&Spanned<String>, &str, Kind)> {
        let normal =
            self.dependencies.iter().chain(&self.build_dependencies).map(|entry| (entry, Kind::Normal));
        let all = normal.chain(self.dev_dependencies.iter().map(|entry| (entry, Kind::Dev)));
        all.map(|((key, value), kind)| {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            (key, renamed.unwrap_or(key.get_ref()), kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::found;

    fn manifest(package: &str, rest: &str) -> String {
        format!("[package]\nname = \"{package}\"\n\n{rest}\n")
    }

    fn found_in(package: &str, rest: &str) -> Vec<String> {
        found(&[("Cargo.toml", &manifest(package, rest))])
    }

    #[test]
    fn edges_up_the_list_are_fine() {
        let text = "[dependencies]\nconvscope-kernels.workspace = true\nserde = \"1\"\n\n\
                    [dev-dependencies]\nconvscope-testkit.workspace = true";
        assert_eq!(found_in("convscope-ops", text), [""; 0]);
        assert_eq!(found_in("convscope-cli", "[dependencies]\nconvscope = { path = \"a\" }"), [""; 0]);
        assert_eq!(
            found_in("convscope-testkit", "[dependencies]\nconvscope-graph.workspace = true"),
            [""; 0]
        );
    }

    #[test]
    fn an_edge_down_the_list_is_found_on_its_line() {
        let text = "[dependencies]\nserde = \"1\"\nconvscope-graph.workspace = true";
        assert_eq!(
            found_in("convscope-ops", text),
            [
                "Cargo.toml:6: convscope-ops must not depend on convscope-graph; dependencies point from right to \
              left in files < torch < keras < kernels < ops < verify < graph < onnx < pictures < data < train < tune < inspect < report < convscope < cli < python, \
              so move the needed code to the lower crate"
            ]
        );
    }

    #[test]
    fn an_edge_is_found_in_every_kind_of_table() {
        for table in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let text = format!("[{table}]\nconvscope-train = {{ path = \"../train\" }}");
            assert_eq!(found_in("convscope-data", &text).len(), 1, "{table}");
        }
    }

    #[test]
    fn another_name_does_not_hide_an_edge() {
        let text = "[dependencies]\nplans = { package = \"convscope-graph\", path = \"../graph\" }";
        assert_eq!(found_in("convscope-kernels", text).len(), 1);
    }

    #[test]
    fn the_fuzzer_uses_every_library_and_nobody_uses_it() {
        let text = "[dependencies]\nconvscope-tune.workspace = true\nconvscope-testkit.workspace = true";
        assert_eq!(found_in("convscope-fuzz", text), [""; 0]);
        assert_eq!(found_in("convscope-fuzz", "[dependencies]\nconvscope-cli.workspace = true").len(), 1);
        let text = "[dev-dependencies]\nconvscope-fuzz.workspace = true";
        assert_eq!(
            found_in("convscope-data", text),
            ["Cargo.toml:5: convscope-fuzz is a test, not a library; remove it"]
        );
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert_eq!(
            found_in("convscope-ops", "[dependencies]\nconvscope-testkit.workspace = true"),
            ["Cargo.toml:5: convscope-testkit is for tests; move it to [dev-dependencies]"]
        );
        assert_eq!(found_in("convscope-testkit", "[dependencies]\nconvscope-cli.workspace = true").len(), 1);
    }

    #[test]
    fn xtask_uses_none_of_ours_and_none_uses_it() {
        for table in ["dependencies", "dev-dependencies"] {
            assert_eq!(found_in("xtask", &format!("[{table}]\nconvscope-kernels.workspace = true")).len(), 1);
            assert_eq!(found_in("convscope-cli", &format!("[{table}]\nxtask.workspace = true")).len(), 1);
        }
        assert_eq!(found_in("xtask", "[dependencies]\nconvscope-testkit.workspace = true").len(), 1);
    }

    #[test]
    fn a_package_without_a_place_is_found() {
        assert_eq!(
            found_in("convscope-extra", ""),
            ["Cargo.toml:2: package convscope-extra has no place among our crates; \
              add it to ORDER in xtask/src/tidy/edges.rs"]
        );
    }

    #[test]
    fn a_workspace_of_its_own_needs_no_place() {
        assert_eq!(
            found_in("bench-extra", "[workspace]\n\n[dependencies]\nconvscope-kernels = { path = \"a\" }"),
            [""; 0]
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_found() {
        let lines = found(&[("Cargo.toml", "[package]\nname = \n")]);
        assert!(lines.len() == 1 && lines[0].starts_with("Cargo.toml:2: not a manifest: "), "{lines:?}");
    }
}
