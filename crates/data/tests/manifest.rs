//! A data set's record of its images, and what happens when they have changed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::manifest::Contents;
use convscope_data::{
    BadImages, DataError, Manifest, Source, SourceOptions, Split, SplitCounts, Splits, open,
};
use image::{Rgb, RgbImage};

/// A different picture for each number.
fn picture(number: usize) -> RgbImage {
    RgbImage::from_fn(6, 4, |x, y| Rgb([number as u8, (number >> 8) as u8, (x * 20 + y) as u8]))
}

fn add(folder: &Path, class: &str, numbers: std::ops::Range<usize>) {
    fs::create_dir_all(folder.join(class)).unwrap();
    for number in numbers {
        picture(number).save(folder.join(class).join(format!("{number:04}.png"))).unwrap();
    }
}

fn open_with(folder: &Path, splits: Splits) -> Result<Arc<dyn Source>, DataError> {
    open(folder.to_str().unwrap(), &SourceOptions { splits, ..SourceOptions::default() })
}

fn again(folder: &Path, manifest: &Manifest) -> Result<Arc<dyn Source>, DataError> {
    open_with(folder, Splits::Recorded(Arc::new(manifest.clone())))
}

fn manifest(folder: &Path) -> Manifest {
    open_with(folder, Splits::default()).unwrap().manifest().unwrap().clone()
}

/// Labels, pixels and paths of a split.
fn images(source: &dyn Source, split: Split) -> Vec<(usize, Vec<u8>, Option<PathBuf>)> {
    let image = |index| {
        let mut pixels = vec![0; source.image_size().bytes()];
        source.read(split, index, &mut pixels).unwrap();
        (source.label(split, index), pixels, source.path(split, index).map(Path::to_owned))
    };
    (0..source.len(split)).map(image).collect()
}

#[test]
fn new_pictures_change_no_split_and_a_manifest_leaves_them_out() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path();
    add(photos, "a", 0..60);
    add(photos, "b", 100..160);
    let before = open_with(photos, Splits::default()).unwrap();
    let recorded = before.manifest().unwrap().clone();
    add(photos, "a", 60..80);
    add(photos, "c/deep", 200..204);
    fs::write(photos.join("b/notes.txt"), "passed over").unwrap();
    // An unreadable format was left out before, too.
    fs::write(photos.join("b/phone.heic"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    let after = again(photos, &recorded).unwrap();
    for split in Split::ALL {
        assert_eq!(images(&*after, split), images(&*before, split), "{split}");
    }
    assert_eq!((after.remarks().new_files, before.remarks().new_files), (24, 0));
    assert_eq!(after.manifest().unwrap().digest(), recorded.digest());
    fs::remove_file(photos.join("b/phone.heic")).unwrap();
    // Without the manifest, the new pictures are added and the old ones stay in their splits.
    let anew = open_with(photos, Splits::default()).unwrap();
    for split in Split::ALL {
        let ids: HashSet<_> = anew.image_ids(split).unwrap().into_iter().collect();
        let old = before.image_ids(split).unwrap();
        assert!(old.iter().all(|id| ids.contains(id)) && ids.len() > old.len(), "{split}");
    }
    assert_ne!(anew.manifest().unwrap().digest(), recorded.digest());
}

#[test]
fn missing_and_changed_pictures_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path();
    add(photos, "a", 0..20);
    add(photos, "b", 100..120);
    let recorded = manifest(photos);
    fs::remove_file(photos.join("a/0003.png")).unwrap();
    // Different pixels under the same name, in a file of the same length.
    let length = fs::metadata(photos.join("b/0105.png")).unwrap().len();
    let mut bytes = fs::read(photos.join("b/0105.png")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(photos.join("b/0105.png"), &bytes).unwrap();
    picture(7).save(photos.join("b/new.png")).unwrap();
    assert_eq!(fs::metadata(photos.join("b/0105.png")).unwrap().len(), length);
    for bad_images in [BadImages::Refuse, BadImages::Skip] {
        let splits = Splits::Recorded(Arc::new(recorded.clone()));
        let options = SourceOptions { splits, bad_images, ..SourceOptions::default() };
        let error = open(photos.to_str().unwrap(), &options).err().unwrap();
        let DataError::OtherImages { missing, changed, new_files, .. } = &error else { panic!("{error}") };
        assert_eq!(*missing, [photos.join("a/0003.png")]);
        assert_eq!(*changed, [photos.join("b/0105.png")]);
        assert_eq!(*new_files, 1);
        let text = error.to_string().replace('\\', "/");
        assert!(text.contains("1 file is missing (a/0003.png); 1 file has changed (b/0105.png)"), "{text}");
        assert!(text.ends_with("; 1 file is new"), "{text}");
    }
}

#[test]
fn a_renamed_class_is_missing_and_not_another_label() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path();
    add(photos, "a", 0..20);
    add(photos, "b", 100..120);
    let recorded = manifest(photos);
    fs::rename(photos.join("a"), photos.join("z")).unwrap();
    let text = again(photos, &recorded).err().unwrap().to_string();
    assert!(text.contains("20 files are missing (a") && text.contains("and 10 more"), "{text}");
    assert!(text.ends_with("20 files are new"), "{text}");
}

