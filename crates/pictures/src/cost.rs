//! The memory that decoding a picture takes.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat};

use crate::{PixelLimit, TooLarge};

/// Fails if decoding a picture of this kind would take more than the limit allows.
pub(crate) fn check(
    limit: PixelLimit,
    decoder: &impl ImageDecoder,
    format: ImageFormat,
    orientation: Orientation,
) -> Result<(), TooLarge> {
    let (width, height) = decoder.dimensions();
    let pixels = limit.check_size(width, height)?;
    let bytes = pixels * bytes_per_pixel(decoder.color_type(), format, orientation);
    if bytes > limit.bytes() {
        return Err(TooLarge::Bytes { width, height, bytes, most: limit.bytes() });
    }
    Ok(())
}

/// Peak memory per pixel in bytes: while decoding the file, while rotating the picture, or while converting it to three
/// channels of 8 bits.
fn bytes_per_pixel(color: ColorType, format: ImageFormat, orientation: Orientation) -> u64 {
    let decoded = u64::from(color.bytes_per_pixel());
    let of_decoder = match format {
        // The coefficients of a progressive JPEG.
        ImageFormat::Jpeg => 8,
        // The canvas and a frame of an animation.
        ImageFormat::WebP => 8,
        // A frame in addition to the canvas, the mask in addition to the picture.
        ImageFormat::Gif | ImageFormat::Ico => 4,
        // The bytes as stored in the file.
        ImageFormat::Pnm | ImageFormat::Tga | ImageFormat::Tiff | ImageFormat::Qoi => decoded,
        _ => 0,
    };
    let turned = if swaps_sides(orientation) { 2 * decoded } else { decoded };
    let converted = match color {
        ColorType::Rgb8 => decoded,
        ColorType::Rgba8 => decoded + 3,
        color if color.has_alpha() => decoded + 4,
        _ => decoded + 3,
    };
    (of_decoder + decoded).max(turned).max(converted)
}

/// Whether rows become columns.
fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_and_rotation_count() {
        use Orientation::{FlipHorizontal, NoTransforms, Rotate90};
        for (color, format, orientation, expected) in [
            (ColorType::Rgb8, ImageFormat::Bmp, NoTransforms, 3),
            (ColorType::Rgb8, ImageFormat::Bmp, FlipHorizontal, 3),
            (ColorType::Rgb8, ImageFormat::Png, Rotate90, 6),
            (ColorType::L8, ImageFormat::Png, NoTransforms, 4),
            (ColorType::Rgba8, ImageFormat::Png, NoTransforms, 7),
            (ColorType::Rgba16, ImageFormat::Png, NoTransforms, 12),
            (ColorType::Rgba16, ImageFormat::Png, Rotate90, 16),
            (ColorType::Rgb8, ImageFormat::Jpeg, Rotate90, 11),
            (ColorType::Rgba8, ImageFormat::WebP, NoTransforms, 12),
            (ColorType::Rgba8, ImageFormat::Gif, NoTransforms, 8),
            (ColorType::L8, ImageFormat::Pnm, NoTransforms, 4),
        ] {
            assert_eq!(bytes_per_pixel(color, format, orientation), expected, "{color:?} {format:?}");
        }
    }
}
