//! SHA-256 of parts, none of which can be mistaken for another.

use sha2::{Digest as _, Sha256};

/// A digest under construction.
pub(super) struct Digest(Sha256);

impl Digest {
    /// Starts with the name of the format.
    pub(super) fn new(form: &str) -> Digest {
        let mut digest = Digest(Sha256::new());
        digest.part(form.as_bytes());
        digest
    }

    /// Adds the number of bytes, then the bytes.
    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    /// Adds a number.
    pub(super) fn count(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    /// Lower-case hexadecimal digits.
    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
