//! An image folder as a manifest has it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::images::{DecodedImage, assemble, common_size, fits, in_parallel};
use super::scan::{self, Entry};
use crate::decode::{Problem, decode_bytes, probe_bytes, read_file};
use crate::manifest::{Contents, FileRecord, Manifest};
use crate::{DataError, ImageSize, PixelLimit, Remarks, Source, SourceOptions, Split, Stage};

/// Opens the images of the manifest, which must be as they were. Others are counted and left out.
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

    let limit = options.pixel_limit;
    let checked = in_parallel(Stage::Scan, options, &present, |wanted, _| wanted.check(limit));
    let mut sizes = Vec::with_capacity(checked.len());
    let mut changed = Vec::new();
    for (wanted, size) in present.iter().zip(checked) {
        match size {
            Ok(size) => sizes.push(size),
            // Such a file may well be the one that was recorded.
            Err(problem @ Problem::TooLarge(_)) => return Err(problem.at(&wanted.path)),
            Err(_) => changed.push(wanted.path.clone()),
        }
    }
    if !missing.is_empty() || !changed.is_empty() {
        return Err(DataError::OtherImages { path: root.to_owned(), missing, changed, new_files });
    }
    let size = options.checked_size()?.unwrap_or_else(|| common_size(&sizes));
    let is_resident = fits(present.len(), size, options);
    let decoded = in_parallel(Stage::Decode, options, &present, |wanted, resizer| {
        if !is_resident {
            return Ok(None);
        }
        let mut pixels = vec![0; size.bytes()];
        let failed = |problem: Problem| problem.at(&wanted.path);
        let bytes = read_file(&wanted.path, limit).map_err(failed)?;
        decode_bytes(bytes, size, limit, resizer, &mut pixels).map_err(failed)?;
        Ok(Some(pixels))
    });
    let mut images = Vec::with_capacity(wanted.len());
    for (wanted, pixels) in present.into_iter().zip(decoded) {
        let entry = Entry { path: wanted.path.clone(), label: wanted.label, name: String::new() };
        images.push((wanted.split, entry, DecodedImage { pixels: pixels?, record: wanted.record.clone() }));
    }
    let remarks = Remarks { new_files, ..Remarks::default() };
    Ok(assemble(root, manifest.classes().to_vec(), manifest.splitting(), size, images, remarks, limit))
}

/// A file of the manifest.
struct Wanted<'a> {
    split: Split,
    label: usize,
    record: &'a FileRecord,
    path: PathBuf,
}

impl Wanted<'_> {
    /// The size of the picture, if the file is the one that was recorded.
    fn check(&self, limit: PixelLimit) -> Result<ImageSize, Problem> {
        let bytes = read_file(&self.path, limit)?;
        if !self.record.matches(&bytes) {
            return Err(Problem::Unreadable("its bytes are others than were recorded".to_owned()));
        }
        probe_bytes(bytes, limit)
    }
}

/// How many image files of the folder the manifest does not have.
fn new_files(root: &Path, wanted: &[Wanted<'_>]) -> Result<usize, DataError> {
    let known: HashSet<&Path> = wanted.iter().map(|wanted| wanted.path.as_path()).collect();
    let found = scan::list_paths(root)?;
    Ok(found.iter().filter(|path| !known.contains(path.as_path())).count())
}
