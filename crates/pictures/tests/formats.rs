//! Every format converted to RGB: colours, transparency, animations, and unreadable files.

use std::path::Path;

use convscope_pictures::{
    Background, ImageSize, Picture, PictureError, PixelLimit, has_picture_extension, looks_like_picture,
};
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};

const ORANGE: [u8; 3] = [250, 120, 10];

fn read(path: &Path) -> Picture {
    Picture::read(path, Background::WHITE, PixelLimit::default()).unwrap()
}

fn refusal(name: &str, bytes: &[u8]) -> PictureError {
    Picture::decode(bytes.to_vec(), Path::new(name), Background::WHITE, PixelLimit::default())
        .expect_err("the file is refused")
}

#[test]
fn every_format_keeps_size_and_colours() {
    let folder = tempfile::tempdir().unwrap();
    // Asymmetric: one row has a different colour.
    let picture =
        DynamicImage::from(RgbImage::from_fn(7, 4, |_, y| Rgb(if y == 3 { [0, 0, 200] } else { ORANGE })));
    for name in ["a.png", "a.bmp", "a.webp", "a.gif", "a.tif", "a.ppm", "a.tga", "a.ico", "a.qoi"] {
        let path = folder.path().join(name);
        // Pictures inside an ICO file have transparency.
        let picture = if name == "a.ico" { picture.to_rgba8().into() } else { picture.clone() };
        picture.save(&path).unwrap();
        let found = read(&path);
        assert_eq!(found.size(), ImageSize { height: 4, width: 7 }, "{name}");
        let near =
            |pixel: &[u8], expected: [u8; 3]| pixel.iter().zip(expected).all(|(&a, b)| a.abs_diff(b) <= 8);
        assert!(
            near(&found.rgb()[..3], ORANGE) && near(&found.rgb()[81..], [0, 0, 200]),
            "{name}: {:?}",
            found.rgb()
        );
        assert!(has_picture_extension(&path));
        // The name of a file matters only if its contents are not conclusive.
        let renamed = folder.path().join("renamed");
        std::fs::rename(&path, &renamed).unwrap();
        let by_content = !["a.tga", "a.tif", "a.ico", "a.ppm"].contains(&name);
        assert_eq!(looks_like_picture(&renamed), by_content, "{name}");
    }
}

#[test]
fn deep_and_grey_pictures_become_8_bits_and_three_channels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.ppm");
    DynamicImage::from(ImageBuffer::from_pixel(5, 3, Rgb([77_u16 * 257, 0, 65_535]))).save(&path).unwrap();
    assert_eq!(read(&path).rgb()[..3], [77, 0, 255]);
    let path = folder.path().join("grey.pgm");
    DynamicImage::from(ImageBuffer::from_pixel(5, 3, Luma([90_u8]))).save(&path).unwrap();
    assert_eq!(read(&path).rgb()[..3], [90; 3]);
}

#[test]
fn the_first_frame_of_an_animation_counts_and_transparency_shows_the_background() {
    let mut gif = Vec::new();
    let mut encoder = GifEncoder::new(&mut gif);
    let frame = |colour: [u8; 4]| Frame::new(RgbaImage::from_pixel(6, 3, Rgba(colour)));
    encoder.encode_frames([frame([0, 200, 0, 255]), frame([200, 0, 0, 255])]).unwrap();
    drop(encoder);
    let first = Picture::decode(gif, Path::new("a"), Background::WHITE, PixelLimit::default()).unwrap();
    assert!(first.rgb()[1] > 150 && first.rgb()[0] < 50, "{:?}", first.rgb());

    let mut png = std::io::Cursor::new(Vec::new());
    let half = RgbaImage::from_pixel(4, 2, Rgba([255, 100, 0, 51]));
    DynamicImage::from(half).write_to(&mut png, image::ImageFormat::Png).unwrap();
    for (background, expected) in [
        (Background::BLACK, [51, 20, 0]),
        (Background::WHITE, [255, 224, 204]),
        (Background::new([10, 20, 30]), [59, 36, 24]),
    ] {
        let found = Picture::decode(png.get_ref().clone(), Path::new("a"), background, PixelLimit::default());
        assert_eq!(found.unwrap().rgb()[..3], expected, "{background}");
    }
}

#[test]
fn formats_that_cannot_be_read_are_named() {
    for (bytes, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0heic", "HEIC"),
        (b"\0\0\0\x20ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
        (b"\xff\x0a\0\0\0\0\0\0\0\0\0\0\0", "JPEG XL"),
        (b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a", "JPEG 2000"),
    ] {
        let error = refusal("photo.jpg", bytes);
        assert!(matches!(&error, PictureError::Unsupported { format } if format == name), "{error}");
        assert!(
            error.to_string().starts_with(&format!("{name} images are not supported, only PNG, ")),
            "{error}"
        );
    }
    let raw = refusal("photo.dng", b"II*\0\x08\0\0\0\0\0\0\0");
    assert!(raw.to_string().starts_with("camera raw images are not supported"), "{raw}");
    assert!(matches!(refusal("scan.tif", b"II*\0\x08\0\0\0\0\0\0\0"), PictureError::Damaged(_)));
    assert!(matches!(refusal("photo.jpg", b"hello"), PictureError::NotAPicture));
    assert!(matches!(refusal("photo.tga", b""), PictureError::Empty));
    // Any content may be a TGA file by its name, but damage is still found.
    assert!(matches!(refusal("photo.tga", b"hello"), PictureError::Damaged(_)));
}

#[test]
fn too_many_pixels_are_refused_from_the_headers_of_all_formats() {
    let header = |name: &str, bytes: Vec<u8>| {
        let error = refusal(name, &bytes);
        assert!(matches!(error, PictureError::TooLarge(_)), "{name}: {error:?}");
    };
    let side = 60_000_u16.to_le_bytes();
    header(
        "a.gif",
        [&b"GIF89a"[..], &side, &side, &[0, 0, 0, 0x2c, 0, 0, 0, 0], &side, &side, &[0, 2, 0, 0x3b]].concat(),
    );
    header("a.ppm", b"P6 60000 60000 255\n".to_vec());
    // More pixels than the limit, but fewer than the format's own limit.
    let wide = 15_000_u32.to_be_bytes();
    header("a.qoi", [&b"qoif"[..], &wide, &wide, &[3, 0], &[0; 16]].concat());
    // Width, rows, bits, compression, colours, and one strip.
    let entries =
        [(256, 15_000), (257, 15_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 15_000)];
    let entry = |(tag, value): (u16, u32)| {
        [&tag.to_le_bytes()[..], &4_u16.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let strip = entry((279, 225_000_000));
    let entries = [entries.map(entry).concat(), strip].concat();
    header("a.tif", [&b"II*\0\x08\0\0\0\x09\0"[..], &entries, &[0; 4]].concat());
    header("a.tga", [&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &side, &side, &[24, 0]].concat());
}
