//! Small files that ask for far more memory than their size end with an error message, under a memory limit.

use std::fs;
use std::process::{Command, Stdio};

use convscope_testkit::hostile;

use crate::place::{Place, Ran};

/// Address space for a run of the program, in KiB.
const MEMORY: u32 = 2_000_000;

/// Runs the program with limited memory, if the system supports it.
fn run(place: &Place, line: &str) -> Ran {
    if cfg!(not(target_os = "linux")) {
        return place.run(line);
    }
    let program = env!("CARGO_BIN_EXE_convscope");
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY} && exec \"$@\""), "sh", program])
        .args(line.split_whitespace())
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A place with a trained network, `run`, and a picture, `good.png`.
fn trained() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place.png("good.png", [200, 10, 10]);
    place.run("train --data data --model small.toml --batch-size 32 --epochs 1 --out run --quiet").done();
    place
}

/// The weights of `run` with a different header.
fn altered(place: &Place, name: &str, from: &str, to: &str) {
    let file = place.read("run/weights/last.safetensors");
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = std::str::from_utf8(header).unwrap();
    assert!(header.contains(from), "{header}");
    place.write(name, hostile::safetensors(header.replacen(from, to, 1).trim_end(), data));
}

#[test]
fn pictures() {
    let place = trained();
    place.write("abort.png", hostile::png(1 << 20, (1 << 31) - 1, 8, 0));
    place.write("bomb.png", hostile::png(50_000, 50_000, 1, 0));
    place.write("large.jpg", hostile::jpeg(50_000, 50_000));
    place.write("animated.webp", hostile::webp(16_384, 16_384, 16_383));
    let ran = run(&place, "predict run abort.png good.png bomb.png large.jpg animated.webp --threads 1");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.starts_with("good.png: ") && ran.out.lines().count() == 1, "{ran:?}");
    for (line, file) in ran.err.lines().zip(["abort.png", "bomb.png", "large.jpg", "animated.webp"]) {
        let begins = line.starts_with(&format!("error: {file}: the picture has "));
        assert!(begins && line.ends_with("allow more with --max-pixels if you trust the file"), "{line}");
    }
    assert_eq!(ran.err.lines().count(), 4, "{ran:?}");

    place.photos("photos");
    fs::copy(place.path("abort.png"), place.path("photos/dark/abort.png")).unwrap();
    let ran = run(&place, "data photos --threads 1").done();
    assert!(ran.out.contains("1 file is unreadable") && ran.out.contains("abort.png"), "{ran:?}");
    let train =
        "train --data photos --image-size 16 --model small.toml --batch-size 4 --epochs 1 --threads 1";
    run(&place, &format!("{train} --out refused"))
        .failed(1, &["abort.png", "more than the limit of 100000000"]);
    run(&place, &format!("{train} --skip-bad --out skipped")).done();
}

#[test]
fn the_limit_of_pixels_can_be_set_wherever_pictures_are_read() {
    let place = trained();
    // 12 x 10 pixels.
    place.photos("photos");
    place.run("predict run good.png --max-pixels 120").done();
    place.run("predict run good.png --max-pixels 119").failed(1, &["good.png", "120 pixels", "--max-pixels"]);
    place.run("predict run good.png --max-pixels 0").failed(2, &["max_pixels is 0"]);
    place.run("predict run good.png --max-pixels 1000000001").failed(2, &["max_pixels is 1000000001"]);
    place
        .run("inspect run --image good.png --limit 4 --max-pixels 119 --quiet")
        .failed(1, &["good.png", "119"]);
    assert!(place.run("data photos --max-pixels 119").code != Some(0));
    place.run("data photos --max-pixels 120").done();
    let train = "train --data photos --image-size 16 --model small.toml --batch-size 4 --epochs 1";
    place.run(&format!("{train} --max-pixels 119 --out a")).failed(1, &["photos", "limit of 119"]);
    place.run(&format!("{train} --max-pixels 0 --out a")).failed(2, &["data.max_pixels is 0"]);
    place.run(&format!("{train} --max-pixels 120 --out b")).done();
    assert!(place.text("b/config.toml").contains("max_pixels = 120"));
    for command in ["evaluate b", "compare b b", "report b", "inspect b"] {
        place
            .run(&format!("{command} --max-pixels 119 --quiet"))
            .failed(1, &["120 pixels", "limit of 119", "--max-pixels"]);
    }
}

