//! Networks in ONNX files.

use std::path::Path;

use serde_json::Value;

use crate::place::Place;

/// A network for images of 3 x 12 x 10 with six classes in its metadata, with batch norms folded away.
fn small(place: &Place) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx/tests/recorded/small.onnx");
    place.write("small.onnx", std::fs::read(recorded).unwrap());
}

/// The small network, and pictures of two of its classes.
fn place() -> Place {
    let place = Place::new();
    small(&place);
    for index in 0..10 {
        place.png(&format!("photos/cat/{index}.png"), [index * 8, 10, 20]);
        place.png(&format!("photos/dog/{index}.png"), [250 - index * 8, 240, 230]);
    }
    place
}

/// Names in place of those in the file; two of the classes have pictures.
const NAMES: &str = "--class-names cat,dog,c,d,e,f";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_file_is_summed_up_planned_and_timed() {
    let place = Place::new();
    small(&place);
    let text = place.run("summary small.onnx").done().out;
    assert!(text.contains("stem") && text.contains("head"), "{text}");
    assert!(json(&place.run("summary small.onnx --json").done().out)["training_bytes"].is_u64());
    place.run("plan small.onnx").done();
    let timed = json(&place.run("bench --model small.onnx --batch-size 2 --seconds 0.1 --json").done().out);
    assert!(timed.to_string().contains("small.onnx"), "{timed}");
    place.run("summary small.onnx --model-option width=2").failed(2, &["cannot be changed"]);
    place.run("summary small.onnx --output nothing").failed(1, &["has no output 'nothing'"]);
    place.run("summary plain8 --output logits").failed(2, &["--output is for ONNX files"]);
    place.run("summary small.onnx --image-size 64").failed(1, &["12 x 10"]);
}

#[test]
fn a_file_predicts_evaluates_and_is_looked_into() {
    let place = place();
    let predicted = place.run("predict --model small.onnx photos/cat/0.png --json").done().out;
    assert_eq!(json(&predicted)["classes"].as_array().unwrap().len(), 3, "{predicted}");
    let report = place.run(&format!("evaluate --model small.onnx {NAMES} --on photos --json"));
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_eq!(json(&report.out)["images"], 20);
    let looked = place.run(&format!("inspect --model small.onnx {NAMES} --on photos --out look"));
    assert_eq!(looked.code, Some(0), "{looked:?}");
    assert!(place.exists("look/report.html") && place.exists("look/heat_maps.png"));
    let page = place.run(&format!("report --model small.onnx {NAMES} --on photos --out page.html"));
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(place.text("page.html").contains("small.onnx"));
    let text = place.run("compare small.onnx --model small.onnx --normalize tf --on photos --json");
    assert_eq!(text.code, Some(0), "{text:?}");
    let losses: Vec<f64> =
        json(&text.out)["runs"].as_array().unwrap().iter().map(|run| run["loss"].as_f64().unwrap()).collect();
    assert!(losses.len() == 2 && losses[0] != losses[1], "{losses:?}");
    place.run("compare small.onnx --on photos").failed(2, &["two networks"]);
}

#[test]
fn the_treatment_of_pictures_changes_the_answer_and_is_checked() {
    let place = place();
    let run = |flags: &str| place.run(&format!("predict --model small.onnx {flags} photos/dog/3.png --csv"));
    let plain = run("").done().out;
    for flags in [
        "--normalize tf",
        "--normalize imagenet",
        "--mean 0.5,0.5,0.5",
        "--channel-order bgr",
        "--mean 0.1,-0.2,0.3 --std 0.2,1,2",
    ] {
        assert_ne!(run(flags).done().out, plain, "{flags}");
    }
    assert_eq!(run("--normalize tf").done().out, run("--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5").done().out);
    assert_eq!(run("--normalize unit --channel-order rgb").done().out, plain);
    run("--normalize standard").failed(2, &["convscope data", "--mean"]);
    run("--normalize tf --mean 1,1,1").misused(&["cannot be used with"]);
    run("--crop 8 --image-size 8").misused(&["cannot be used with"]);
    run("--crop 10x12 --resize pad").failed(2, &["--resize the pixels"]);
    run("--resize 0").misused(&["shorter side"]);
    run("--crop 8").failed(1, &["12 x 10"]);
    run("--class-names a,b").failed(1, &["6 outputs", "2 names"]);
    run("--weights w.pth").failed(2, &["leave out --weights"]);

    // The images that the command opens, all of which are test images.
    let standard =
        place.run(&format!("evaluate --model small.onnx {NAMES} --on photos --normalize standard --json"));
    let note =
        standard.err.lines().find(|line| line.contains("--mean")).unwrap_or_else(|| panic!("{standard:?}"));
    let numbers: Vec<&str> = note.split("--mean ").nth(1).unwrap().split(" --std ").collect();
    let by_hand = place.run(&format!(
        "evaluate --model small.onnx {NAMES} --on photos --mean {} --std {} --json",
        numbers[0], numbers[1]
    ));
    let loss = |ran: &str| json(ran)["loss"].as_f64().unwrap();
    assert!((loss(&standard.out) - loss(&by_hand.out)).abs() < 1e-3, "{standard:?} {by_hand:?}");
}

