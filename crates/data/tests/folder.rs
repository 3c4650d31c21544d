//! Image folders: layouts, splits, formats, colours, and everything that is rejected.

use std::path::Path;

use convscope_data::{
    BadImages, DataError, Framing, ImageSize, Loader, Normalization, Order, PixelLimit, Source,
    SourceOptions, Split, Splits, decode_image, open,
};
use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

const RED: [u8; 3] = [250, 20, 10];
const BLUE: [u8; 3] = [10, 20, 250];

/// A picture of 4 rows and 6 columns.
fn plain(colour: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(6, 4, Rgb(colour)).into()
}

fn save(image: &DynamicImage, path: impl AsRef<Path>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Two classes, `blue` with 10 images and `red` with 20, all different.
fn two_classes(folder: &Path) {
    for (class, colour, images) in [("blue", BLUE, 10), ("red", RED, 20)] {
        for number in 0..images {
            let mut image = RgbImage::from_pixel(6, 4, Rgb(colour));
            image.put_pixel(5, 3, Rgb([number, 0, 0]));
            save(&image.into(), folder.join(class).join(format!("{number:02}.png")));
        }
    }
}

fn open_with(folder: &Path, options: &SourceOptions) -> Result<std::sync::Arc<dyn Source>, DataError> {
    open(folder.to_str().unwrap(), options)
}

fn message(folder: &Path) -> String {
    open_with(folder, &SourceOptions::default()).err().expect("the folder is refused").to_string()
}

fn lengths(source: &dyn Source) -> [usize; 3] {
    Split::ALL.map(|split| source.len(split))
}

fn count(source: &dyn Source, split: Split, label: usize) -> usize {
    (0..source.len(split)).filter(|&index| source.label(split, index) == label).count()
}

#[test]
fn classes_are_split_by_shares_from_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    let files = |splits: Splits| {
        let source = open_with(folder.path(), &SourceOptions { splits, ..SourceOptions::default() }).unwrap();
        assert_eq!(source.classes(), ["blue", "red"]);
        assert_eq!(source.image_size(), ImageSize { height: 4, width: 6 });
        let mut pixels = vec![0; 72];
        for split in Split::ALL {
            assert!((0..2).all(|label| count(&*source, split, label) > 0), "{split}");
            for index in 0..source.len(split) {
                source.read(split, index, &mut pixels).unwrap();
                assert_eq!(pixels[..3], [BLUE, RED][source.label(split, index)]);
            }
        }
        let path = |split, index| source.path(split, index).unwrap().to_owned();
        let all = Split::ALL.map(|split| (0..source.len(split)).map(|index| path(split, index)).collect());
        let mut sorted: Vec<_> = all.concat();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 30);
        all
    };
    let placed = |seed| files(Splits::Placed { seed });
    assert_eq!(placed(1), placed(1));
    assert_ne!(placed(1), placed(2));
    assert_eq!(placed(Splits::DEFAULT_SEED), files(Splits::default()));
    // Runs that do not record their images use exact shares.
    let shuffled = files(Splits::Shuffled { seed: 1 });
    assert_eq!(shuffled.each_ref().map(Vec::len), [24, 3, 3]);
    assert_ne!(shuffled, files(Splits::Shuffled { seed: 2 }));
}

#[test]
fn split_folders_are_used_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(&folder.path().join("train"));
    save(&plain(RED), folder.path().join("test/red/deep/down/a.png"));
    let source = open_with(folder.path(), &SourceOptions::default()).unwrap();
    let [train, val, test] = lengths(&*source);
    assert_eq!((train + val, test), (30, 1));
    assert!(val > 1 && train > val && count(&*source, Split::Val, 0) > 0);
    assert_eq!(source.label(Split::Test, 0), 1);

    save(&plain(BLUE), folder.path().join("valid/blue/b.png"));
    let source = open_with(folder.path(), &SourceOptions::default()).unwrap();
    assert_eq!(lengths(&*source), [30, 1, 1]);

    save(&plain(BLUE), folder.path().join("valid/green/b.png"));
    let text = message(folder.path());
    assert!(text.contains("green") && text.contains("no class with this name"), "{text}");
}

