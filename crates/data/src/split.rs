//! The splits of a data set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The part of a data set that an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Images that the weights are fitted to.
    Train,
    /// Images used to choose among epochs and settings.
    Val,
    /// Images used once, at the end.
    Test,
}

impl Split {
    /// The three splits in the order of use.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }

    /// The word before "images" in a sentence: `training`, `validation` or `test`.
    pub fn adjective(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Val => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
