//! Pictures named on the command line: files, folders, and lists on standard input.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use convscope_data::folder::pictures_below;

/// A picture file, or what is wrong with a named path.
pub(crate) type Named = Result<PathBuf, (PathBuf, String)>;

/// The pictures in the order in which they are named: a file itself, all pictures below a folder in the order of their
/// paths, and for `-` the files and folders named on standard input, one per line.
pub(crate) fn named_pictures(names: &[PathBuf]) -> Vec<Named> {
    let mut pictures = Vec::new();
    for name in names {
        if name == Path::new("-") {
            for line in std::io::stdin().lock().lines() {
                match line {
                    Ok(line) => add(Path::new(line.trim_end_matches('\r')), &mut pictures),
                    Err(error) => {
                        pictures.push(Err((name.clone(), format!("standard input: {error}"))));
                        break;
                    }
                }
            }
        } else {
            add(name, &mut pictures);
        }
    }
    pictures
}

fn add(path: &Path, pictures: &mut Vec<Named>) {
    if path.as_os_str().is_empty() {
        return;
    }
    if !path.is_dir() {
        pictures.push(Ok(path.to_owned()));
        return;
    }
    let found = pictures_below(path);
    if found.pictures.is_empty() && found.unreadable.is_empty() {
        pictures.push(Err((
            path.to_owned(),
            format!("{}: there are no pictures in this folder", path.display()),
        )));
    }
    pictures.extend(found.pictures.into_iter().map(Ok));
    for file in found.unreadable {
        let text = format!("{}: {}", file.path.display(), file.reason);
        pictures.push(Err((file.path, text)));
    }
}
