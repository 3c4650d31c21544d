//! From picture files to RGB bytes of a given size.
//!
//! The decoders and the resizing are compiled here once; nothing public is generic, so that no crate that uses them compiles
//! them anew.

mod decode;
mod error;
mod format;
mod framing;
mod pixel_limit;
mod resize;
mod size;
mod webp;

pub use decode::{Picture, read_file};
pub use error::PictureError;
pub use format::{has_picture_extension, has_readable_format, looks_like_picture};
pub use framing::{Background, Framing, NotAColour, NotAResize, Resize};
pub use pixel_limit::{LimitOutOfRange, PixelLimit, TooLarge};
pub use resize::Resizer;
pub use size::{CHANNELS, ImageSize, NotASize};

use format::FORMATS;
