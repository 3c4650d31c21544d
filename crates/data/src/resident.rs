//! Decoded images in memory.

use std::path::{Path, PathBuf};

use convscope_pictures::Resizer;
use rayon::prelude::*;

use crate::source::check_read;
use crate::{DataError, Framing, ImageSize, Manifest, Remarks, Source, Split};

/// The images of one split, one after another.
#[derive(Default)]
pub(crate) struct ResidentSplit {
    /// Interleaved RGB, all images of one size.
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<usize>,
    /// The files, if each image has its own; otherwise empty.
    pub(crate) paths: Vec<PathBuf>,
}

impl ResidentSplit {
    /// # Errors
    /// [`DataError::Memory`].
    pub(crate) fn with_room_for(images: usize, size: ImageSize) -> Result<ResidentSplit, DataError> {
        Ok(ResidentSplit {
            pixels: room(images, size)?,
            labels: Vec::with_capacity(images),
            paths: Vec::with_capacity(images),
        })
    }
}

/// Black pixels for this many images.
///
/// # Errors
/// [`DataError::Memory`].
pub(crate) fn zeroed(images: usize, size: ImageSize) -> Result<Vec<u8>, DataError> {
    let mut pixels = room(images, size)?;
    pixels.resize(images * size.bytes(), 0);
    Ok(pixels)
}

/// Room for the pixels of this many images.
fn room(images: usize, size: ImageSize) -> Result<Vec<u8>, DataError> {
    let refused = || DataError::Memory { images, size };
    let bytes = images.checked_mul(size.bytes()).ok_or_else(refused)?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(bytes).map_err(|_| refused())?;
    Ok(pixels)
}

/// A source that holds its images as bytes.
pub(crate) struct Resident {
    pub(crate) name: String,
    pub(crate) synthetic: bool,
    pub(crate) classes: Vec<String>,
    pub(crate) size: ImageSize,
    /// In the order of [`Split::ALL`].
    pub(crate) splits: [ResidentSplit; 3],
    pub(crate) remarks: Remarks,
    pub(crate) manifest: Option<Manifest>,
}

impl Resident {
    /// The same images at a different size.
    pub(crate) fn resized(mut self, size: ImageSize, framing: Framing) -> Result<Self, DataError> {
        if size == self.size {
            return Ok(self);
        }
        for split in &mut self.splits {
            let mut pixels = zeroed(split.labels.len(), size)?;
            pixels
                .par_chunks_exact_mut(size.bytes())
                .zip(split.pixels.par_chunks_exact(self.size.bytes()))
                .for_each_init(Resizer::new, |resizer, (to, from)| {
                    resizer.resize(from, self.size, to, size, framing);
                });
            split.pixels = pixels;
        }
        self.size = size;
        Ok(self)
    }

    fn split(&self, split: Split) -> &ResidentSplit {
        &self.splits[split as usize]
    }
}

impl Source for Resident {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_synthetic(&self) -> bool {
        self.synthetic
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn image_size(&self) -> ImageSize {
        self.size
    }

    fn len(&self, split: Split) -> usize {
        self.split(split).labels.len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.split(split).labels[index]
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let start = index * pixels.len();
        pixels.copy_from_slice(&self.split(split).pixels[start..start + pixels.len()]);
        Ok(())
    }

    fn path(&self, split: Split, index: usize) -> Option<&Path> {
        self.split(split).paths.get(index).map(PathBuf::as_path)
    }

    fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }
}
