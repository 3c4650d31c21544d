//! Bad input gives one clear error that names the problem, and leaves nothing behind.

use std::fs;

use crate::place::{Place, records};

/// Runs a training that must fail, and checks that it left no run.
#[track_caller]
fn refused(place: &Place, line: &str, code: i32, parts: &[&str]) {
    place.run(line).failed(code, parts);
    assert!(!place.exists("runs"), "{line} left a run directory");
}

#[test]
fn cifar_files() {
    let place = Place::new();
    place.cifar("cut");
    place.write("cut/data_batch_3.bin", &records(4, 1)[..3073 + 1000]);
    refused(&place, "train --data cut", 1, &["data_batch_3.bin", "4073 bytes", "3073-byte records"]);

    place.cifar("label");
    let mut bytes = records(4, 1);
    bytes[2 * 3073] = 7;
    place.write("label/data_batch_2.bin", bytes);
    refused(&place, "train --data label", 1, &["data_batch_2.bin", "record 2", "label 7", "3 classes"]);

    place.cifar("missing");
    fs::remove_file(place.path("missing/test_batch.bin")).unwrap();
    refused(&place, "train --data missing", 1, &["test_batch.bin", "missing"]);
    refused(&place, "train --data nowhere", 1, &["nowhere", "no such folder"]);
}

#[test]
fn image_folders() {
    let place = Place::new();
    place.photos("empty");
    fs::create_dir(place.path("empty/none")).unwrap();
    refused(&place, "train --data empty", 1, &["none", "without an image"]);

    place.png("one/only/0.png", [1, 2, 3]);
    refused(&place, "train --data one", 1, &["one", "only one class (`only`)"]);

    place.photos("text");
    place.write("text/dark/notes.png", "no picture at all");
    refused(&place, "train --data text", 1, &["notes.png", "not a PNG"]);

    place.photos("pixels");
    // A BMP header of 0 x 0 pixels.
    let mut bmp = vec![0; 54];
    bmp[..2].copy_from_slice(b"BM");
    (bmp[10], bmp[14], bmp[26], bmp[28]) = (54, 40, 1, 24);
    place.write("pixels/light/nothing.bmp", bmp);
    refused(&place, "train --data pixels", 1, &["nothing.bmp"]);
    // `data` lists what training rejects.
    let ran = place.run("data text").done();
    assert!(
        ran.out.contains("1 file is unreadable") && ran.out.contains("notes.png: not a PNG"),
        "{}",
        ran.out
    );
}

#[test]
fn models() {
    let place = Place::new();
    place.cifar("data");
    refused(
        &place,
        "train --data data --model plain9",
        2,
        &["plain9", "plain8, plain8-bn, resnet8, resnet18"],
    );
    refused(&place, "train --data data --model gone.toml", 1, &["gone.toml"]);

    let node = "[[node]]\nop = 'conv2d'\nout_channels = 4\nkernel_size = 40\n";
    let last = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\n";
    place.write("large.toml", format!("name = 'large'\n{node}{last}"));
    refused(&place, "train --data data --model large.toml", 1, &["conv2d", "40", "32"]);
    place.run("summary large.toml").failed(1, &["conv2d", "40", "32"]);

    place.write("input.toml", format!("name = 'input'\ninput = [3, 48, 48]\n{last}"));
    let line = "train --data data --image-size 32 --model input.toml";
    refused(&place, line, 1, &["input.toml", "[3, 48, 48]", "[3, 32, 32]"]);
    place.write("grey.toml", format!("name = 'grey'\ninput = [1, 32, 32]\n{last}"));
    refused(&place, "train --data data --model grey.toml", 1, &["grey.toml", "[1, 32, 32]", "[3, 32, 32]"]);

    let two = last.replace("'classes'", "2");
    place.write("classes.toml", format!("name = 'two'\n{two}"));
    refused(&place, "train --data data --batch-size 20 --model classes.toml", 1, &["2 values", "3 classes"]);

    place.write("syntax.toml", "name = 'x'\n[[node]]\nop = 'convolve'\n");
    refused(&place, "train --data data --model syntax.toml", 1, &["syntax.toml", "convolve"]);
}

#[test]
fn values() {
    let place = Place::new();
    place.cifar("data");
    for (flags, parts) in [
        ("--batch-size 0", &["batch_size is 0", "at least 1"][..]),
        ("--batch-size 97", &["batch size 97", "96 images"]),
        ("--lr NaN", &["lr is NaN"]),
        ("--lr -0.1", &["lr is -0.1"]),
        ("--lr inf --epochs 0", &["lr is inf", "epochs is 0"]),
        ("--val-fraction 1", &["data.val_fraction is 1"]),
        ("--image-size 0", &["data.image_size is 0"]),
        ("--momentum 0.9", &["momentum does not apply to adam"]),
        ("--optimizer sgd --nesterov", &["nesterov"]),
        ("--ema 1", &["ema is 1"]),
    ] {
        refused(&place, &format!("train --data data {flags}"), 2, parts);
    }
    place.write("mine.toml", "epochs = 2\nlearning_rate = 0.1\n");
    refused(&place, "train --data data --config mine.toml", 2, &["mine.toml", "line 2", "learning_rate"]);
    refused(&place, "train --data data --config gone.toml", 1, &["gone.toml"]);
    place.run("data data --val-fraction 2").failed(2, &["val_fraction is 2"]);
    place.run("data data --preview sheet.jpg").failed(2, &["sheet.jpg", ".png"]);
    assert!(!place.exists("sheet.jpg"));
}

#[test]
fn output_folders() {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place.write("file", "in the way");
    let train = "train --data data --model small.toml --batch-size 32 --epochs 1 --out";
    refused(&place, &format!("{train} file/run"), 1, &["file", "cannot create the folder"]);
    refused(&place, &format!("{train} data"), 1, &["data", "not empty"]);

    fs::create_dir(place.path("locked")).unwrap();
    let mut permissions = fs::metadata(place.path("locked")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(place.path("locked"), permissions).unwrap();
    if fs::write(place.path("locked/probe"), "").is_ok() {
        eprintln!("skipped: this user may write into read-only folders");
        return;
    }
    refused(&place, &format!("{train} locked/run"), 1, &["locked", "ermission denied", "may write"]);
}

#[test]
fn runs_that_are_none() {
    let place = Place::new();
    place.photos("photos");
    for line in ["evaluate gone", "predict gone a.png", "train --resume gone"] {
        place.run(line).failed(1, &["gone"]);
    }
    for line in ["evaluate photos", "predict photos a.png", "train --resume photos"] {
        place.run(line).failed(1, &["photos", "not a run directory"]);
    }
    place.run("predict photos/dark/0.png photos/dark/1.png").failed(1, &["0.png", "safetensors"]);
}
