//! Resizing of interleaved RGB bytes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use crate::ImageSize;

/// Resizes with the triangle filter, widened when shrinking so that every pixel counts: what Pillow's and
/// torchvision's `BILINEAR` does. The aspect ratio is not kept.
pub(crate) struct Resizer {
    inner: fast_image_resize::Resizer,
    options: ResizeOptions,
}

impl Resizer {
    pub(crate) fn new() -> Self {
        Resizer {
            inner: fast_image_resize::Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
        }
    }

    /// Fills `to` with the image `from`; both sizes are positive and fit their buffers.
    pub(crate) fn resize(&mut self, from: &[u8], from_size: ImageSize, to: &mut [u8], to_size: ImageSize) {
        if from_size == to_size {
            to.copy_from_slice(from);
            return;
        }
        let side = |pixels: usize| u32::try_from(pixels).expect("image sides fit 32 bits");
        let source = TypedImageRef::<U8x3>::from_buffer(side(from_size.width), side(from_size.height), from)
            .expect("the buffer holds the image");
        let mut target = TypedImage::<U8x3>::from_buffer(side(to_size.width), side(to_size.height), to)
            .expect("the buffer holds the image");
        // By its type, because the untyped call compiles every filter for every kind of pixel into this crate.
        self.inner.resize_typed(&source, &mut target, &self.options).expect("both images have a size");
    }
}
