//! SHA-256 of parts, none of which can pass for another.

use sha2::{Digest as _, Sha256};

/// A digest in the making.
pub(super) struct Digest(Sha256);

impl Digest {
    /// Begins with the name of the form.
    pub(super) fn new(form: &str) -> Digest {
        let mut digest = Digest(Sha256::new());
        digest.part(form.as_bytes());
        digest
    }

    /// Adds some bytes, after their number.
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
