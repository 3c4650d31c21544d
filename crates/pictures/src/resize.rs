//! Resizing of interleaved RGB bytes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use crate::{CHANNELS, Framing, ImageSize, Resize};

/// Resizes with the triangle filter, widened when shrinking so that every pixel counts, like `BILINEAR` in Pillow and
/// torchvision. It reuses its working memory for every image.
pub struct Resizer {
    inner: fast_image_resize::Resizer,
    options: ResizeOptions,
    /// The picture inside its borders.
    inside: Vec<u8>,
}

impl Resizer {
    /// A resizer.
    pub fn new() -> Self {
        Resizer {
            inner: fast_image_resize::Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
            inside: Vec::new(),
        }
    }

    /// Fills `to` with the image `from`, both rows of interleaved RGB bytes.
    ///
    /// # Panics
    /// If a size has no pixels, or a buffer does not have its size's number of [bytes](ImageSize::bytes).
    pub fn resize(
        &mut self,
        from: &[u8],
        from_size: ImageSize,
        to: &mut [u8],
        to_size: ImageSize,
        framing: Framing,
    ) {
        assert!(from_size.pixels() > 0 && to_size.pixels() > 0, "{from_size:?} and {to_size:?} need pixels");
        assert_eq!(
            (from.len(), to.len()),
            (from_size.bytes(), to_size.bytes()),
            "the buffers hold the images"
        );
        match framing.resize {
            Resize::Squash => self.scale(from, from_size, to, to_size, &self.options.clone()),
            Resize::Crop => {
                let centred = self.options.fit_into_destination(None);
                self.scale(from, from_size, to, to_size, &centred);
            }
            Resize::ShorterSide(side) => {
                let (width, height) = part(from_size, to_size, f64::from(side));
                let (left, top) =
                    ((from_size.width as f64 - width) / 2.0, (from_size.height as f64 - height) / 2.0);
                let options = self.options.crop(left, top, width, height);
                self.convolve(from, from_size, to, to_size, &options);
            }
            Resize::Pad => self.pad(from, from_size, to, to_size, framing.background.rgb()),
        }
    }

    fn scale(
        &mut self,
        from: &[u8],
        from_size: ImageSize,
        to: &mut [u8],
        to_size: ImageSize,
        options: &ResizeOptions,
    ) {
        if from_size == to_size {
            to.copy_from_slice(from);
            return;
        }
        self.convolve(from, from_size, to, to_size, options);
    }

    fn convolve(
        &mut self,
        from: &[u8],
        from_size: ImageSize,
        to: &mut [u8],
        to_size: ImageSize,
        options: &ResizeOptions,
    ) {
        let side = |pixels: usize| u32::try_from(pixels).expect("image sides fit 32 bits");
        let source = TypedImageRef::<U8x3>::from_buffer(side(from_size.width), side(from_size.height), from)
            .expect("the buffer holds the image");
        let mut target = TypedImage::<U8x3>::from_buffer(side(to_size.width), side(to_size.height), to)
            .expect("the buffer holds the image");
        // Typed, because the untyped call compiles every filter for every kind of pixel into this crate.
        self.inner.resize_typed(&source, &mut target, options).expect("both images have a size");
    }

    fn pad(
        &mut self,
        from: &[u8],
        from_size: ImageSize,
        to: &mut [u8],
        to_size: ImageSize,
        border: [u8; CHANNELS],
    ) {
        let size = fitted(from_size, to_size);
        let mut inside = std::mem::take(&mut self.inside);
        inside.resize(size.bytes(), 0);
        self.scale(from, from_size, &mut inside, size, &self.options.clone());
        to.as_chunks_mut().0.fill(border);
        let (left, top) = ((to_size.width - size.width) / 2, (to_size.height - size.height) / 2);
        let rows = to.chunks_exact_mut(CHANNELS * to_size.width).skip(top);
        for (row, pixels) in rows.zip(inside.chunks_exact(CHANNELS * size.width)) {
            row[CHANNELS * left..][..pixels.len()].copy_from_slice(pixels);
        }
        self.inside = inside;
    }
}

impl Default for Resizer {
    fn default() -> Self {
        Resizer::new()
    }
}

/// Width and height of the part of a picture that becomes the image, if its shorter side becomes this long.
fn part(from: ImageSize, to: ImageSize, shorter: f64) -> (f64, f64) {
    let [width, height] = [from.width, from.height].map(|side| side as f64);
    let [columns, rows] = [to.width, to.height].map(|side| side as f64);
    let scale = (shorter / width.min(height)).max(columns / width).max(rows / height);
    // Division may round up, and the part must lie within the picture.
    ((columns / scale).min(width), (rows / scale).min(height))
}

