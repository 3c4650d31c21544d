//! An image folder as recorded in a manifest.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_pictures::{Picture, has_readable_format, read_file};

use super::images::{Decoded, assemble, in_parallel};
use super::scan::{self, Entry};
use super::sizing::{SameSize, Sizing};
use crate::decode::at;
use crate::manifest::{Contents, FileRecord, Manifest};
use crate::{DataError, PixelLimit, Remarks, Source, SourceOptions, Split};

/// Opens the images of the manifest, which must be unchanged. Others are counted and left out.
pub(super) fn open(
    root: &Path,
    manifest: &Manifest,
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let Contents::Files { splits } = manifest.contents() else {
        return Err(DataError::OtherKind { path: root.to_owned() });
    };
    let mut wanted = Vec::new();
    for split in Split::ALL {
        for (label, files) in splits.of(split).iter().enumerate() {
            wanted.extend(files.iter().map(|record| Wanted {
                split,
                label,
                record,
                path: record.below(root),
            }));
        }
    }
    let (missing, present): (Vec<&Wanted<'_>>, Vec<&Wanted<'_>>) =
        wanted.iter().partition(|wanted| !wanted.path.is_file());
    let new_files = new_files(root, &wanted)?;
    let missing: Vec<PathBuf> = missing.into_iter().map(|wanted| wanted.path.clone()).collect();
    if missing.len() == wanted.len() {
        return Err(DataError::OtherImages {
            path: root.to_owned(),
            missing,
            changed: Vec::new(),
            new_files,
        });
    }

    let sizing = Sizing::new(options.checked_size()?, present.len(), options);
    // If the size is known, images that will be read again need not be decoded now.
    let size = options.image_size.filter(|&size| !sizing.fits(size));
    let checked = in_parallel(options, &present, |wanted, resizer| {
        let Some(bytes) = wanted.read(options.pixel_limit) else { return Ok(None) };
        if size.is_some() {
            return Ok(Some(None));
        }
        let picture = Picture::decode(bytes, &wanted.path, options.framing.background, options.pixel_limit);
        picture
            .map(|picture| Some(Some(sizing.take(picture, resizer))))
            .map_err(|error| at(&wanted.path, error))
    });
    let (mut images, mut changed) = (Vec::with_capacity(present.len()), Vec::new());
    for (wanted, checked) in present.iter().zip(checked) {
        match checked? {
            Some(image) => images.extend(image),
            None => changed.push(wanted.path.clone()),
        }
    }
    if !missing.is_empty() || !changed.is_empty() {
        return Err(DataError::OtherImages { path: root.to_owned(), missing, changed, new_files });
    }
    let images = match size {
        Some(size) => SameSize { size, pixels: None },
        None => sizing.finish(images),
    };
    let records = present.iter().map(|wanted| wanted.record.clone()).collect();
    let entry = |wanted: &Wanted<'_>| {
        let (path, label) = (wanted.path.clone(), wanted.label);
        (wanted.split, Entry { path, label, name: String::new() })
    };
    let entries = present.into_iter().map(entry).collect();
    let remarks = Remarks { new_files, ..Remarks::default() };
    let (classes, splitting) = (manifest.classes().to_vec(), manifest.splitting());
    assemble(root, classes, splitting, entries, Decoded { images, records }, remarks, options)
}

/// A file in the manifest.
struct Wanted<'a> {
    split: Split,
    label: usize,
    record: &'a FileRecord,
    path: PathBuf,
}

impl Wanted<'_> {
    /// The bytes of the file, if it is the one that was recorded.
    fn read(&self, limit: PixelLimit) -> Option<Vec<u8>> {
        read_file(&self.path, limit).ok().filter(|bytes| self.record.matches(bytes))
    }
}

/// How many readable image files of the folder are not in the manifest; unreadable formats were left out before too.
fn new_files(root: &Path, wanted: &[Wanted<'_>]) -> Result<usize, DataError> {
    let known: HashSet<&Path> = wanted.iter().map(|wanted| wanted.path.as_path()).collect();
    let found = scan::list_paths(root)?;
    Ok(found.iter().filter(|path| !known.contains(path.as_path()) && has_readable_format(path)).count())
}
