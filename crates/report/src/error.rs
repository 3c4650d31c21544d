//! What can go wrong while a report is made.

use std::io;
use std::path::{Path, PathBuf};

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file system refused the file.
    #[error(
        "{}: cannot write the file: {source}; check that its folder exists, is writable and has space left",
        path.display()
    )]
    Write {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The name asks for another image format than the one that is written.
    #[error("{}: images are written as PNG; give the file a name that ends in .png", path.display())]
    NotPng {
        /// The file that was asked for.
        path: PathBuf,
    },

    /// An image without pixels, which PNG cannot hold.
    #[error("{}: the image is {width}x{height} and has no pixel to write; give it at least one", path.display())]
    NoPixels {
        /// The file that was asked for.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// The counts of a confusion matrix do not fit its labels.
    #[error(
        "confusion matrix: {labels} labels need {labels} rows of {labels} counts, but {found}; \
         count with the same classes that name it"
    )]
    NotSquare {
        /// Number of labels.
        labels: usize,
        /// What was there in place of it, such as `row 2 has 3 counts`.
        found: String,
    },

    /// The page's templates and what they are given do not fit.
    #[error("cannot make the page: {reason}; this is a mistake in convscope, please report it")]
    Page {
        /// What does not fit.
        reason: String,
    },
}

impl ReportError {
    /// For `map_err`: puts the file beside the operating system's answer.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
