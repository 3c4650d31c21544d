//! Turns the pictures of an image folder into a source.

use std::mem::take;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use convscope_pictures::{Picture, PictureError, Resizer, read_file};
use rayon::prelude::*;

use super::scan::{Entry, Found};
use super::sizing::{SameSize, Sizing};
use super::streaming::Streaming;
use crate::manifest::{Contents, FileRecord, Manifest, PerSplit, Splitting};
use crate::resident::{Resident, ResidentSplit};
use crate::{DataError, ImageSize, Remarks, Source, SourceOptions, Split, Stage, UnreadableFile};

/// The images that have passed every check so far, and those that have failed one.
pub(super) struct Images {
    pub(super) kept: Vec<(Split, Entry)>,
    pub(super) unreadable: Vec<UnreadableFile>,
}

/// The images that are kept, all of one size.
pub(super) struct Decoded {
    pub(super) images: SameSize,
    /// The identity of each.
    pub(super) records: Vec<FileRecord>,
}

impl Images {
    /// Takes the images from a listing.
    pub(super) fn new(found: &mut Found) -> Images {
        let (kept, unreadable) = (take(&mut found.entries), take(&mut found.remarks.unreadable));
        Images { kept, unreadable }
    }

    /// Reads, hashes and decodes every image, and keeps those that can be read.
    pub(super) fn decode(
        &mut self,
        root: &Path,
        size: Option<ImageSize>,
        options: &SourceOptions,
    ) -> Decoded {
        let (limit, background) = (options.pixel_limit, options.framing.background);
        let sizing = Sizing::new(size, self.kept.len(), options);
        let results = in_parallel(options, &self.kept, |(_, entry), resizer| {
            let bytes = read_file(&entry.path, limit)?;
            let record = FileRecord::of(entry.path.strip_prefix(root).unwrap_or(&entry.path), &bytes);
            let picture = Picture::decode(bytes, &entry.path, background, limit)?;
            Ok::<_, PictureError>((record, sizing.take(picture, resizer)))
        });
        let (mut kept, mut records, mut images) = (Vec::new(), Vec::new(), Vec::new());
        for ((split, entry), result) in take(&mut self.kept).into_iter().zip(results) {
            match result {
                Ok((record, image)) => {
                    kept.push((split, entry));
                    records.push(record);
                    images.push(image);
                }
                Err(problem) => {
                    let reason = problem.to_string();
                    self.unreadable.push(UnreadableFile { path: entry.path, reason });
                }
            }
        }
        self.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
        self.kept = kept;
        Decoded { images: sizing.finish(images), records }
    }
}

/// Processes each item on all cores, and reports progress.
pub(super) fn in_parallel<I: Sync, T: Send>(
    options: &SourceOptions,
    items: &[I],
    work: impl Fn(&I, &mut Resizer) -> T + Sync,
) -> Vec<T> {
    let total = items.len() as u64;
    let done = AtomicU64::new(0);
    options.listener.tell(Stage::Decode, 0, Some(total));
    let items = items.par_iter().map_init(Resizer::new, |resizer, item| {
        let result = work(item, resizer);
        options.listener.tell(Stage::Decode, done.fetch_add(1, Ordering::Relaxed) + 1, Some(total));
        result
    });
    items.collect()
}

/// The source of these images, which are sorted by class and path.
pub(super) fn assemble(
    path: &Path,
    classes: Vec<String>,
    splitting: Splitting,
    entries: Vec<(Split, Entry)>,
    decoded: Decoded,
    remarks: Remarks,
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let name = path.display().to_string();
    let Decoded { images: SameSize { size, pixels }, records } = decoded;
    let mut of_splits = Split::ALL.map(|_| vec![Vec::new(); classes.len()]);
    let mut counts = [0; 3];
    for ((split, entry), record) in entries.iter().zip(records) {
        of_splits[*split as usize][entry.label].push(record);
        counts[*split as usize] += 1;
    }
    let contents = Contents::Files { splits: PerSplit::from_array(of_splits) };
    let manifest = Some(Manifest::new(classes.clone(), splitting, contents));
    let Some(pixels) = pixels else {
        let mut splits = [const { Vec::new() }; 3];
        entries.into_iter().for_each(|(split, entry)| splits[split as usize].push(entry));
        let (framing, limit) = (options.framing, options.pixel_limit);
        return Ok(Arc::new(Streaming { name, classes, size, framing, limit, splits, remarks, manifest }));
    };
    let mut splits = <[ResidentSplit; 3]>::default();
    for (split, count) in splits.iter_mut().zip(counts) {
        *split = ResidentSplit::with_room_for(count, size)?;
    }
    for ((split, entry), pixels) in entries.into_iter().zip(pixels) {
        let split = &mut splits[split as usize];
        split.pixels.extend_from_slice(&pixels);
        split.labels.push(entry.label);
        split.paths.push(entry.path);
    }
    Ok(Arc::new(Resident { name, synthetic: false, classes, size, splits, remarks, manifest }))
}
