//! Rules about the packages that ours are built from: their licences, and one version of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::Fault;

/// Licences that let our users choose MIT or Apache-2.0 for the whole.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages in two versions, because packages that we need require both. `glam` is only in the lock file, for a
/// disabled feature of `statrs`.
const IN_TWO_VERSIONS: [&str; 6] = ["getrandom", "glam", "hashbrown", "miniz_oxide", "syn", "windows-sys"];

/// Gets all packages from Cargo, including those for other systems, and finds violations of these rules.
pub(super) fn check(root: &Path) -> Result<Vec<Fault>, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("`cargo metadata` cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` cannot be read: {error}"))?;
    let path = root.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(faults(&metadata.packages, &lock))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

fn faults(packages: &[Package], lock: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, message: String| {
        let entry = format!("name = \"{name}\"");
        let line = lock.lines().position(|line| line == entry).map_or(1, |index| index + 1);
        faults.push(Fault::new("Cargo.lock", line, message));
    };
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Package { name, version, license } in packages {
        versions.entry(name).or_default().push(version);
        let license = license.as_deref().unwrap_or("no licence");
        if !is_accepted(license) {
            let message = format!(
                "{name} {version} has {license}; use another package, or add it to LICENCES in xtask/src/tidy/packages.rs"
            );
            add(name, message);
        }
    }
    for (name, versions) in &versions {
        if versions.len() > 1 && !IN_TWO_VERSIONS.contains(name) {
            let message = format!(
                "{name} is built in the versions {}; require one, or add it to IN_TWO_VERSIONS in \
                 xtask/src/tidy/packages.rs",
                versions.join(" and ")
            );
            add(name, message);
        }
    }
    for name in IN_TWO_VERSIONS {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            add(name, format!("{name} is not built in two versions; remove it from IN_TWO_VERSIONS"));
        }
    }
    faults
}

/// Whether a licence expression allows a choice whose parts are all in [`LICENCES`].
fn is_accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

/// `A OR B`; `None` if the words are not an expression.
fn any_of(rest: &mut &[&str]) -> Option<bool> {
    let mut accepted = all_of(rest)?;
    while take(rest, "OR") {
        accepted |= all_of(rest)?;
    }
    Some(accepted)
}

/// `A AND B`, which binds closer.
fn all_of(rest: &mut &[&str]) -> Option<bool> {
    let mut accepted = one(rest)?;
    while take(rest, "AND") {
        accepted &= one(rest)?;
    }
    Some(accepted)
}

/// A licence, with its exception if it has one, or an expression in brackets.
fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let accepted = any_of(rest)?;
        return take(rest, ")").then_some(accepted);
    }
    let (&name, after) = rest.split_first()?;
    *rest = after;
    if take(rest, "WITH") {
        let (exception, after) = rest.split_first()?;
        *rest = after;
        return Some(LICENCES.contains(&format!("{name} WITH {exception}").as_str()));
    }
    Some(LICENCES.contains(&name))
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for accepted in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "MIT OR Apache-2.0 AND GPL-3.0",
        ] {
            assert!(is_accepted(accepted), "{accepted}");
        }
        for refused in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "no licence",
            "(MIT",
            "MIT MIT",
            "",
        ] {
            assert!(!is_accepted(refused), "{refused}");
        }
    }

    #[test]
    fn faults_stand_at_the_package_in_the_lock_file() {
        let package = |name: &str, version: &str, license: Option<&str>| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            license: license.map(str::to_owned),
        };
        let mut packages: Vec<Package> = IN_TWO_VERSIONS
            .iter()
            .flat_map(|name| ["1", "2"].map(|version| package(name, version, Some("MIT"))))
            .collect();
        let lock = "[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\n";
        assert_eq!(faults(&packages, lock), []);
        packages.pop();
        packages.extend([
            package("a", "0.1", None),
            package("b", "1", Some("MIT")),
            package("b", "2", Some("MIT")),
        ]);
        let found: Vec<String> = faults(&packages, lock).iter().map(Fault::to_string).collect();
        assert!(found[0].starts_with("Cargo.lock:2: a 0.1 has no licence"), "{found:?}");
        assert!(found[1].starts_with("Cargo.lock:5: b is built in the versions 1 and 2"), "{found:?}");
        assert!(found[2].contains("windows-sys is not built in two versions"), "{found:?}");
        assert_eq!(found.len(), 3);
    }
}
