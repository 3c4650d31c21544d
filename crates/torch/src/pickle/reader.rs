//! Numbers and names in the bytes of a pickle.

use crate::TorchError;

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], place: usize) -> Reader<'a> {
        Reader { bytes, place }
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], TorchError> {
        let rest = self.bytes.get(self.place..).unwrap_or_default();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or(TorchError::Truncated(self.bytes.len()))?;
        self.place += taken.len();
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, TorchError> {
        self.number::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TorchError> {
        self.number().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TorchError> {
        self.number().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, TorchError> {
        self.number().map(u64::from_le_bytes)
    }

    /// The text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<String, TorchError> {
        let rest = self.bytes.get(self.place..).unwrap_or_default();
        let end = rest.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n');
        let end = end.ok_or(TorchError::Truncated(self.bytes.len()))?;
        self.place += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn number<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], TorchError> {
        let bytes = self.take(SIZE as u64)?;
        bytes.first_chunk().copied().ok_or(TorchError::Truncated(self.bytes.len()))
    }
}

/// Bytes in which the name of a Python object has to end.
const LONGEST_LINE: usize = 1000;
