//! Picture files that claim more than they contain are rejected before anything is allocated for them.

use std::path::Path;

use convscope_data::{
    BadImages, DataError, Framing, ImageSize, PixelLimit, SourceOptions, Split, decode_image, open,
};
use convscope_testkit::hostile;
use image::{ColorType, ImageEncoder};

fn refusal(folder: &Path, bytes: &[u8], limit: PixelLimit) -> String {
    let path = folder.join("picture");
    std::fs::write(&path, bytes).unwrap();
    match decode_image(&path, ImageSize { height: 3, width: 4 }, Framing::default(), limit) {
        Err(DataError::TooLarge { source, .. }) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_many_pixels_are_refused_from_the_header_of_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], size: &str| {
        let message = refusal(folder.path(), bytes, PixelLimit::default());
        assert!(message.contains(size) && message.ends_with("the limit of 100000000"), "{message}");
    };
    refused(&hostile::png(100_000, 100_000, 8, 2), "100000x100000 = 10000000000 pixels");
    refused(&hostile::png(1 << 20, (1 << 31) - 1, 8, 0), "1048576x2147483647");
    refused(&hostile::png(50_000, 50_000, 1, 0), "50000x50000");
    refused(&hostile::jpeg(50_000, 40_000), "50000x40000");
    refused(&hostile::webp(16_384, 16_000, 16), "16384x16000");
    // The canvas is small, but the frame that is decoded first is not.
    refused(&hostile::webp(20, 20, 16_383), "16383x16383");
    refused(&hostile::bmp(30_000, -20_000), "30000x20000");
}

#[test]
fn what_decoding_takes_counts_and_so_does_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut png = Vec::new();
    let pixels = vec![7; 10 * 6 * 8];
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.write_image(&pixels, 10, 6, ColorType::Rgba16.into()).unwrap();
    let decoded = |limit| {
        std::fs::write(folder.path().join("deep"), &png).unwrap();
        decode_image(
            folder.path().join("deep"),
            ImageSize::square(2),
            Framing::default(),
            PixelLimit::new(limit).unwrap(),
        )
    };
    assert!(decoded(60).is_ok());
    assert!(matches!(decoded(59), Err(DataError::TooLarge { .. })));
    // The same rotated by EXIF is copied once more: 16 bytes per pixel, but the limit allows 12.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let chunk = hostile::png_chunk(b"eXIf", exif);
    let turned = [&png[..33], &chunk, &png[33..]].concat();
    let message = refusal(folder.path(), &turned, PixelLimit::new(60).unwrap());
    assert_eq!(
        message,
        "the picture of 10x6 pixels would take 960 bytes to decode, more than the limit of 720"
    );
    let long = [hostile::bmp(2, 2), vec![0; 200]].concat();
    let message = refusal(folder.path(), &long, PixelLimit::new(20).unwrap());
    assert_eq!(message, "the file has 254 bytes, more than the limit of 240");
}

#[test]
fn a_folder_lists_them_and_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["one", "two"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for index in 0..6 {
            let path = folder.path().join(format!("{class}/{index}.png"));
            image::RgbImage::from_pixel(9, 7, image::Rgb([index, 2, 3])).save(path).unwrap();
        }
    }
    std::fs::write(folder.path().join("one/large.png"), hostile::png(1 << 20, 1 << 20, 8, 0)).unwrap();
    let spec = folder.path().to_str().unwrap();
    let error = open(spec, &SourceOptions::default()).err().unwrap().to_string();
    assert!(error.contains("large.png (the picture has 1048576x1048576 = "), "{error}");
    let skip = SourceOptions { bad_images: BadImages::Skip, ..SourceOptions::default() };
    let source = open(spec, &skip).unwrap();
    assert_eq!(
        (source.remarks().unreadable.len(), source.image_size()),
        (1, ImageSize { height: 7, width: 9 })
    );
    // The limit still applies when reading from disk again.
    let limit = PixelLimit::new(62).unwrap();
    let error = open(spec, &SourceOptions { pixel_limit: limit, ..skip.clone() }).err().unwrap().to_string();
    assert!(error.contains("without a readable image"), "{error}");
    let streaming =
        SourceOptions { memory_budget: 0, pixel_limit: PixelLimit::new(63).unwrap(), ..skip.clone() };
    let source = open(spec, &streaming).unwrap();
    let image = hostile::png(1 << 20, 1 << 20, 8, 0);
    std::fs::write(source.path(Split::Train, 0).unwrap(), image).unwrap();
    let error = source.read(Split::Train, 0, &mut [0; 9 * 7 * 3]).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
}
