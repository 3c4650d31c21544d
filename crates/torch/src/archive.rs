//! The zip archive that PyTorch writes since version 1.6.
//!
//! In a folder of any name, `data.pkl` is the pickle and `data/KEY` has the bytes of the storage KEY. Nothing is compressed, so that
//! arrays can be read in place.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use crate::pickle::unpickle;
use crate::{Tensor, TorchError, state};

pub(crate) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>, TorchError> {
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(TorchError::Archive)?;
    let pickle = archive.file_names().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let pickle = pickle.ok_or_else(|| TorchError::NoEntry("data.pkl".to_owned()))?.to_owned();
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    if archive.index_for_name(&format!("{folder}constants.pkl")).is_some() {
        return Err(TorchError::Script);
    }
    if let Ok(order) = entry(&mut archive, &format!("{folder}byteorder"), file.len())
        && file[order].trim_ascii() != b"little"
    {
        return Err(TorchError::BigEndian);
    }
    let pickle = entry(&mut archive, &pickle, file.len())?;
    let made = unpickle(&file[..pickle.end], pickle.start)?;
    let bytes: Vec<Range<usize>> = made
        .storages
        .iter()
        .map(|storage| {
            let whole = entry(&mut archive, &format!("{folder}data/{}", storage.key), file.len())?;
            storage.bytes(whole)
        })
        .collect::<Result<_, _>>()?;
    state::tensors(&made, &bytes)
}

/// The bytes of the archive that a file in it has.
fn entry(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    length: usize,
) -> Result<Range<usize>, TorchError> {
    let index = archive.index_for_name(name).ok_or_else(|| TorchError::NoEntry(name.to_owned()))?;
    let entry = archive.by_index_raw(index).map_err(TorchError::Archive)?;
    if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
        return Err(TorchError::Compressed(name.to_owned()));
    }
    let start = entry.data_start();
    let end = start.saturating_add(entry.compressed_size());
    if end > length as u64 {
        return Err(TorchError::Truncated(length));
    }
    Ok(start as usize..end as usize)
}
