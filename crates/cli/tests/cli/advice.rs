//! The advice in error messages.

use crate::place::{Place, records};

fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place
}

#[test]
fn unknown_names_have_a_suggestion() {
    let place = place();
    place.write("mine.toml", "epochs = 2\nbatchsize = 16\n");
    place.write("rate.toml", "learning_rate = 0.1\n");
    place.write("optimizer.toml", "[optimizer]\nname = 'sdg'\n");
    let conv = "name = 'x'\n[[node]]\nop = 'conv2d'\nout_channels = 4\n";
    place.write("argument.toml", format!("{conv}kernelsize = 3\n"));
    place.write("operator.toml", "name = 'x'\n[[node]]\nop = 'max_pool'\n");
    place.write("top.toml", format!("widht = 2\n{conv}kernel_size = 3\n"));
    for (line, parts) in [
        ("train --data data --config mine.toml", ["batchsize", "did you mean batch_size?"]),
        ("train --data data --config rate.toml", ["learning_rate", "did you mean lr?"]),
        ("train --data data --config optimizer.toml", ["sdg", "did you mean sgd?"]),
        ("train --data data --model argument.toml", ["kernelsize", "did you mean kernel_size?"]),
        ("train --data data --model operator.toml", ["max_pool", "did you mean max_pool2d?"]),
        ("train --data data --model top.toml", ["widht", "did you mean width?"]),
        ("train --data data --model plain-8", ["plain-8", "did you mean plain8?"]),
        ("train --data data --model-option widht=2", ["widht", "did you mean width?"]),
        (
            "train --data data --model plain8-bn --model-option conv2d1.bias=false",
            ["conv2d1", "did you mean conv2d_1?"],
        ),
        ("train --data data --recipe bset", ["bset", "did you mean best?"]),
        ("train --data data --recipe distiled", ["distiled", "did you mean distilled?"]),
        ("tune --data data --grid learning-rate=0.1,0.2", ["learning-rate", "did you mean lr?"]),
        ("op conv2 --input x.npy", ["conv2", "did you mean conv2d?"]),
    ] {
        let ran = place.run(line);
        assert!(matches!(ran.code, Some(1 | 2)), "{line}: {ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{line}: {part:?} is not in {:?}", ran.err);
        }
    }
    // Nothing is suggested if nothing is close.
    let ran = place.run("train --data data --model elephant");
    assert!(!ran.err.contains("did you mean"), "{ran:?}");
}

#[test]
fn a_word_without_its_flag_and_a_decimal_comma_are_understood() {
    let place = place();
    place.write("run/config.toml", "");
    for (line, tip) in [
        ("train photos", "convscope train --data photos"),
        ("tune photos", "convscope tune --data photos"),
        ("lr-find photos", "convscope lr-find --data photos"),
        ("train small.toml", "convscope train --model small.toml"),
        ("train run", "convscope train --resume run"),
        ("train --lr 0,01", "write decimals with a point: 0.01"),
        ("bench --seconds 1,5", "write decimals with a point: 1.5"),
        ("train --augment flip,shift=0,1", "write decimals with a point: 0.1"),
        (
            "train --data data --model-option dropout.p=0,3 --model small.toml",
            "write decimals with a point: 0.3",
        ),
    ] {
        place.run(line).misused(&[tip]);
    }
    let ran = place.run("train --lr fast");
    assert!(!ran.err.contains("point"), "{ran:?}");
}

#[test]
fn a_model_for_other_images_is_told_what_helps_it() {
    let place = place();
    let last = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\n";
    for (input, parts) in [
        ("[3, 48, 48]", ["[3, 32, 32]", "pass --image-size 48"]),
        ("[1, 32, 32]", ["[3, 32, 32]", "images have 3 channels"]),
        ("[3, 8, 12]", ["[3, 32, 32]", "pass --image-size 12x8"]),
    ] {
        place.write("net.toml", format!("name = 'net'\ninput = {input}\n{last}"));
        let ran = place.run("train --data data --image-size 32 --batch-size 20 --model net.toml");
        ran.failed(1, &parts);
        assert_eq!(ran.err.contains("pass --image-size"), input != "[1, 32, 32]", "{}", ran.err);
    }
}

