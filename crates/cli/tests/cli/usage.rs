//! Help, exit codes, and output streams.

use std::io::Read;
use std::process::Stdio;

use crate::place::Place;

#[test]
fn every_command_has_help_with_an_example_of_itself() {
    let place = Place::new();
    let help = place.run("--help").done().out;
    for command in [
        "train",
        "evaluate",
        "predict",
        "inspect",
        "compare",
        "report",
        "settings",
        "summary",
        "plan",
        "bench",
        "data",
        "verify",
        "op",
        "completions",
        "tune",
        "lr-find",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let help = place.run(&format!("{command} --help")).done().out;
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{help}"));
        assert!(examples.contains(&format!("convscope {command}")), "{help}");
        assert!(help.contains("--quiet"), "{help}");
    }
    assert!(help.contains("Examples:\n") && help.contains("Exit codes:\n"), "{help}");
    let first = format!("convscope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(place.run("-V").done().out, first);
    let version = place.run("--version").done().out;
    assert!(version.starts_with(&first), "{version}");
    // The instructions in use are among the processor's, and every processor has the portable ones.
    let value = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let available: Vec<&str> = value("of this processor").unwrap().split(", ").collect();
    assert!(available.contains(&value("instructions in use").unwrap()), "{version}");
    assert!(available.contains(&"portable"), "{version}");
}

#[test]
fn the_flags_of_training_are_those_that_the_help_names() {
    let help = Place::new().run("train --help").done().out;
    for flag in [
        "data",
        "model",
        "epochs",
        "batch-size",
        "optimizer",
        "lr",
        "weight-decay",
        "momentum",
        "schedule",
        "seed",
        "threads",
        "out",
        "resume",
        "patience",
        "image-size",
        "val-fraction",
        "config",
        "normalize",
        "initializer",
        "clip-norm",
        "sam",
        "teachers",
        "teacher-width",
        "teacher-epochs",
        "teacher-augment",
        "teacher-share",
        "teacher-temperature",
        "label-smoothing",
        "ema",
        "augment",
        "recipe",
        "weight-decay-on",
        "skip-bad",
        "compare-batch-norm",
        "quiet",
    ] {
        assert!(help.contains(&format!("--{flag}")), "{flag}: {help}");
    }
    for default in ["plain8", "shapes", "adam", "standard"] {
        assert!(help.contains(&format!("[default: {default}]")), "{default}: {help}");
    }
}

#[test]
fn wrong_usage_ends_with_code_2() {
    let place = Place::new();
    for line in [
        "",
        "fly",
        "train --colour",
        "train --optimizer rmsprop",
        "train --threads 0",
        "train --threads 1025",
        "train --epochs 18446744073709551615",
        "train --resume a --out b",
        "predict run",
        "predict run a.png --top 0",
        "evaluate run --split all",
        "inspect run --limit 0",
        "inspect run --image a.png --index 1",
        "compare run",
        "report",
        "train --resume a --compare-batch-norm",
        "summary",
        "summary plain8 --toml --json",
        "plan",
        "plan plain8 --mode both",
        "bench --precision f64",
        "bench --seconds -1",
        "bench --only everything",
    ] {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{line}: {ran:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child =
        place.command(["summary", "plain8"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn summary_lists_layers_and_totals() {
    let place = Place::new();
    let text = place.run("summary plain8").done().out;
    for part in ["conv2d_7", "max_pooling2d_2", "128x4x4", "average_pooling2d", "294,810", "batch size 128"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\x1b'), "no colour in a pipe: {text}");
    // conv2d: 16 x 32 x 32 values of 3 x 3 x 3 products each.
    let json: serde_json::Value =
        serde_json::from_str(&place.run("summary plain8 --json").done().out).unwrap();
    assert_eq!(json["layers"][0]["multiply_adds"], 16 * 32 * 32 * 27);
    assert_eq!(json["trained_parameters"], 294_810);
    let other = place.run("summary plain8 --json --classes 7 --batch-size 64").done().out;
    let other: serde_json::Value = serde_json::from_str(&other).unwrap();
    assert_eq!(other["trained_parameters"], 294_810 - 3 * 129);
    assert!(other["training_bytes"].as_u64() < json["training_bytes"].as_u64());
    // Only inputs other than the layer before are listed.
    let residual = place.run("summary resnet8").done().out;
    assert!(residual.lines().any(|line| line.contains("add") && line.contains(", ")), "{residual}");
}

/// As torchvision counts its resnet18, whose running statistics are not parameters.
#[test]
fn running_statistics_are_no_parameters() {
    let place = Place::new();
    let text = place.run("summary resnet18 --image-size 224 --classes 1000").done().out;
    let total = text.lines().find(|line| line.starts_with("total")).unwrap();
    assert!(total.contains("11,689,512"), "{total}");
    assert!(text.contains("running statistics   9,600\n"), "{text}");
    let text = place.run("summary plain8-bn --json").done().out;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["layers"][1]["name"], "batch_normalization");
    assert_eq!(json["layers"][1]["parameters"], 32);
    assert_eq!((&json["trained_parameters"], &json["running_statistics"]), (&295_770.into(), &960.into()));
}

#[test]
fn completions_know_the_commands_and_their_flags() {
    let place = Place::new();
    for (shell, part) in
        [("bash", "_convscope"), ("zsh", "#compdef convscope"), ("fish", "complete -c convscope")]
    {
        let script = place.run(&format!("completions {shell}")).done().out;
        for part in [part, "lr-find", "label-smoothing"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    place.run("completions tcsh").misused(&["tcsh", "bash"]);
}

#[test]
fn a_printed_model_file_is_the_preset_again() {
    let place = Place::new();
    for preset in ["plain8", "plain8-bn", "resnet8"] {
        let file = place.run(&format!("summary {preset} --toml")).done().out;
        place.write("mine.toml", file);
        let [ours, theirs] = ["mine.toml", preset].map(|model| {
            place.run(&format!("summary {model} --json --image-size 48 --classes 5")).done().out
        });
        assert_eq!(ours, theirs);
        let fixed = place.run(&format!("summary {preset} --toml --image-size 48 --classes 5")).done().out;
        place.write("fixed.toml", fixed);
        assert_eq!(place.run("summary fixed.toml --json").done().out, theirs);
    }
}

#[test]
fn a_printed_module_names_every_array_of_the_weights() {
    let place = Place::new();
    let module = place.run("summary resnet8 --torch").done().out;
    let json: serde_json::Value =
        serde_json::from_str(&place.run("summary resnet8 --json").done().out).unwrap();
    for layer in json["layers"].as_array().unwrap() {
        let name = layer["name"].as_str().unwrap();
        let has_arrays = layer["parameters"] != 0;
        assert_eq!(module.contains(&format!("        self.{name} = nn.")), has_arrays, "{name}: {module}");
    }
    assert_eq!(place.run("summary plain8 --torch --json").code, Some(2));
}

/// One set of packages, and so of features, for everything that is run: nothing is compiled twice for an example.
#[test]
fn commands_and_examples_are_built_alike() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let members = manifest["workspace"]["default-members"].as_array().unwrap();
    assert!(
        ["crates/cli", "crates/convscope"]
            .iter()
            .all(|name| members.iter().any(|m| m.as_str() == Some(name)))
    );
    for file in ["README.md", "CONTRIBUTING.md", "docs/performance.md", "crates/convscope/src/lib.rs"] {
        for line in text(file).lines().filter(|line| line.contains("cargo run")) {
            assert!(!line.contains(" -p ") && line.contains("--release"), "{file}: {line}");
        }
    }
}

#[test]
fn the_page_of_settings_is_what_the_program_prints() {
    let place = Place::new();
    let table = place.run("settings --markdown").done().out;
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.ends_with(&table), "`convscope settings --markdown` prints:\n{table}");
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&place.run("settings --json").done().out).unwrap();
    let nesterov = json.iter().find(|setting| setting["key"] == "optimizer.nesterov").unwrap();
    assert_eq!((&nesterov["flag"], &nesterov["negation"]), (&"--nesterov".into(), &"--no-nesterov".into()));
    let help = place.run("help settings").done().out;
    assert!(json.iter().all(|setting| help.contains(setting["key"].as_str().unwrap())), "{help}");
    let widest = help.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}: {help}");
}

#[test]
fn values_are_taken_away_and_switches_negated_in_every_place() {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place.write("mine.toml", "patience = 3\nclip_norm = 0.5\n[data]\nbad_images = 'skip'\n");
    let line =
        "train --data data --model small.toml --epochs 1 --batch-size 20 --recipe best --config mine.toml";
    place.run(&format!("{line} --patience none --no-skip-bad --clip-norm none --out run")).done();
    let config = place.text("run/config.toml");
    for key in ["patience", "clip_norm"] {
        assert!(!config.contains(key), "{key}: {config}");
    }
    assert!(config.contains("bad_images = \"refuse\""), "{config}");
}
