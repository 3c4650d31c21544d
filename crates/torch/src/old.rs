//! The form of PyTorch before version 1.6, which it writes with `_use_new_zipfile_serialization=False` too.
//!
//! One after the other: a pickle with a number that marks the format, one with its version, one with the sizes of types, the pickle
//! of the contents, one with the list of storages; then for each storage the number of its elements in 8 bytes, and these.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::pickle::{Storage, Unpickled, Value, unpickle};
use crate::{Tensor, TorchError, state};

/// 0x1950a86a20f9469cfc6c.
const MARK: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The only version.
const VERSION: i64 = 1001;

pub(crate) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>, TorchError> {
    let mark = unpickle(file, 0)?;
    if !matches!(mark.values.get(mark.root), Value::Long(bytes) if *bytes == MARK) {
        return Err(TorchError::OtherFormat);
    }
    let version = unpickle(file, mark.end)?;
    if !matches!(version.values.get(version.root), Value::Int(VERSION)) {
        return Err(TorchError::OtherFormat);
    }
    let system = unpickle(file, version.end)?;
    if matches!(system.values.entry(system.root, "little_endian"), Some(Value::Bool(false))) {
        return Err(TorchError::BigEndian);
    }
    let made = unpickle(file, system.end)?;
    let keys = unpickle(file, made.end)?;
    let places = places(file, &made.storages, &keys)?;
    let bytes: Vec<Range<usize>> = made
        .storages
        .iter()
        .map(|storage| {
            let whole = places.get(storage.key.as_str()).cloned();
            storage.bytes(whole.ok_or(TorchError::Truncated(file.len()))?)
        })
        .collect::<Result<_, _>>()?;
    state::tensors(&made, &bytes)
}

/// The bytes of the storages with these keys.
fn places<'a>(
    file: &[u8],
    storages: &[Storage],
    keys: &'a Unpickled,
) -> Result<HashMap<&'a str, Range<usize>>, TorchError> {
    let known: HashMap<&str, &Storage> =
        storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    let mut places = HashMap::new();
    let mut place = keys.end;
    for &key in keys.values.items(keys.root).unwrap_or_default() {
        let Some(key) = keys.values.text(key) else { continue };
        let Some(storage) = known.get(key) else {
            // Its size is unknown, so everything behind it is lost.
            break;
        };
        let count = file.get(place..).and_then(|rest| rest.first_chunk());
        let count = u64::from_le_bytes(*count.ok_or(TorchError::Truncated(file.len()))?);
        let needed = count.saturating_mul(storage.element_bytes());
        let start = place + 8;
        let found = (file.len() - start) as u64;
        if needed > found {
            return Err(TorchError::Storage { storage: key.to_owned(), needed, found });
        }
        place = start + needed as usize;
        places.insert(key, start..place);
    }
    Ok(places)
}