#[test]
fn a_class_may_be_called_train() {
    let folder = tempfile::tempdir().unwrap();
    save(&plain(RED), folder.path().join("bus/a.png"));
    save(&plain(BLUE), folder.path().join("train/b.png"));
    let source = open_with(folder.path(), &SourceOptions::default()).unwrap();
    assert_eq!(source.classes(), ["bus", "train"]);
    assert_eq!(lengths(&*source), [2, 0, 0]);
}

#[test]
fn streaming_gives_the_same_bytes_as_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (class, colour) in [("a", RED), ("b", BLUE)] {
        for number in 0..6_u8 {
            let image = RgbImage::from_fn(9 + u32::from(number), 7, |x, y| {
                Rgb([colour[0], (x * 20) as u8, (y * 30) as u8 ^ number])
            });
            save(&image.into(), folder.path().join(class).join(format!("{number}.png")));
        }
    }
    let options = SourceOptions { image_size: Some(ImageSize::square(5)), ..SourceOptions::default() };
    let memory = open_with(folder.path(), &options).unwrap();
    let disk = open_with(folder.path(), &SourceOptions { memory_budget: 899, ..options }).unwrap();
    assert!(memory.is_resident() && !disk.is_resident());
    let order = Order::Shuffled { seed: 4 };
    let batches = |source| {
        let loader = Loader::new(source, Split::Train, 3, order, &Normalization::unit(3)).unwrap();
        loader.epoch(0, 0).map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(memory.path(Split::Test, 0), disk.path(Split::Test, 0));
    assert_eq!(batches(memory), batches(disk));
}

#[test]
fn sizes_that_differ_become_the_default() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    save(&RgbImage::new(7, 4).into(), folder.path().join("red/other.png"));
    let source = open_with(folder.path(), &SourceOptions::default()).unwrap();
    assert_eq!(source.image_size(), ImageSize::square(64));
}

#[test]
fn every_format_and_colour_type_becomes_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let near = |name: &str, expected: [u8; 3], tolerance: u8| {
        let pixels = decode_image(
            folder.path().join(name),
            ImageSize { height: 2, width: 3 },
            Framing::UNRECORDED,
            PixelLimit::default(),
        )
        .unwrap();
        assert_eq!(pixels.len(), 18);
        for pixel in pixels.chunks_exact(3) {
            let close = pixel.iter().zip(expected).all(|(&a, b)| a.abs_diff(b) <= tolerance);
            assert!(close, "{name}: {pixel:?}, expected {expected:?}");
        }
    };
    let file = |name: &str| folder.path().join(name);
    for name in ["a.png", "a.bmp", "a.webp", "a.jpg"] {
        save(&plain(RED), file(name));
        near(name, RED, if name == "a.jpg" { 6 } else { 0 });
    }
    save(&DynamicImage::from(ImageBuffer::from_pixel(6, 4, Luma([77_u8]))), file("grey.png"));
    near("grey.png", [77; 3], 0);
    save(&DynamicImage::from(ImageBuffer::from_pixel(6, 4, Luma([77_u16 * 257]))), file("grey16.png"));
    near("grey16.png", [77; 3], 0);
    save(&DynamicImage::from(ImageBuffer::from_pixel(6, 4, LumaA([200_u8, 0]))), file("clear.png"));
    near("clear.png", [0; 3], 0);
    save(&DynamicImage::from(ImageBuffer::from_pixel(6, 4, Rgba([255_u8, 100, 0, 51]))), file("alpha.png"));
    near("alpha.png", [51, 20, 0], 0);
    // The content matters, not the name.
    std::fs::rename(file("a.bmp"), file("a.jpeg")).unwrap();
    near("a.jpeg", RED, 0);
}

#[test]
fn shrinking_averages_and_keeps_rows_and_columns_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halves.png");
    // Left half black, right half white; the top row green.
    let image =
        RgbImage::from_fn(
            40,
            20,
            |x, y| if y < 10 { Rgb([0, 200, 0]) } else { Rgb([(x / 20 * 255) as u8; 3]) },
        );
    image.save(&path).unwrap();
    let pixels =
        decode_image(&path, ImageSize { height: 2, width: 8 }, Framing::UNRECORDED, PixelLimit::default())
            .unwrap();
    let at = |row: usize, column: usize| &pixels[(row * 8 + column) * 3..][..3];
    assert!(at(0, 0)[1] > 150 && at(0, 7)[1] > 150);
    assert!(at(1, 0)[0] < 5 && at(1, 7)[0] > 200);
}