#[test]
fn a_moved_folder_has_the_same_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new place/photos"));
    add(&old.join("train"), "a", 0..9);
    add(&old.join("train"), "b", 100..109);
    add(&old.join("test"), "b", 109..112);
    let recorded = manifest(&old);
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::rename(&old, &new).unwrap();
    let source = again(&new, &recorded).unwrap();
    assert_eq!(source.manifest(), Some(&recorded));
    assert_eq!((source.len(Split::Test), source.label(Split::Test, 2)), (3, 1));
    assert_eq!(manifest(&new), recorded);
    assert!(matches!(again(&old, &recorded), Err(DataError::NotFound { .. })));
}

#[test]
fn a_manifest_survives_its_json_and_a_changed_one_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", 0..20);
    add(folder.path(), "b", 100..120);
    let of_folder = manifest(folder.path());
    let shapes = SplitCounts { train: 30, val: 20, test: 10 };
    let options = SourceOptions { shapes, ..SourceOptions::default() };
    let of_shapes = open("shapes", &options).unwrap().manifest().unwrap().clone();
    for manifest in [of_folder, of_shapes] {
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        // A class renamed by hand, which changes the labels.
        let first = &manifest.classes()[0];
        let altered = text.replacen(&format!("[\"{first}\""), "[\"x\"", 1);
        assert_ne!(altered, text);
        let error = serde_json::from_str::<Manifest>(&altered).unwrap_err().to_string();
        assert!(error.contains("the record of the images is damaged"), "{error}");
    }
}

#[test]
fn built_in_pictures_come_again_from_their_manifest() {
    let shapes = SplitCounts { train: 30, val: 20, test: 10 };
    let splits = Splits::Placed { seed: 9 };
    let source = open("shapes", &SourceOptions { splits, shapes, ..SourceOptions::default() }).unwrap();
    let recorded = source.manifest().unwrap().clone();
    let options = |manifest: &Manifest| SourceOptions {
        splits: Splits::Recorded(Arc::new(manifest.clone())),
        ..SourceOptions::default()
    };
    let again = open("shapes", &options(&recorded)).unwrap();
    for split in Split::ALL {
        assert_eq!(images(&*again, split), images(&*source, split));
        assert_eq!(again.image_ids(split), source.image_ids(split));
    }
    // An image does not depend on the number of images.
    let more = SplitCounts { train: 40, ..shapes };
    let splits = Splits::Placed { seed: 9 };
    let more = open("shapes", &SourceOptions { splits, shapes: more, ..SourceOptions::default() }).unwrap();
    assert_eq!(more.image_ids(Split::Train).unwrap()[..30], source.image_ids(Split::Train).unwrap());
    assert_ne!(more.manifest().unwrap().digest(), recorded.digest());
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", 0..3);
    add(folder.path(), "b", 3..6);
    let error = open(folder.path().to_str().unwrap(), &options(&recorded)).err().unwrap();
    assert!(matches!(error, DataError::OtherKind { .. }), "{error}");
}

