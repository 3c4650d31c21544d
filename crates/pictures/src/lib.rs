//! Reads picture files as RGB bytes of a given size.
//!
//! The decoders and the resizing are compiled once, in this crate; nothing public is generic, so that dependent crates
//! do not compile them again.

#[cfg(feature = "decode")]
mod content;
#[cfg(feature = "decode")]
mod cost;
#[cfg(feature = "decode")]
mod decode;
mod error;
mod format;
mod framing;
mod picture;
mod pixel_limit;
mod read;
mod resize;
mod size;
#[cfg(feature = "decode")]
mod webp;

#[cfg(feature = "decode")]
pub use content::{has_readable_format, looks_like_picture};
pub use error::PictureError;
pub use format::has_picture_extension;
#[cfg(not(feature = "decode"))]
pub use format::{has_readable_format, looks_like_picture};
pub use framing::{Background, Framing, NotAColour, NotAResize, Resize};
pub use picture::Picture;
pub use pixel_limit::{LimitOutOfRange, PixelLimit, TooLarge};
pub use read::read_file;
pub use resize::Resizer;
pub use size::{CHANNELS, ImageSize, NotASize};

use format::FORMATS;