#[test]
fn a_model_for_other_classes_is_told_where_they_come_from() {
    let place = place();
    let conv = "[[node]]\nop = 'conv2d'\nout_channels = 'classes'\nkernel_size = 3\nstride = 10\n";
    place.write("maps.toml", format!("name = 'maps'\n{conv}[[node]]\nop = 'flatten'\n"));
    place.run("train --data data --batch-size 20 --model maps.toml").failed(
        1,
        &[
            "27 values",
            "3 classes",
            "conv2d outputs each class at 3 rows and 3 columns",
            "adaptive_avg_pool2d",
        ],
    );
    place.write(
        "two.toml",
        "name = 'two'\n[[node]]\nop = 'flatten'\n[[node]]\nname = 'last'\nop = 'linear'\nout_features = 2\n",
    );
    place
        .run("train --data data --batch-size 20 --model two.toml")
        .failed(1, &["2 values", "last.out_features is 2", "give last out_features = \"classes\""]);
}

#[test]
fn a_node_may_be_called_classes() {
    let place = place();
    let text = "name = 'net'\n[[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = [1, 'classes']\n[[node]]\nop = 'flatten'\n\
                [[node]]\nname = 'classes'\nop = 'linear'\nout_features = 'classes'\n\
                [[node]]\nop = 'dropout'\ninputs = ['classes']\n";
    place.write("net.toml", text);
    let summary = place.run("summary net.toml --classes 5").done().out;
    assert!(summary.contains("3x1x5") && summary.contains("classes"), "{summary}");
}

#[test]
fn a_file_of_torch_save_is_named_as_one() {
    let place = place();
    place.png("a.png", [1, 2, 3]);
    // A zip archive's first entry, and a pickle's first opcodes.
    for start in [&b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl"[..], b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"] {
        place.write("net.pt", [start, &[7; 300]].concat());
        place
            .run("predict net.pt a.png")
            .failed(1, &["net.pt", "written by torch.save", "--model resnet18", "--weights"]);
    }
    place.write("cut.safetensors", [9; 300]);
    place.run("predict cut.safetensors a.png").failed(1, &["truncated"]);
}

#[test]
fn batch_norm_over_one_value_is_refused_before_anything_is_trained() {
    let place = place();
    let nodes = "[[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = 1\n[[node]]\nop = 'batch_norm'\n\
                 [[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\n";
    place.write("net.toml", format!("name = 'net'\n{nodes}"));
    let train = "train --data data --model net.toml --epochs 1";
    let parts = ["batch_normalization", "one value per channel", "two or more", "--batch-size"];
    place.run(&format!("{train} --batch-size 1")).failed(1, &parts);
    // 96 training images leave one over.
    place.run(&format!("{train} --batch-size 19")).failed(1, &parts);
    place.run("lr-find --data data --model net.toml --batch-size 19").failed(1, &parts);
    assert!(!place.exists("runs"));
    place.run(&format!("{train} --batch-size 20 --out run")).done();
}

#[test]
fn a_comparison_of_networks_for_other_sizes_says_what_goes_together() {
    let place = place();
    let train = "train --data data --model small.toml --batch-size 20 --epochs 1";
    place.run(&format!("{train} --out large")).done();
    place.run(&format!("{train} --image-size 16 --out little")).done();
    place.run("compare large little").failed(
        1,
        &["large takes images of 32x32", "little takes images of 16x16", "images of the same size"],
    );
}

/// The labels are random, so that learning the training images does not help with others.
#[test]
fn what_to_try_next_is_said_after_training() {
    let place = place();
    for batch in 1..=5 {
        let mut bytes = records(24, batch);
        for (index, record) in bytes.chunks_mut(3073).enumerate() {
            record[0] = ((index * index + index / 3) % 3) as u8;
        }
        place.write(&format!("chance/data_batch_{batch}.bin"), bytes);
    }
    place.write("chance/test_batch.bin", records(30, 6));
    place.write("chance/batches.meta.txt", "red\ngreen\nblue\n");
    place.small_model("large.toml");
    let ran = place
        .run("train --data chance --model-option width=0.25 --model plain8-bn --batch-size 16 --epochs 30 --lr 0.01 --out known")
        .done();
    for part in
        ["has memorised its training images", "--augment auto", "--patience 5", "test images say little"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(ran.out.contains("with 95 % confidence"), "{}", ran.out);
    let inspected = place.run("inspect known").done();
    assert!(
        inspected.out.contains("has memorised") && !inspected.out.contains("nothing unusual"),
        "{}",
        inspected.out
    );
    assert!(place.text("known/report.html").contains("of them are right, but only"));

    let ran = place.run("train --data data --model small.toml --batch-size 16 --epochs 2 --lr 10 --out lost");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("problem: ") && ran.out.contains("convscope lr-find"), "{}", ran.out);
}

/// Nothing listens at the proxy, so nothing leaves this machine.
#[test]
fn a_download_that_fails_says_how_to_do_without() {
    let place = place();
    let mut command = place.command(["train", "--data", "cifar10"]);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let output = command
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("XDG_CACHE_HOME", place.path("cache"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["https://", "--data DIR"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