#[test]
fn weights_files() {
    let place = trained();
    let refused = |name: &str, parts: &[&str]| {
        run(&place, &format!("predict {name} good.png --threads 1")).failed(1, parts);
    };
    for (name, size) in [
        ("size.safetensors", "[100000,100000]"),
        ("half.safetensors", "[9223372036854775807,2]"),
        ("third.safetensors", "[6148914691236517206,1]"),
    ] {
        altered(&place, name, "[32,32]", size);
        refused(name, &[name, "convscope.input", "its model takes [32, 32]"]);
    }
    altered(&place, "eat.safetensors", "out_channels = 4", "out_channels = 1000000");
    refused(
        "eat.safetensors",
        &["eat.safetensors", "has shape [4, 3, 3, 3], but its model needs [1000000, 3, 3, 3]"],
    );
    altered(&place, "wide.safetensors", "input = [3, 32, 32]", "input = [3, 6148914691236517206, 1]");
    refused("wide.safetensors", &["input", "more than 16777216 pixels"]);
}

#[test]
fn outputs_that_are_not_finite() {
    let place = trained();
    let file = place.read("run/weights/last.safetensors");
    let header = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let values = f32::NAN.to_le_bytes().repeat((file.len() - 8 - header) / 4);
    place.write("nan.safetensors", [&file[..8 + header], &values].concat());
    place.run("predict nan.safetensors good.png").failed(1, &["good.png", "output", "not finite"]);
    let json = place.run("predict nan.safetensors good.png --json");
    assert!(json.code == Some(1) && json.out.contains("\"error\":"), "{json:?}");
    let ran = place.run("evaluate nan.safetensors --data data");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("not finite for 30 of 30 images"), "{ran:?}");
    let ran = place.run("evaluate nan.safetensors --data data --json");
    assert!(ran.code == Some(1) && ran.out.contains("\"not_finite\": 30"), "{ran:?}");
    assert!(place.run("evaluate run --json").done().out.contains("\"not_finite\": 0"));
}

#[test]
fn a_validation_loss_that_is_never_finite_is_a_diverged_run() {
    let place = trained();
    let line = "train --data data --model small.toml --batch-size 96 --optimizer sgd --lr 1e38 --schedule constant \
                --epochs 1 --patience 2 --out diverged --quiet";
    let parts = ["the validation loss is no longer finite in epoch 1, step 1", "try a lower --lr"];
    place.run(line).failed(1, &parts);
    let again = place.run("train --resume diverged --quiet");
    again.failed(1, &parts);
    assert!(!again.err.contains("--resume"), "{again:?}");
}