#[test]
fn cropping_keeps_the_middle() {
    let place = Place::new();
    small(&place);
    // Green between red stripes: only the middle third of the width is left of twice the size.
    let picture = image::RgbImage::from_fn(30, 12, |x, _| {
        image::Rgb(if (10..20).contains(&x) { [0, 200, 0] } else { [200, 0, 0] })
    });
    picture.save(place.path("stripes.png")).unwrap();
    place.png("green.png", [0, 200, 0]);
    let answer = |flags: &str, picture: &str| {
        place
            .run(&format!("predict --model small.onnx {flags} {picture} --csv"))
            .done()
            .out
            .replace(picture, "")
    };
    assert_eq!(answer("--resize 24 --crop 10x12", "stripes.png"), answer("", "green.png"));
    assert_ne!(answer("--resize crop", "stripes.png"), answer("--resize squash", "stripes.png"));
    assert_eq!(answer("--crop 10x12", "stripes.png"), answer("--resize crop", "stripes.png"));
}

#[test]
fn a_run_that_starts_from_a_file_repeats_its_treatment() {
    let place = place();
    let treatment = "--resize 14 --crop 10x12 --mean 0.5,0.4,0.3 --std 0.2,0.2,0.25 --channel-order bgr";
    let trained = place.run(&format!(
        "train --model small.onnx --data photos {treatment} --epochs 2 --batch-size 8 --lr 0.0001 --out run --quiet"
    ));
    trained.done();
    let config = place.text("run/config.toml");
    for line in [
        "channel_order = \"bgr\"",
        "resize = \"14\"",
        "mean = [0.5, 0.4, 0.3]",
        "std = [0.2, 0.2, 0.25]",
        "normalize = \"unit\"",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    let data = json(&place.text("run/data.json"));
    assert_eq!(data["treatment"]["resize"], "14");
    assert!((data["treatment"]["mean"][1].as_f64().unwrap() - 0.4).abs() < 1e-6, "{data}");
    place.run("evaluate run").done();
    let own = place.run("predict run photos/cat/1.png --csv").done().out;
    let weights = place.run("predict run/weights/last.safetensors photos/cat/1.png --csv").done().out;
    assert_eq!(own, weights);
    place.run("report run --limit 4").done();
    place.run("export run --onnx again.onnx").done();
    // Our own export says how pictures are prepared.
    let again = place.run("predict --model again.onnx photos/cat/1.png --csv").done().out;
    let probability =
        |text: &str| -> f64 { text.lines().nth(1).unwrap().split(',').nth(3).unwrap().parse().unwrap() };
    assert!((probability(&own) - probability(&again)).abs() < 1e-4, "{own} {again}");
    let compared = place.run("compare run again.onnx --out both.html");
    assert_eq!(compared.code, Some(0), "{compared:?}");
    assert!(place.text("both.html").contains("again.onnx"));
    place.run("train --resume run --epochs 2 --quiet").done();
    place.run("lr-find --model small.onnx --data photos --steps 10").done();
}

#[test]
fn what_training_cannot_use_is_said() {
    let place = place();
    let run = |flags: &str| {
        place.run(&format!("train --data photos {flags} --epochs 1 --batch-size 8 --out run --quiet"))
    };
    run("--channel-order bgr").failed(2, &["channel_order", "ONNX file"]);
    run("--output logits").failed(2, &["output", "ONNX file"]);
    run("--mean 1,2 --image-size 12").failed(2, &["data.mean", "one number for each channel"]);
    run("--std 0,1,1").failed(2, &["data.std", "above 0"]);
    run("--model small.onnx --output nothing").failed(1, &["has no output 'nothing'"]);
    place.write("damaged.onnx", &place.read("small.onnx")[..400]);
    run("--model damaged.onnx").failed(1, &["damaged.onnx"]);
    run("--model absent.onnx").failed(1, &["absent.onnx"]);
    assert!(!place.exists("run"));
}

#[test]
fn comparing_with_onnxruntime_needs_one_file_and_a_python_that_has_it() {
    let place = Place::new();
    small(&place);
    place.run("verify small.onnx").failed(2, &["--against-onnxruntime"]);
    place.run("verify --against-onnxruntime").misused(&["OPERATOR"]);
    place.run("verify a.onnx b.onnx --against-onnxruntime").failed(2, &["one ONNX file"]);
    place
        .run("verify small.onnx --against-onnxruntime --python absent --quiet")
        .failed(1, &["absent: cannot be started", "onnxruntime"]);
    place.run("verify --python python3").misused(&["--against-pytorch"]);
}

/// `CONVSCOPE_PYTHON=.venv/bin/python cargo test -p convscope-cli --test cli onnx:: -- --ignored`
fn python() -> String {
    std::env::var("CONVSCOPE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

#[test]
#[ignore = "needs a Python with onnxruntime"]
fn every_node_agrees_with_onnxruntime() {
    let place = Place::new();
    small(&place);
    let line = format!("verify small.onnx --against-onnxruntime --python {}", python());
    let text = place.run(&line).done().out;
    assert!(text.contains("values agree with onnxruntime"), "{text}");
    let nodes = json(&place.run(&format!("{line} --json --seed 7")).done().out);
    assert!(nodes["nodes"].as_array().unwrap().len() > 10 && nodes["first"].is_null(), "{nodes}");
}

#[test]
#[ignore = "fetches networks and pictures; needs a Python with torch, torchvision and onnx"]
fn published_networks_see_what_is_there() {
    let place = Place::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx/tests/published.py");
    let folder = place.path("published");
    let fetched = std::process::Command::new(python()).arg(script).arg(&folder).status().unwrap();
    assert!(fetched.success());

    let direction = "--model published/direction.onnx --class-names upright,turned --image-size 192x48 --normalize tf \
                     --channel-order bgr";
    for name in ["upright", "turned"] {
        let text = place.run(&format!("predict {direction} published/{name}.png --json")).done().out;
        let best = &json(&text)["classes"][0];
        assert!(best["class"] == name && best["probability"].as_f64().unwrap() > 0.9, "{text}");
    }

    let lite0 = "--model published/lite0.onnx --class-names published/classes.txt --resize 256 --crop 224 \
                 --mean 0.498039,0.498039,0.498039 --std 0.501961,0.501961,0.501961";
    let text = place.run(&format!("predict {lite0} published/photos --json")).done().out;
    let best = |picture: &str| {
        let line = text.lines().find(|line| line.contains(picture)).unwrap_or_else(|| panic!("{text}"));
        json(line)["classes"][0].clone()
    };
    let cats = ["tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"];
    assert!(cats.contains(&best("chelsea")["class"].as_str().unwrap()), "{text}");
    let coffee = best("coffee");
    assert!(coffee["class"] == "espresso" && coffee["probability"].as_f64().unwrap() > 0.9, "{text}");
    let looked = place.run(&format!("inspect {lite0} --on published/photos --out look"));
    assert!(looked.code == Some(0) && !looked.err.contains("PRESERVE"), "{looked:?}");
    let folded = lite0.replace("lite0.onnx", "lite0-folded.onnx");
    let looked = place.run(&format!("inspect {folded} --on published/photos --out folded"));
    assert!(looked.code == Some(0) && looked.err.contains("PRESERVE"), "{looked:?}");
}
