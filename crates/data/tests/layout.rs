//! How folders of splits are told from classes, and the remarks about everything that is skipped.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use convscope_data::{
    BadImages, DataError, SkippedFiles, Source, SourceOptions, Split, SplitFolder, Splits, open,
};
use image::{Rgb, RgbImage};

/// Saves different pictures into a folder.
fn add(folder: &Path, shades: std::ops::Range<u8>) {
    fs::create_dir_all(folder).unwrap();
    for shade in shades {
        RgbImage::from_pixel(5, 3, Rgb([shade, 9, 9])).save(folder.join(format!("{shade}.png"))).unwrap();
    }
}

/// Classes `cat` and `dog` with four pictures each.
fn cats_and_dogs(folder: &Path, first: u8) {
    add(&folder.join("cat"), first..first + 4);
    add(&folder.join("dog"), first + 4..first + 8);
}

fn opened(folder: &Path) -> Result<Arc<dyn Source>, DataError> {
    open(folder.to_str().unwrap(), &SourceOptions::default())
}

fn skipping(folder: &Path) -> Result<Arc<dyn Source>, DataError> {
    let options = SourceOptions { bad_images: BadImages::Skip, ..SourceOptions::default() };
    open(folder.to_str().unwrap(), &options)
}

fn message(folder: &Path) -> String {
    opened(folder).err().expect("the folder is refused").to_string()
}

fn lengths(source: &dyn Source) -> [usize; 3] {
    Split::ALL.map(|split| source.len(split))
}

#[test]
fn splits_go_by_their_names_whatever_their_spelling() {
    for (train, val, test) in [
        ("Training", None, "Testing"),
        ("seg_train", None, "seg_test"),
        ("Train", Some("Valid"), "TEST"),
        ("train2017", Some("dev"), "test images"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        cats_and_dogs(&folder.path().join(train), 0);
        cats_and_dogs(&folder.path().join(test), 10);
        if let Some(val) = val {
            cats_and_dogs(&folder.path().join(val), 20);
        }
        let source = opened(folder.path()).unwrap();
        assert_eq!(source.classes(), ["cat", "dog"], "{train}");
        assert_eq!(source.len(Split::Test), 8, "{train}");
        let expected_val = if val.is_some() { 8 } else { source.len(Split::Val) };
        assert_eq!(source.len(Split::Train) + source.len(Split::Val), 8 + if val.is_some() { 8 } else { 0 });
        assert_eq!(source.len(Split::Val), expected_val);
        let named = |folder: &str, split| SplitFolder { folder: folder.to_owned(), split };
        let of_val = val.map(|val| named(val, Split::Val));
        let expected: Vec<_> = [Some(named(train, Split::Train)), of_val, Some(named(test, Split::Test))]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(source.remarks().split_folders, expected);
    }
}

#[test]
fn a_stray_picture_does_not_turn_splits_into_classes() {
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(&folder.path().join("train"), 0);
    cats_and_dogs(&folder.path().join("test"), 10);
    add(&folder.path().join("train"), 50..51);
    add(&folder.path().join("more"), 60..62);
    let source = opened(folder.path()).unwrap();
    assert_eq!((source.classes(), source.len(Split::Test)), (&["cat", "dog"].map(String::from)[..], 8));
    assert_eq!(source.remarks().stray, [folder.path().join("train/50.png")]);
    assert_eq!(source.remarks().other_folders, [folder.path().join("more")]);
}

#[test]
fn a_split_folder_may_hold_itself() {
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(&folder.path().join("seg_train/seg_train"), 0);
    cats_and_dogs(&folder.path().join("seg_test/seg_test"), 10);
    let source = opened(folder.path()).unwrap();
    assert_eq!((source.classes(), source.len(Split::Test)), (&["cat", "dog"].map(String::from)[..], 8));
}

#[test]
fn a_class_may_be_called_train_with_folders_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    add(&folder.path().join("bus"), 0..4);
    add(&folder.path().join("train"), 10..12);
    add(&folder.path().join("train/steam"), 20..22);
    let source = opened(folder.path()).unwrap();
    assert_eq!(source.classes(), ["bus", "train"]);
    assert!(source.remarks().split_folders.is_empty());
}

#[test]
fn folders_of_splits_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(&folder.path().join("val"), 0);
    cats_and_dogs(&folder.path().join("test"), 10);
    assert!(message(folder.path()).ends_with("val and test but no training folder; name it `train`"));
    // Opened as a whole, they need none.
    let classes = ["cat", "dog"].map(String::from).to_vec();
    let options = SourceOptions { splits: Splits::Whole { classes }, ..SourceOptions::default() };
    let whole = open(folder.path().to_str().unwrap(), &options).unwrap();
    assert_eq!(lengths(&*whole), [0, 0, 16]);
    cats_and_dogs(&folder.path().join("train"), 20);
    cats_and_dogs(&folder.path().join("Validation"), 30);
    let text = message(folder.path());
    assert!(text.contains("`Validation` and `val` both have validation images"), "{text}");
}

