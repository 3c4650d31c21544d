//! Copies that replace nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::whole::WholeFile;
use crate::{fault, input};

/// Copies a file into a folder under its own name, with a number behind it if another file has that name. If one of these
/// files has the same contents, there is nothing to copy. Returns the path and whether a file was written.
///
/// The copy has the time of the last change of its original. Nothing is ever replaced, and a crash leaves no part of a copy.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
/// # [&from, &to].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
/// std::fs::write(from.join("a.txt"), "one")?;
/// std::fs::write(to.join("a.txt"), "another")?;
/// let (path, is_new) = convscope_files::copy_into(&from.join("a.txt"), &to)?;
/// assert_eq!((path, is_new), (to.join("a-2.txt"), true));
/// assert_eq!(std::fs::read_to_string(to.join("a.txt"))?, "another");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::InvalidInput`] for a path without a file name.
pub fn copy_into(from: &Path, folder: &Path) -> io::Result<(PathBuf, bool)> {
    let name = from.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut to = folder.join(name);
    for number in 2_u64.. {
        if to.symlink_metadata().is_err() {
            match copy_to(from, &to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                copied => return copied.map(|()| (to, true)),
            }
        }
        if is_same(from, &to)? {
            return Ok((to, false));
        }
        to = folder.join(numbered(from, number));
    }
    unreachable!("a folder has fewer files than numbers");
}

/// `a-2.txt`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    name.into()
}

/// Copies a file to a path at which there is nothing.
fn copy_to(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = input::open(from)?;
    let changed = source.metadata()?.modified();
    let mut copy = WholeFile::create(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.commit_new()?;
    fault::before("set the time of", to)?;
    // A copy with the present time is as good.
    let _ = changed.and_then(|time| File::options().write(true).open(to)?.set_modified(time));
    Ok(())
}

/// Whether both are regular files with the same bytes.
fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    let (of_a, of_b) = (fs::metadata(a)?, fs::metadata(b));
    let Ok(of_b) = of_b else { return Ok(false) };
    if !of_b.is_file() || of_a.len() != of_b.len() {
        return Ok(false);
    }
    Ok(input::read(a)? == input::read(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_and_nothing_is_copied_twice() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, to] = ["one", "two", "to"].map(|name| folder.path().join(name));
        [&one, &two, &to].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        fs::write(one.join("a.b.jpg"), "first").unwrap();
        fs::write(two.join("a.b.jpg"), "other").unwrap();
        let copy = |from: &Path| copy_into(&from.join("a.b.jpg"), &to).unwrap();
        assert_eq!(copy(&one), (to.join("a.b.jpg"), true));
        assert_eq!(copy(&one), (to.join("a.b.jpg"), false));
        assert_eq!(copy(&two), (to.join("a.b-2.jpg"), true));
        assert_eq!(copy(&two), (to.join("a.b-2.jpg"), false));
        assert_eq!(copy(&one), (to.join("a.b.jpg"), false));
        assert_eq!(fs::read_to_string(to.join("a.b.jpg")).unwrap(), "first");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
        let times = [one.join("a.b.jpg"), to.join("a.b.jpg")]
            .map(|path| fs::metadata(path).unwrap().modified().unwrap());
        assert_eq!(times[0], times[1]);
        // A folder with the name of the picture.
        fs::create_dir(to.join("dir.jpg")).unwrap();
        fs::write(one.join("dir.jpg"), "x").unwrap();
        assert_eq!(copy_into(&one.join("dir.jpg"), &to).unwrap(), (to.join("dir-2.jpg"), true));
    }

    #[test]
    fn what_came_into_being_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        let error = copy_to(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
