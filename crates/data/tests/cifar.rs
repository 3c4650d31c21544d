//! CIFAR's binary layout: what is read, and what is rejected.

use std::path::Path;

use convscope_data::{DataError, ImageSize, SourceOptions, Split, open};

/// A record whose colour planes differ: red counts up, green is the record's number, blue is the label.
fn record(number: u8, labels: &[u8]) -> Vec<u8> {
    let mut bytes = labels.to_vec();
    bytes.extend((0..1024).map(|pixel| (pixel % 251) as u8));
    bytes.extend([number; 1024]);
    bytes.extend([labels[labels.len() - 1]; 1024]);
    bytes
}

/// Five training files of two records and a test file of three.
fn write_cifar10(folder: &Path) {
    for file in 0..5 {
        let records = [record(2 * file, &[file]), record(2 * file + 1, &[9 - file])].concat();
        std::fs::write(folder.join(format!("data_batch_{}.bin", file + 1)), records).unwrap();
    }
    let test = [record(100, &[0]), record(101, &[5]), record(102, &[9])].concat();
    std::fs::write(folder.join("test_batch.bin"), test).unwrap();
}

fn open_folder(folder: &Path) -> Result<std::sync::Arc<dyn convscope_data::Source>, DataError> {
    open(folder.to_str().unwrap(), &SourceOptions::default())
}

fn message(folder: &Path) -> String {
    open_folder(folder).err().expect("the folder is refused").to_string()
}

#[test]
fn planes_become_pixels_and_the_last_fifth_validates() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    let source = open_folder(folder.path()).unwrap();
    assert_eq!(Split::ALL.map(|split| source.len(split)), [8, 2, 3]);
    assert_eq!(source.classes()[5], "dog");
    assert!(!source.is_synthetic());
    assert_eq!(source.label(Split::Train, 7), 6);
    assert_eq!(source.label(Split::Val, 1), 5);
    let mut pixels = vec![0; 3072];
    source.read(Split::Val, 1, &mut pixels).unwrap();
    // Row 1, column 2 is pixel 34.
    assert_eq!(pixels[3 * 34..3 * 35], [34, 9, 5]);
    source.read(Split::Test, 2, &mut pixels).unwrap();
    assert_eq!(pixels[3 * 252..3 * 253], [1, 102, 9]);
}

#[test]
fn options_choose_the_share_and_the_size() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    let options = SourceOptions {
        val_fraction: Some(0.5),
        image_size: Some(ImageSize::square(8)),
        ..SourceOptions::default()
    };
    let source = open(folder.path().to_str().unwrap(), &options).unwrap();
    assert_eq!(Split::ALL.map(|split| source.len(split)), [5, 5, 3]);
    assert_eq!(source.image_size(), ImageSize::square(8));
    let mut pixels = vec![0; 192];
    source.read(Split::Val, 2, &mut pixels).unwrap();
    assert_eq!(pixels[1..3], [7, 6]);
}

#[test]
fn more_than_there_is_memory_for_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    // Reading the file would find this label.
    std::fs::write(folder.path().join("data_batch_3.bin"), [record(4, &[99]), record(5, &[1])].concat())
        .unwrap();
    let error = |image_size, memory_limit| {
        let options =
            SourceOptions { image_size, memory_limit: Some(memory_limit), ..SourceOptions::default() };
        open(folder.path().to_str().unwrap(), &options).err().expect("the folder is refused")
    };
    // Thirteen images of 3 x 32 x 32, or 3 x 64 x 48 bytes.
    for (size, bytes) in [(None, 39_936), (Some(ImageSize { height: 64, width: 48 }), 119_808)] {
        match error(size, bytes - 1) {
            DataError::BeyondMemory { images, bytes: found, limit, .. } => {
                assert_eq!((images, found, limit), (13, bytes, bytes - 1));
            }
            other => panic!("{other}"),
        }
        assert!(matches!(error(size, bytes), DataError::CifarLabel { label: 99, record: 0, .. }));
    }
}

#[test]
fn the_archive_folder_inside_is_found_and_names_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&inner).unwrap();
    write_cifar10(&inner);
    let names: String = (0..10).map(|class| format!("kind {class}\n")).collect();
    std::fs::write(inner.join("batches.meta.txt"), names + "\n").unwrap();
    let source = open_folder(folder.path()).unwrap();
    assert_eq!(source.classes().len(), 10);
    assert_eq!(source.classes()[9], "kind 9");
}

#[test]
fn cifar100_takes_the_fine_label() {
    let folder = tempfile::tempdir().unwrap();
    let train: Vec<u8> = (0..10).flat_map(|number| record(number, &[number, 90 + number])).collect();
    std::fs::write(folder.path().join("train.bin"), train).unwrap();
    std::fs::write(folder.path().join("test.bin"), record(0, &[19, 99])).unwrap();
    let source = open_folder(folder.path()).unwrap();
    assert_eq!(source.label(Split::Train, 3), 93);
    assert_eq!(source.classes().len(), 100);
    assert_eq!(source.classes()[source.label(Split::Test, 0)], "worm");
    let mut pixels = vec![0; 3072];
    source.read(Split::Train, 3, &mut pixels).unwrap();
    assert_eq!(pixels[..3], [0, 3, 93]);
}

#[test]
fn a_truncated_file_is_named_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    std::fs::write(folder.path().join("data_batch_3.bin"), &record(0, &[1])[..1234]).unwrap();
    let text = message(folder.path());
    assert!(text.contains("data_batch_3.bin: 1234 bytes") && text.contains("3073-byte"), "{text}");
}

#[test]
fn a_label_out_of_range_is_named_with_its_record() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    let records = [record(0, &[1]), record(1, &[10])].concat();
    std::fs::write(folder.path().join("data_batch_2.bin"), records).unwrap();
    let text = message(folder.path());
    assert!(text.contains("data_batch_2.bin: record 1 has label 10"), "{text}");
    assert!(text.contains("10 classes (0 to 9)"), "{text}");
}

#[test]
fn missing_and_empty_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    std::fs::write(folder.path().join("test_batch.bin"), []).unwrap();
    let text = message(folder.path());
    assert!(text.contains("test_batch.bin: has 0 images"), "{text}");
    std::fs::remove_file(folder.path().join("data_batch_1.bin")).unwrap();
    let text = message(folder.path());
    assert!(text.contains("data_batch_1.bin") && text.contains("missing"), "{text}");
}

#[test]
fn pythons_version_and_one_single_class_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data_batch_1"), b"pickle").unwrap();
    assert!(message(folder.path()).contains("Python version"));
    write_cifar10(folder.path());
    std::fs::write(folder.path().join("batches.meta.txt"), "everything\n").unwrap();
    assert!(message(folder.path()).contains("lists 1 classes"));
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar10(folder.path());
    let spec = folder.path().to_str().unwrap();
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        let options = SourceOptions { val_fraction: Some(share), ..SourceOptions::default() };
        assert!(matches!(open(spec, &options), Err(DataError::Option { name: "val_fraction", .. })));
    }
    for side in [0, 5000] {
        let options = SourceOptions { image_size: Some(ImageSize::square(side)), ..SourceOptions::default() };
        assert!(matches!(open(spec, &options), Err(DataError::Option { name: "image_size", .. })));
    }
}
