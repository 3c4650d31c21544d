//! An image folder too large for memory: every reading decodes the file.

use std::path::Path;

use super::scan::Entry;
use crate::decode::decode_into;
use crate::source::check_read;
use crate::{DataError, Framing, ImageSize, Manifest, PixelLimit, Remarks, Source, Split};

pub(super) struct Streaming {
    pub(super) name: String,
    pub(super) classes: Vec<String>,
    pub(super) size: ImageSize,
    pub(super) framing: Framing,
    pub(super) limit: PixelLimit,
    /// In the order of [`Split::ALL`].
    pub(super) splits: [Vec<Entry>; 3],
    pub(super) remarks: Remarks,
    pub(super) manifest: Option<Manifest>,
}

impl Source for Streaming {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_resident(&self) -> bool {
        false
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn image_size(&self) -> ImageSize {
        self.size
    }

    fn len(&self, split: Split) -> usize {
        self.splits[split as usize].len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.splits[split as usize][index].label
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let path = &self.splits[split as usize][index].path;
        decode_into(path, self.size, self.framing, self.limit, pixels)
    }

    fn path(&self, split: Split, index: usize) -> Option<&Path> {
        self.splits[split as usize].get(index).map(|entry| entry.path.as_path())
    }

    fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }
}
