//! Numbers of an array in another file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::OnnxError;
use crate::element::{decode_floats, size_of};
use crate::error::shortened;
use crate::proto::{DataType, TensorProto};

/// The place of numbers in another file.
#[derive(Debug)]
pub(crate) struct External {
    path: PathBuf,
    offset: u64,
}

impl External {
    /// A place in a file of the folder, which it may not leave.
    pub(crate) fn new(
        proto: &TensorProto,
        folder: Option<&Path>,
        needed: u64,
    ) -> Result<External, OnnxError> {
        let wrong = |problem: String| OnnxError::tensor(&proto.name, problem);
        let entry = |key: &str| {
            proto.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
        };
        let location =
            entry("location").ok_or_else(|| wrong("is in another file, which is not named".into()))?;
        let number = |key: &str, default: u64| match entry(key) {
            Some(text) => text
                .parse()
                .map_err(|_| wrong(format!("has the {key} '{}', which is not a number", shortened(text)))),
            None => Ok(default),
        };
        let (offset, length) = (number("offset", 0)?, number("length", needed)?);
        let shown = shortened(location);
        let leaves = || wrong(format!("is in '{shown}', which is not a file in the folder of the network"));
        let relative = Path::new(location);
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(leaves());
        }
        let folder = folder.ok_or_else(leaves)?;
        let read = |source| OnnxError::Read { file: folder.join(relative).display().to_string(), source };
        let path = folder.join(relative).canonicalize().map_err(read)?;
        if !path.starts_with(folder.canonicalize().map_err(read)?) {
            return Err(leaves());
        }
        let len = convscope_files::open(&path).and_then(|file| file.metadata()).map_err(read)?.len();
        if length != needed {
            return Err(wrong(format!(
                "has {length} bytes in '{shown}', its axes {:?} need {needed}",
                proto.dims
            )));
        }
        if offset.checked_add(needed).is_none_or(|end| end > len) {
            return Err(wrong(format!("is at byte {offset} of '{shown}', which has {len} bytes")));
        }
        Ok(External { path, offset })
    }

    fn open(&self) -> std::io::Result<File> {
        let mut file = convscope_files::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file)
    }

    /// Reads as many bytes as there is room for.
    pub(crate) fn bytes(&self, to: &mut [u8]) -> Result<(), OnnxError> {
        let read = |source| OnnxError::Read { file: self.path.display().to_string(), source };
        self.open().and_then(|mut file| file.read_exact(to)).map_err(read)
    }

    /// Reads a stretch at a time, so that the numbers are in memory once.
    pub(crate) fn read(&self, kind: DataType, to: &mut [f32]) -> Result<(), OnnxError> {
        const STRETCH: usize = 1 << 16;
        let read = |source| OnnxError::Read { file: self.path.display().to_string(), source };
        let size = size_of(kind).unwrap_or(1);
        let mut file = self.open().map_err(read)?;
        let mut bytes = vec![0; STRETCH * size];
        for to in to.chunks_mut(STRETCH) {
            let bytes = &mut bytes[..to.len() * size];
            file.read_exact(bytes).map_err(read)?;
            decode_floats(kind, bytes, to);
        }
        Ok(())
    }
}
