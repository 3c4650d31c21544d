//! The records of data files, read directly into the images' final memory.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{SIZE, Variant};
use crate::manifest::FileRecord;
use crate::resident::{ResidentSplit, zeroed};
use crate::{CHANNELS, DataError};

/// A data file whose records have been counted but not read.
pub(super) struct DataFile {
    name: &'static str,
    path: PathBuf,
    variant: Variant,
    pub(super) records: usize,
}

impl DataFile {
    /// Counts the records of a file from its length.
    pub(super) fn measure(
        folder: &Path,
        name: &'static str,
        variant: Variant,
    ) -> Result<DataFile, DataError> {
        let path = folder.join(name);
        let file = convscope_files::open(&path).map_err(failed(&path))?;
        let bytes = file.metadata().map_err(failed(&path))?.len();
        let records = variant.records(&path, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        Ok(DataFile { name, path, variant, records })
    }
}

/// Reads the files one after another into splits with these numbers of images, which together cover all records. Also
/// returns the identity of each file.
pub(super) fn read<const N: usize>(
    files: &[DataFile],
    images: [usize; N],
    classes: usize,
) -> Result<([ResidentSplit; N], Vec<FileRecord>), DataError> {
    let mut splits: [ResidentSplit; N] = std::array::from_fn(|_| ResidentSplit::default());
    for (split, &images) in splits.iter_mut().zip(&images) {
        split.pixels = zeroed(images, SIZE)?;
        split.labels = vec![0; images];
    }
    let mut places = splits
        .iter_mut()
        .flat_map(|split| split.pixels.chunks_exact_mut(SIZE.bytes()).zip(&mut split.labels));
    let records = files.iter().map(|file| file.read(&mut places.by_ref().take(file.records), classes));
    let records = records.collect::<Result<_, _>>()?;
    drop(places);
    Ok((splits, records))
}

impl DataFile {
    /// Puts the records of the file into their places.
    fn read<'a>(
        &self,
        places: &mut dyn Iterator<Item = (&'a mut [u8], &'a mut usize)>,
        classes: usize,
    ) -> Result<FileRecord, DataError> {
        let bytes = convscope_files::read(&self.path).map_err(failed(&self.path))?;
        if self.variant.records(&self.path, bytes.len())? != self.records {
            let changed = vec![self.path.clone()];
            let path = self.path.parent().unwrap_or(&self.path).to_owned();
            return Err(DataError::OtherImages { path, missing: Vec::new(), changed, new_files: 0 });
        }
        let label_bytes = self.variant.label_bytes();
        let mut images = Vec::with_capacity(self.records);
        for (record, (bytes, (image, label))) in
            bytes.chunks_exact(self.variant.record_bytes()).zip(places).enumerate()
        {
            *label = usize::from(bytes[label_bytes - 1]);
            if *label >= classes {
                let (path, label) = (self.path.clone(), *label);
                return Err(DataError::CifarLabel { path, record, label, classes });
            }
            images.push((&bytes[label_bytes..], image));
        }
        images.into_par_iter().for_each(|(planes, image)| interleave(planes, image));
        Ok(FileRecord::of(Path::new(self.name), &bytes))
    }
}

impl Variant {
    fn record_bytes(self) -> usize {
        self.label_bytes() + SIZE.bytes()
    }

    /// How many records a file of this many bytes has.
    fn records(self, path: &Path, bytes: usize) -> Result<usize, DataError> {
        let record = self.record_bytes();
        if !bytes.is_multiple_of(record) {
            return Err(DataError::CifarTruncated { path: path.to_owned(), bytes, record });
        }
        if bytes == 0 {
            return Err(DataError::CifarTooFew { path: path.to_owned(), images: 0, expected: 1 });
        }
        Ok(bytes / record)
    }
}

/// From planes (3, pixels) to interleaved colour (pixels, 3).
fn interleave(planes: &[u8], image: &mut [u8]) {
    let (red, rest) = planes.split_at(SIZE.pixels());
    let (green, blue) = rest.split_at(SIZE.pixels());
    for (pixel, ((&red, &green), &blue)) in
        image.chunks_exact_mut(CHANNELS).zip(red.iter().zip(green).zip(blue))
    {
        pixel.copy_from_slice(&[red, green, blue]);
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_owned();
    |source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::CifarMissing { path },
        _ => DataError::Io { path, source },
    }
}