#[test]
fn exif_orientation_turns_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned.jpg");
    let image = RgbImage::from_fn(32, 16, |x, _| Rgb(if x < 16 { RED } else { BLUE }));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    // An APP1 segment with one little-endian entry: tag 0x0112 (orientation), value 6 (turn right).
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let mut segment = vec![0xFF, 0xE1];
    segment.extend(((exif.len() + 2) as u16).to_be_bytes());
    segment.append(&mut exif);
    std::fs::write(&path, [&jpeg[..2], &segment, &jpeg[2..]].concat()).unwrap();
    let pixels =
        decode_image(&path, ImageSize { height: 32, width: 16 }, Framing::UNRECORDED, PixelLimit::default())
            .unwrap();
    // The left side is now at the top.
    assert!(pixels[0] > 200 && pixels[31 * 16 * 3] < 50 && pixels[31 * 16 * 3 + 2] > 200);

    for class in ["a", "b"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        std::fs::copy(&path, folder.path().join(class).join("x.jpg")).unwrap();
    }
    let source = open_with(folder.path(), &SourceOptions::default()).unwrap();
    assert_eq!(source.image_size(), ImageSize { height: 32, width: 16 });
}

#[test]
fn unreadable_files_are_refused_by_name_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    let red = folder.path().join("red");
    std::fs::write(red.join("text.png"), "no picture").unwrap();
    let whole = std::fs::read(red.join("00.png")).unwrap();
    std::fs::write(red.join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (x * 7) as u8, (y * 13) as u8]));
    DynamicImage::from(noise).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    std::fs::write(red.join("cut.jpg"), &jpeg.get_ref()[..jpeg.get_ref().len() / 2]).unwrap();
    // A BMP header that says 0 x 0.
    let mut empty = Vec::from(*b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0");
    empty.extend([0; 8]);
    empty.extend([1, 0, 24, 0]);
    empty.extend([0; 24]);
    std::fs::write(red.join("empty.bmp"), empty).unwrap();
    std::fs::write(red.join("notes.txt"), "passed over").unwrap();
    std::fs::write(red.join(".hidden.png"), "passed over").unwrap();

    let text = message(folder.path());
    assert!(text.contains("4 unreadable") && text.ends_with("and 1 more"), "{text}");
    for budget in [1 << 30, 0] {
        let options =
            SourceOptions { bad_images: BadImages::Skip, memory_budget: budget, ..SourceOptions::default() };
        let source = open_with(folder.path(), &options).unwrap();
        assert_eq!(lengths(&*source).iter().sum::<usize>(), 30);
        let names: Vec<_> = source
            .remarks()
            .unreadable
            .iter()
            .map(|file| file.path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["cut.jpg", "cut.png", "empty.bmp", "text.png"]);
        assert!(
            source.remarks().unreadable[3].reason.contains("not a PNG"),
            "{:?}",
            source.remarks().unreadable
        );
    }
}

#[test]
fn folders_that_cannot_be_learnt_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(message(&folder.path().join("nowhere")).contains("nowhere: no such folder"));
    assert!(message(folder.path()).contains("no class folder"));
    save(&plain(RED), folder.path().join("red/a.png"));
    assert!(message(folder.path()).contains("only one class (`red`)"));
    assert!(message(&folder.path().join("red/a.png")).contains("this is a file"));
    std::fs::create_dir(folder.path().join("blue")).unwrap();
    let text = message(folder.path());
    assert!(text.contains("blue: class folder without an image"), "{text}");
    std::fs::write(folder.path().join("blue/text.png"), "no picture").unwrap();
    let options = SourceOptions { bad_images: BadImages::Skip, ..SourceOptions::default() };
    let text = open_with(folder.path(), &options).err().unwrap().to_string();
    assert!(text.contains("blue: class folder without a readable image (1 unreadable)"), "{text}");
    std::fs::remove_file(folder.path().join("red/a.png")).unwrap();
    std::fs::remove_file(folder.path().join("blue/text.png")).unwrap();
    assert!(message(folder.path()).contains("no pictures in the class folders"));
}