#[test]
fn model_files() {
    let place = Place::new();
    let end = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 4\n";
    let model = |name: &str, input: &str, nodes: &str| {
        place.write(name, format!("name = 'x'\ninput = {input}\n{nodes}{end}"));
    };
    let conv = |channels: u32, kernel: &str| {
        format!("[[node]]\nop = 'conv2d'\nout_channels = {channels}\nkernel_size = {kernel}\npadding = 1\n")
    };
    // The second convolution reads blocks of images with more than 2^32 elements, which is not a fault of the file.
    model(
        "block.toml",
        "[3, 4, 4]",
        &(conv(16_777_216, "1\npadding = 0").replacen("padding = 1\n", "", 1) + &conv(2, "3")),
    );
    model("wrap.toml", "[3, 6148914691236517206, 1]", "[[node]]\nop = 'relu'\n");
    model("deep.toml", "[3, 8, 8]", &"[[node]]\nop = 'relu'\n".repeat(4000));
    model("deeper.toml", "[3, 8, 8]", &"[[node]]\nop = 'relu'\n".repeat(100_000));
    model("heavy.toml", "[3, 8, 8]", &conv(400_000_000, "3").repeat(2));
    run(&place, "summary deep.toml").done();
    for command in ["summary", "plan --threads 1", "bench --threads 1 --model"] {
        run(&place, &format!("{command} wrap.toml")).failed(1, &["input", "more than 16777216 pixels"]);
    }
    run(&place, "summary deeper.toml").failed(1, &["deeper.toml", "100002 nodes, more than 100000"]);
    run(&place, "summary heavy.toml").failed(1, &["conv2d", "more than 2147483648 elements"]);
    let ran = run(&place, "summary block.toml");
    assert!(ran.code == Some(0) || ran.code == Some(1), "{ran:?}");
    for sizes in ["--image-size 18446744073709551615", "--image-size 10000", "--classes 18446744073709551615"]
    {
        let ran = run(&place, &format!("summary plain8 {sizes}"));
        assert!(ran.code == Some(1) && ran.err.starts_with("error: "), "{ran:?}");
    }
    run(&place, "summary plain8 --batch-size 1048577").misused(&["1048577"]);
    run(&place, "plan plain8 --batch-size 18446744073709551615").misused(&["18446744073709551615"]);
}

#[test]
fn arrays_and_cases() {
    let place = Place::new();
    place.write("big.npy", hostile::npy("(1099511627776,)", &[]));
    place.write("zero.npy", hostile::npy("(0, 4611686018427387904, 8)", &[]));
    place.write("deep.npy", hostile::npy(&"(".repeat(9000), &[]));
    place.write("long.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff{");
    for (file, part) in [
        ("big.npy", "needs 4398046511104 bytes, but there are 0"),
        ("zero.npy", "more than 2^63 bytes"),
        ("deep.npy", "brackets"),
        ("long.npy", "too long"),
    ] {
        run(&place, &format!("op relu --input {file}")).failed(1, &[file, part]);
    }
    place.write("x.npy", hostile::npy("(1, 2, 3, 3)", &[0.5; 18]));
    place.write("w.npy", hostile::npy("(4, 2, 2, 2)", &[0.5; 32]));
    let conv = "op conv2d --input x.npy --weight w.npy";
    run(&place, &format!("{conv} --padding [1,16777216]"))
        .failed(1, &["a padded plane would be [5, 33554435]"]);
    run(&place, &format!("{conv} --padding [2000,2000]")).failed(1, &["a padded plane"]);
    run(&place, "op adaptive_avg_pool2d --input x.npy --output_size [4000,4000]")
        .failed(1, &["4000", "pixels"]);
    place.write("boxes.npy", hostile::npy("(1, 5)", &[0.0, 0.0, 0.0, 2.0, 2.0]));
    let align = "op roi_align --input x.npy --boxes boxes.npy --output_size 1 --sampling_ratio 4000";
    run(&place, align).failed(1, &["sampling_ratio is 4000"]);

    let header = r#"{"__metadata__":{"format":"convscope-case-1","op":"relu"},"input":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]},"expect.output":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    place.write("cases/zero.safetensors", hostile::safetensors(header, &[0; 4]));
    run(&place, "verify --cases cases").failed(1, &["zero", "more than 2^63 bytes"]);
}

#[test]
fn instructions_are_chosen_by_name() {
    let place = trained();
    let with = |name: &str, line: &str| {
        let output = place.command(line.split_whitespace()).env("CONVSCOPE_ISA", name).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap(),
        )
    };
    let (code, text) = with("sse9", "summary plain8");
    assert!(code == Some(2) && text.contains("CONVSCOPE_ISA is sse9; this processor can run "), "{text}");
    let (code, text) = with("portable", "plan plain8 --batch-size 2 --threads 1 --json");
    assert!(code == Some(0) && text.contains(r#""instructions": "portable""#), "{text}");
}
