//! The pictures of an image folder on their way from files to a source.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::scan::Entry;
use super::streaming::Streaming;
use crate::decode::{Problem, decode_bytes, probe_bytes, read_file};
use crate::manifest::{Contents, FileRecord, Manifest, PerSplit, Splitting};
use crate::resident::{Resident, ResidentSplit};
use crate::resize::Resizer;
use crate::{ImageSize, PixelLimit, Remarks, Source, SourceOptions, Split, Stage, UnreadableFile};

/// The size of images that have no common one.
const DEFAULT_SIZE: ImageSize = ImageSize::square(64);
/// Images with a longer side are photographs to be shrunk, even if a whole folder has that size.
const MAX_COMMON_SIDE: usize = 512;

/// The images that have passed every check so far, and those that have not.
pub(super) struct Images {
    pub(super) kept: Vec<(Split, Entry)>,
    pub(super) unreadable: Vec<UnreadableFile>,
}

/// An image that can be read.
pub(super) struct DecodedImage {
    /// Its pixels, unless there is no room for those of all images.
    pub(super) pixels: Option<Vec<u8>>,
    pub(super) record: FileRecord,
}

/// The images that are kept, all of this size.
pub(super) struct Decoded {
    pub(super) size: ImageSize,
    pub(super) images: Vec<DecodedImage>,
}

impl Images {
    pub(super) fn new(entries: Vec<(Split, Entry)>) -> Images {
        Images { kept: entries, unreadable: Vec::new() }
    }

    /// Decodes every image, and hashes its file on the way.
    pub(super) fn decode(
        &mut self,
        root: &Path,
        size: Option<ImageSize>,
        options: &SourceOptions,
    ) -> Decoded {
        let limit = options.pixel_limit;
        let sizes =
            self.check(Stage::Scan, options, |entry, _| probe_bytes(read_file(&entry.path, limit)?, limit));
        let size = size.unwrap_or_else(|| common_size(&sizes));
        let is_resident = fits(sizes.len(), size, options);
        let images = self.check(Stage::Decode, options, |entry, resizer| {
            let bytes = read_file(&entry.path, limit)?;
            let record = FileRecord::of(entry.path.strip_prefix(root).unwrap_or(&entry.path), &bytes);
            let mut pixels = vec![0; size.bytes()];
            decode_bytes(bytes, size, limit, resizer, &mut pixels)?;
            Ok(DecodedImage { pixels: is_resident.then_some(pixels), record })
        });
        Decoded { size, images }
    }

    /// Applies `check` to every image kept, keeps those that pass, and returns their results.
    fn check<T: Send>(
        &mut self,
        stage: Stage,
        options: &SourceOptions,
        check: impl Fn(&Entry, &mut Resizer) -> Result<T, Problem> + Sync,
    ) -> Vec<T> {
        let results = in_parallel(stage, options, &self.kept, |(_, entry), resizer| check(entry, resizer));
        let mut passed = Vec::with_capacity(results.len());
        let mut kept = Vec::with_capacity(results.len());
        for ((split, entry), result) in std::mem::take(&mut self.kept).into_iter().zip(results) {
            match result {
                Ok(value) => {
                    passed.push(value);
                    kept.push((split, entry));
                }
                Err(problem) => {
                    let reason = problem.to_string();
                    self.unreadable.push(UnreadableFile { path: entry.path, reason });
                }
            }
        }
        self.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
        self.kept = kept;
        passed
    }
}

/// Does some work for each item on all cores, and tells how far it is.
pub(super) fn in_parallel<I: Sync, T: Send>(
    stage: Stage,
    options: &SourceOptions,
    items: &[I],
    work: impl Fn(&I, &mut Resizer) -> T + Sync,
) -> Vec<T> {
    let total = items.len() as u64;
    let done = AtomicU64::new(0);
    options.observer.tell(stage, 0, Some(total));
    let items = items.par_iter().map_init(Resizer::new, |resizer, item| {
        let result = work(item, resizer);
        options.observer.tell(stage, done.fetch_add(1, Ordering::Relaxed) + 1, Some(total));
        result
    });
    items.collect()
}

/// The size of images that all have it, else the default.
pub(super) fn common_size(sizes: &[ImageSize]) -> ImageSize {
    match sizes.split_first() {
        Some((first, rest))
            if first.height.max(first.width) <= MAX_COMMON_SIDE && rest.iter().all(|size| size == first) =>
        {
            *first
        }
        _ => DEFAULT_SIZE,
    }
}

/// Whether there is room for so many decoded images.
pub(super) fn fits(images: usize, size: ImageSize, options: &SourceOptions) -> bool {
    images.saturating_mul(size.bytes()) <= options.memory_budget
}

/// The source of these images, which come in order of class and path.
pub(super) fn assemble(
    path: &Path,
    classes: Vec<String>,
    splitting: Splitting,
    size: ImageSize,
    images: Vec<(Split, Entry, DecodedImage)>,
    remarks: Remarks,
    limit: PixelLimit,
) -> Arc<dyn Source> {
    let name = path.display().to_string();
    let mut records = Split::ALL.map(|_| vec![Vec::new(); classes.len()]);
    let mut counts = [0; 3];
    for (split, entry, image) in &images {
        records[*split as usize][entry.label].push(image.record.clone());
        counts[*split as usize] += 1;
    }
    let contents = Contents::Files { splits: PerSplit::from_array(records) };
    let manifest = Some(Manifest::new(classes.clone(), splitting, contents));
    if images.iter().any(|(_, _, image)| image.pixels.is_none()) {
        let mut splits = [const { Vec::new() }; 3];
        images.into_iter().for_each(|(split, entry, _)| splits[split as usize].push(entry));
        return Arc::new(Streaming { name, classes, size, limit, splits, remarks, manifest });
    }
    let mut splits = counts.map(|count| ResidentSplit::with_room_for(count, size));
    for (split, entry, image) in images {
        let split = &mut splits[split as usize];
        split.pixels.extend_from_slice(&image.pixels.unwrap_or_default());
        split.labels.push(entry.label);
        split.paths.push(entry.path);
    }
    Arc::new(Resident { name, synthetic: false, classes, size, splits, remarks, manifest })
}
