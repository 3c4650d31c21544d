//! Why a picture file cannot be read.

use crate::TooLarge;

/// What is wrong with a picture file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The operating system cannot read the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The bytes are not in a known format.
    #[error("not a {} image", crate::FORMATS)]
    NotAPicture,
    /// The format is known but not supported.
    #[error("{format} images are not supported, only {}", crate::FORMATS)]
    Unsupported {
        /// The format's name.
        format: String,
    },
    /// The file ends before the picture does.
    #[error("the {format} image is truncated")]
    Truncated {
        /// The format's name.
        format: &'static str,
    },
    /// The picture has a side of 0.
    #[error("the image has no pixels ({width} x {height})")]
    NoPixels {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The program was built without decoders.
    #[error("this program was built without the feature `pictures`, which reads picture files")]
    NoDecoder,
    /// The contents do not follow the format.
    #[cfg(feature = "decode")]
    #[error("{}", one_line(.0))]
    Damaged(#[source] image::ImageError),
    /// The picture exceeds the pixel limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

#[cfg(feature = "decode")]
impl From<image::ImageError> for PictureError {
    fn from(error: image::ImageError) -> PictureError {
        PictureError::Damaged(error)
    }
}

#[cfg(feature = "decode")]
fn one_line(error: &image::ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
