//! `cargo xtask fixtures`: runs PyTorch again and records its answers.
//!
//! Every script in `fixtures` and in the `fixtures` of a crate is run, in the order of the names, from the folder of the workspace and
//! without arguments.
//! Modules that the scripts share have names that begin with `_` and are not run, nor are the benchmarks, `bench_*.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the scripts of these names (with or without `.py`), or all.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<(), String> {
    let mut folders = vec![root.join("fixtures")];
    folders.extend(
        crate_folders(root)?
            .into_iter()
            .map(|folder| folder.join("fixtures"))
            .filter(|folder| folder.is_dir()),
    );
    let mut found = Vec::new();
    for folder in &folders {
        found.extend(scripts(folder)?);
    }
    let scripts = chosen(found, names)?;
    let python = environment(root)?;
    for script in &scripts {
        println!("==> {}", script.strip_prefix(root).unwrap_or(script).display());
        succeed(Command::new(&python).arg(script).current_dir(root), &script.display().to_string())?;
    }
    println!("==> recorded; `git diff --stat` shows which answers changed");
    Ok(())
}

/// The folders of the crates, in the order of their names.
fn crate_folders(root: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = root.join("crates");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: cannot be read: {error}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    Ok(folders)
}

/// The scripts of a folder in the order of their names.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error| format!("{}: cannot be read: {error}", folder.display());
    let mut scripts = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_script = path.extension().is_some_and(|extension| extension == "py") && path.is_file();
        let records = !["_", "bench_"].iter().any(|start| stem(&path).starts_with(start));
        if is_script && records {
            scripts.push(path);
        }
    }
    scripts.sort();
    if scripts.is_empty() {
        return Err(format!("{}: has no Python scripts; nothing can be recorded", folder.display()));
    }
    Ok(scripts)
}

fn chosen(scripts: Vec<PathBuf>, names: &[&str]) -> Result<Vec<PathBuf>, String> {
    let names: Vec<&str> = names.iter().map(|name| name.strip_suffix(".py").unwrap_or(name)).collect();
    if let Some(unknown) = names.iter().find(|&&name| scripts.iter().all(|script| stem(script) != name)) {
        let known: Vec<String> = scripts.iter().map(|script| stem(script)).collect();
        return Err(format!("no script is called {unknown}; there are {}", known.join(", ")));
    }
    Ok(scripts
        .into_iter()
        .filter(|script| names.is_empty() || names.contains(&stem(script).as_str()))
        .collect())
}

/// The Python of a virtual environment with the packages in `fixtures/requirements.txt`; created if missing.
fn environment(root: &Path) -> Result<PathBuf, String> {
    let requirements = root.join("fixtures").join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: cannot be read: {error}", requirements.display()))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = root.join(target).join("fixtures-python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });

    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("==> Python environment in {}", folder.display());
    let system = system_python()?;
    let make = Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder).status();
    if !make.is_ok_and(|status| status.success()) {
        return Err(format!(
            "`{system} -m venv` failed; install Python's venv module (on Debian: apt install python3-venv)"
        ));
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
    succeed(&mut install, "installing fixtures/requirements.txt")?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: cannot be written: {error}", stamp.display()))?;
    Ok(python)
}

/// The name of Python 3 on this machine.
fn system_python() -> Result<&'static str, String> {
    let names = if cfg!(windows) { ["py", "python"] } else { ["python3", "python"] };
    let is_python_3 = |name: &&str| {
        let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.stdout.starts_with(b"Python 3."))
    };
    names.into_iter().find(is_python_3).ok_or_else(|| {
        format!(
            "no Python 3 here (tried {}); install Python 3.10 or later to record answers again; \
             building and testing do not need it, since they use the recorded answers",
            names.join(", ")
        )
    })
}

fn succeed(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed ({status}); see its own message above")),
        Err(error) => Err(format!("{what} cannot be started: {error}")),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.py", "a.py", "_shared.py", "bench_a.py", "requirements.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("recorded.py")).unwrap();
        folder
    }

    fn stems(scripts: &[PathBuf]) -> Vec<String> {
        scripts.iter().map(|script| stem(script)).collect()
    }

    #[test]
    fn scripts_run_in_the_order_of_their_names_and_shared_modules_do_not() {
        assert_eq!(stems(&scripts(folder().path()).unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_script_is_chosen_by_name() {
        let all = scripts(folder().path()).unwrap();
        assert_eq!(stems(&chosen(all.clone(), &["b.py"]).unwrap()), ["b"]);
        assert_eq!(chosen(all, &["c"]).unwrap_err(), "no script is called c; there are a, b");
    }

    #[test]
    fn a_folder_without_scripts_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(
            scripts(empty.path()).unwrap_err().ends_with("has no Python scripts; nothing can be recorded")
        );
    }
}