#[test]
fn copies_of_a_picture_stay_in_one_split_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", 0..40);
    add(folder.path(), "b", 100..140);
    for number in 0..40 {
        let (from, to) = (format!("a/{number:04}.png"), format!("b/copy of {number}.png"));
        fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let source = open_with(folder.path(), Splits::default()).unwrap();
    let [train, val, test] = Split::ALL.map(|split| source.image_ids(split).unwrap());
    assert!(val.len() > 2 && test.len() > 2);
    let train: HashSet<_> = train.into_iter().collect();
    assert!(val.iter().chain(&test).all(|id| !train.contains(id)));
}

#[test]
fn pictures_that_are_moved_for_a_small_class_are_said() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", 0..100);
    add(folder.path(), "few", 100..103);
    let source = open_with(folder.path(), Splits::default()).unwrap();
    let moved = &source.remarks().moved;
    assert!(!moved.is_empty() && moved.iter().all(|moved| moved.class == "few"), "{moved:?}");
    let of_few = |split| (0..source.len(split)).filter(|&index| source.label(split, index) == 1).count();
    assert_eq!(Split::ALL.map(of_few), [1, 1, 1]);
}

#[test]
fn other_pictures_are_taken_whole_and_matched_by_class_name() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["cat", "dog", "owl"].map(String::from).to_vec();
    let whole = |folder: &Path| open_with(folder, Splits::Whole { classes: classes.clone() });
    // One class is enough, and all split folders are searched.
    add(folder.path(), "dog", 0..3);
    let source = whole(folder.path()).unwrap();
    assert_eq!(Split::ALL.map(|split| source.len(split)), [0, 0, 3]);
    assert_eq!((source.classes(), source.label(Split::Test, 0)), (&classes[..], 1));
    let parts = folder.path().join("parts");
    add(&parts.join("train"), "owl", 10..14);
    add(&parts.join("train"), "cat", 14..16);
    add(&parts.join("test"), "owl", 16..17);
    let source = whole(&parts).unwrap();
    let labels: Vec<usize> = (0..7).map(|index| source.label(Split::Test, index)).collect();
    assert_eq!(labels, [0, 0, 2, 2, 2, 2, 2]);
    add(&parts.join("train"), "wolf", 20..21);
    let text = whole(&parts).err().unwrap().to_string();
    assert!(
        text.contains("wolf: none of the classes has this name; the classes are cat, dog, owl"),
        "{text}"
    );
}

#[test]
fn records_of_cifar_files_are_known_by_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let record = |label: u8, shade: u8| [vec![label], vec![shade; 3072]].concat();
    for file in 1..=5 {
        let bytes: Vec<u8> = (0..4).flat_map(|n| record(n % 3, file * 10 + n)).collect();
        fs::write(folder.path().join(format!("data_batch_{file}.bin")), bytes).unwrap();
    }
    fs::write(folder.path().join("test_batch.bin"), record(2, 200)).unwrap();
    let source = open_with(folder.path(), Splits::default()).unwrap();
    let recorded = source.manifest().unwrap().clone();
    assert!(matches!(recorded.contents(), Contents::Records { .. }));
    let ids: HashSet<_> = Split::ALL.iter().flat_map(|&split| source.image_ids(split).unwrap()).collect();
    assert_eq!(ids.len(), 21);
    // The recorded split applies, whatever share is requested.
    let splits = Splits::Recorded(Arc::new(recorded.clone()));
    let options = SourceOptions { splits, val_fraction: Some(0.5), ..SourceOptions::default() };
    let same = open(folder.path().to_str().unwrap(), &options).unwrap();
    assert_eq!((same.len(Split::Train), same.len(Split::Val)), (16, 4));
    fs::write(folder.path().join("data_batch_4.bin"), record(0, 99)).unwrap();
    let text = again(folder.path(), &recorded).err().unwrap().to_string();
    assert!(text.contains("1 file has changed (data_batch_4.bin)"), "{text}");
}
