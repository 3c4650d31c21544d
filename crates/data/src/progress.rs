//! The progress of reading a data set.

use std::fmt;
use std::sync::Arc;

/// The kind of work in a [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Fetching an archive; counted in bytes.
    Download,
    /// Unpacking it; counted in bytes of the archive.
    Unpack,
    /// Decoding images; counted in files.
    Decode,
}

/// The progress of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The kind of work.
    pub stage: Stage,
    /// Units done.
    pub done: u64,
    /// Total units, if known.
    pub total: Option<u64>,
}

/// A function that receives progress, from any thread; by default none.
#[derive(Clone, Default)]
pub struct ProgressListener(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl ProgressListener {
    /// Calls `function` for every step.
    pub fn new(function: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        ProgressListener(Some(Arc::new(function)))
    }

    pub(crate) fn tell(&self, stage: Stage, done: u64, total: Option<u64>) {
        if let Some(function) = &self.0 {
            function(Progress { stage, done, total });
        }
    }
}

impl fmt::Debug for ProgressListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ProgressListener(..)" } else { "ProgressListener(none)" })
    }
}
