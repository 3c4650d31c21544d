//! What can go wrong while making a report.

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
        /// The requested file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// The name has the extension of an image format other than PNG.
    #[error("{}: images are written as PNG; give the file a name that ends in .png", path.display())]
    NotPng {
        /// The requested file.
        path: PathBuf,
    },

    /// An image without pixels, which PNG cannot store.
    #[error("{}: the image is {width}x{height} and has no pixels to write; give it at least one", path.display())]
    NoPixels {
        /// The requested file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// The counts of a confusion matrix do not fit its labels.
    #[error(
        "confusion matrix: {labels} labels need {labels} rows of {labels} counts, but {found}; \
         use the same classes for counts and labels"
    )]
    NotSquare {
        /// Number of labels.
        labels: usize,
        /// What was found instead, such as `row 2 has 3 counts`.
        found: String,
    },

    /// The page's templates do not match their data.
    #[error("cannot make the page: {reason}; this is a bug in convscope, please report it")]
    Page {
        /// What does not match.
        reason: String,
    },
}

impl ReportError {
    /// For `map_err`: adds the file to the operating system's error.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