/// The largest size with the aspect ratio of `from` inside `to`, its shorter side rounded to whole pixels.
fn fitted(from: ImageSize, to: ImageSize) -> ImageSize {
    let wide = |pixels: usize| pixels as u128;
    let scaled = |side: usize, to: usize, from: usize| {
        let (side, to, from) = (wide(side), wide(to), wide(from));
        usize::try_from((side * to + from / 2) / from).unwrap_or(usize::MAX).max(1)
    };
    if wide(from.width) * wide(to.height) >= wide(from.height) * wide(to.width) {
        let height = scaled(from.height, to.width, from.width).min(to.height);
        ImageSize { height, width: to.width }
    } else {
        let width = scaled(from.width, to.height, from.height).min(to.width);
        ImageSize { height: to.height, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Background;

    /// Three columns, red, green and blue, in a picture of `size`.
    fn columns(size: ImageSize) -> Vec<u8> {
        let colour = |column: usize| {
            let mut rgb = [0; CHANNELS];
            rgb[column * 3 / size.width] = 240;
            rgb
        };
        (0..size.pixels()).flat_map(|pixel| colour(pixel % size.width)).collect()
    }

    fn resized(from: ImageSize, to: ImageSize, framing: Framing) -> Vec<[u8; CHANNELS]> {
        let mut pixels = vec![7; to.bytes()];
        Resizer::new().resize(&columns(from), from, &mut pixels, to, framing);
        pixels.as_chunks().0.to_vec()
    }

    #[test]
    fn a_wide_picture_is_squashed_padded_or_cropped() {
        let (from, to) = (ImageSize { height: 8, width: 24 }, ImageSize { height: 6, width: 6 });
        let background = Background::new([9, 8, 7]);
        let framed = |resize| resized(from, to, Framing { resize, background });
        let squashed = framed(Resize::Squash);
        assert!(squashed[0][0] > 200 && squashed[35][2] > 200);
        // A third of the height remains, in the middle.
        let padded = framed(Resize::Pad);
        assert_eq!(padded[..12], [[9, 8, 7]; 12]);
        assert_eq!(padded[24..], [[9, 8, 7]; 12]);
        assert!(padded[12][0] > 200 && padded[23][2] > 200);
        // Only the middle third of the width remains.
        let cropped = framed(Resize::Crop);
        let green = cropped.iter().filter(|pixel| pixel[1] > 100).count();
        assert_eq!(green, 36, "{cropped:?}");
    }

    #[test]
    fn a_tall_picture_in_a_wide_image_keeps_its_ratio() {
        let (from, to) = (ImageSize { height: 30, width: 9 }, ImageSize { height: 10, width: 12 });
        let padded = resized(from, to, Framing { resize: Resize::Pad, background: Background::WHITE });
        for row in padded.chunks_exact(12) {
            assert_eq!(row[..4], [[255; 3]; 4]);
            assert_eq!(row[7..], [[255; 3]; 5]);
            assert!(row[4][0] > 180 && row[5][1] > 180 && row[6][2] > 180, "{row:?}");
        }
    }

    #[test]
    fn the_middle_is_kept_after_the_shorter_side_has_its_length() {
        let size = |height, width| ImageSize { height, width };
        // To 12 x 36, of which the middle half of the height and a sixth of the width remain.
        assert_eq!(part(size(8, 24), size(6, 6), 12.0), (4.0, 4.0));
        // As long as the image: the same as cropping.
        assert_eq!(part(size(8, 24), size(6, 6), 6.0), (8.0, 8.0));
        // Too short for the image, which the whole width then covers.
        assert_eq!(part(size(8, 24), size(3, 12), 2.0), (24.0, 6.0));
        let framing = |resize| Framing { resize, background: Background::WHITE };
        let (from, to) = (size(30, 90), size(20, 20));
        assert_eq!(
            resized(from, to, framing(Resize::ShorterSide(20))),
            resized(from, to, framing(Resize::Crop))
        );
        // Even a picture of the image's size is enlarged; half of its columns were green, now all of them are.
        let enlarged = resized(size(30, 30), size(30, 30), framing(Resize::ShorterSide(120)));
        assert!(enlarged.iter().all(|pixel| pixel[1] == 240), "{enlarged:?}");
    }

    #[test]
    fn the_fitted_size_never_vanishes_nor_sticks_out() {
        let size = |height, width| ImageSize { height, width };
        for (from, to, expected) in [
            (size(1, 10_000), size(8, 12), size(1, 12)),
            (size(10_000, 1), size(8, 12), size(8, 1)),
            (size(3, 2), size(7, 5), size(7, 5)),
            (size(5, 5), size(9, 4), size(4, 4)),
            (size(1 << 31, 1 << 31), size(4096, 4096), size(4096, 4096)),
        ] {
            assert_eq!(fitted(from, to), expected, "{from:?} in {to:?}");
        }
    }
}
