//! Pictures as `data:` URIs, so that a page needs no other file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use png::{BitDepth, ColorType, Compression, Encoder};

use crate::ReportError;

/// A picture as PNG in a URI.
///
/// # Errors
/// [`ReportError::NoPixels`] if it has none; `name` says which picture it is.
pub(super) fn picture_uri(picture: &RgbImage, name: &str) -> Result<String, ReportError> {
    let (width, height) = picture.dimensions();
    encode(width, height, name, Colours::Rgb, picture.as_raw())
}

/// A picture of palette indices as PNG in a URI. `alpha` is the opacity of each colour, 0 to 255; colours beyond it are
/// opaque.
///
/// # Errors
/// [`ReportError::NoPixels`] if it has none.
pub(super) fn indexed_uri(
    (width, height): (u32, u32),
    places: &[u8],
    palette: &[[u8; 3]],
    alpha: &[u8],
    name: &str,
) -> Result<String, ReportError> {
    encode(width, height, name, Colours::Palette { palette: palette.as_flattened(), alpha }, places)
}

/// The meaning of a picture's bytes.
enum Colours<'a> {
    Rgb,
    Palette { palette: &'a [u8], alpha: &'a [u8] },
}

fn encode(
    width: u32,
    height: u32,
    name: &str,
    colours: Colours<'_>,
    bytes: &[u8],
) -> Result<String, ReportError> {
    if width == 0 || height == 0 {
        return Err(ReportError::NoPixels { path: name.into(), width, height });
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    match colours {
        Colours::Rgb => encoder.set_color(ColorType::Rgb),
        Colours::Palette { palette, alpha } => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(palette);
            if !alpha.is_empty() {
                encoder.set_trns(alpha);
            }
        }
    }
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes));
    written.map_err(|error| ReportError::Page { reason: format!("picture {name}: {error}") })?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> RgbImage {
        let bytes = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }

    #[test]
    fn both_kinds_are_read_back() {
        let picture = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        assert_eq!(decoded(&picture_uri(&picture, "a").unwrap()), picture);
        let uri = indexed_uri((3, 1), &[1, 0, 1], &[[1, 2, 3], [7, 8, 9]], &[], "b").unwrap();
        assert_eq!(decoded(&uri).into_raw(), [7, 8, 9, 1, 2, 3, 7, 8, 9]);
        assert!(matches!(picture_uri(&RgbImage::new(0, 2), "c"), Err(ReportError::NoPixels { .. })));
    }
}