#[test]
fn pictures_directly_in_the_folder_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), 0..3);
    let text = message(folder.path());
    assert!(
        text.contains("no class folder, but 3 pictures directly in it; an image folder is DIR/<class>/*"),
        "{text}"
    );
    cats_and_dogs(&folder.path().join("PetImages"), 10);
    let text = message(folder.path());
    assert!(text.contains("if its 2 folders are the classes, name") && text.contains("PetImages"), "{text}");
    fs::rename(folder.path().join("PetImages/cat"), folder.path().join("cat")).unwrap();
    assert_eq!(opened(folder.path()).unwrap().remarks().stray.len(), 3);
}

#[test]
fn skipped_files_are_counted_by_extension() {
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(folder.path(), 0);
    for (name, contents) in [
        ("cat/a.CR2", "raw"),
        ("cat/b.cr2", "raw"),
        ("dog/notes.txt", "text"),
        ("dog/README", "text"),
        ("dog/.hidden", ""),
    ] {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    let skipped = |extension: &str, files| SkippedFiles { extension: extension.to_owned(), files };
    let source = opened(folder.path()).unwrap();
    assert_eq!(source.remarks().skipped, [skipped("cr2", 2), skipped("", 1), skipped("txt", 1)]);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_circles_can_be_skipped() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(folder.path(), 0);
    let cat = folder.path().join("cat");
    symlink("nowhere.png", cat.join("gone.png")).unwrap();
    symlink("..", cat.join("up")).unwrap();
    // A loop of the data folder itself is not a class.
    symlink(".", folder.path().join("self")).unwrap();
    // A real link works.
    symlink("../dog/4.png", cat.join("linked.png")).unwrap();
    let text = message(folder.path());
    assert!(text.contains("gone.png (a link to a file that does not exist)"), "{text}");
    assert_eq!(text.matches("gone.png").count(), 1, "{text}");
    let source = skipping(folder.path()).unwrap();
    assert_eq!(source.classes(), ["cat", "dog"]);
    assert_eq!(lengths(&*source).iter().sum::<usize>(), 9);
    let reasons: Vec<&str> = source.remarks().unreadable.iter().map(|file| file.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["a link to a file that does not exist", "a link that leads back to a folder above it"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn class_names_that_are_not_unicode_stay_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    add(&folder.path().join(OsStr::from_bytes(b"caf\xe8")), 0..4);
    add(&folder.path().join(OsStr::from_bytes(b"caf\xe9")), 10..14);
    let source = opened(folder.path()).unwrap();
    assert_eq!(source.classes(), [r"caf\xE8", r"caf\xE9"]);
    assert_eq!(lengths(&*source).iter().sum::<usize>(), 8);
}

#[test]
fn the_common_size_does_not_depend_on_what_memory_holds() {
    let folder = tempfile::tempdir().unwrap();
    cats_and_dogs(folder.path(), 0);
    let sized = |budget| {
        let options = SourceOptions { memory_budget: budget, ..SourceOptions::default() };
        let source = open(folder.path().to_str().unwrap(), &options).unwrap();
        let images = |split| (0..source.len(split)).map(move |index| (split, index));
        let mut pixels = vec![0; source.image_size().bytes()];
        let read = Split::ALL.into_iter().flat_map(images).map(|(split, index)| {
            source.read(split, index, &mut pixels).unwrap();
            pixels.clone()
        });
        let read: Vec<Vec<u8>> = read.collect();
        (source.image_size().to_string(), source.is_resident(), read)
    };
    let [roomy, tight, none] = [1 << 30, 8 * 45, 8 * 45 - 1].map(sized);
    assert_eq!((roomy.1, tight.1, none.1), (true, true, false));
    assert_eq!((&roomy.0, &roomy.2), (&none.0, &none.2));
    assert_eq!(roomy.2, tight.2);
    // One picture of a different size, even the last, makes all the default size.
    RgbImage::from_fn(7, 9, |x, y| Rgb([x as u8 * 30, y as u8 * 20, 0]))
        .save(folder.path().join("dog/z.png"))
        .unwrap();
    let [roomy, tight, none] = [1 << 30, 8 * 45, 0].map(sized);
    assert_eq!((roomy.0.as_str(), roomy.1, tight.1, none.1), ("64x64", true, false, false));
    assert_eq!((&roomy.2, &roomy.2), (&tight.2, &none.2));
}
