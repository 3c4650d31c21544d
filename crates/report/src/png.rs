//! PNG files.

use std::io;
use std::path::Path;

use convscope_files::write_whole;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};

use crate::ReportError;

/// Writes an image as an 8-bit RGB PNG. The file is written atomically and replaces one with the same name.
///
/// # Errors
/// [`ReportError::NotPng`] if the name does not end in `.png`, [`ReportError::NoPixels`] if a side of the image is
/// 0, [`ReportError::Write`] if the file system refuses the file.
pub fn save(image: &RgbImage, path: &Path) -> Result<(), ReportError> {
    let (width, height) = image.dimensions();
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Err(ReportError::NotPng { path: path.to_owned() });
    }
    if width == 0 || height == 0 {
        return Err(ReportError::NoPixels { path: path.to_owned(), width, height });
    }
    write_whole(path, |writer| {
        PngEncoder::new(writer).write_image(image.as_raw(), width, height, ExtendedColorType::Rgb8).map_err(
            |error| match error {
                ImageError::IoError(error) => error,
                other => io::Error::other(other),
            },
        )
    })
    .map_err(ReportError::write(path))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Wider than high and different in each pixel and channel.
    fn lopsided() -> RgbImage {
        RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 10, y as u8 * 20 + 100, (x + y) as u8]))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_saved_is_read_back_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.PNG");
        std::fs::write(&path, "the former one").unwrap();
        save(&lopsided(), &path).unwrap();
        assert_eq!(image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap().into_rgb8(), lopsided());
        assert_eq!(names(folder.path()), ["sheet.PNG"]);
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let error = save(&lopsided(), Path::new("sheet.jpg")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sheet.jpg: images are written as PNG; give the file a name that ends in .png"
        );
    }

    #[test]
    fn an_image_without_pixels_is_refused_and_leaves_the_former_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "the former one").unwrap();
        let error = save(&RgbImage::new(4, 0), &path).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("a.png: the image is 4x0 and has no pixels to write; give it at least one")
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"the former one");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("a.png");
        let error = save(&lopsided(), &path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: cannot write the file: ", path.display())), "{error}");
        assert!(error.ends_with("; check that its folder exists, is writable and has space left"), "{error}");
    }

    #[test]
    fn a_folder_of_that_name_is_refused_without_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a.png")).unwrap();
        assert!(matches!(save(&lopsided(), &folder.path().join("a.png")), Err(ReportError::Write { .. })));
        assert_eq!(names(folder.path()), ["a.png"]);
    }
}
