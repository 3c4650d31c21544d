//! The examples are short, and do what they say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An example that `cargo test` has built next to this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn run(name: &str) -> String {
    let output = Command::new(example(name)).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The number between two texts.
fn number(text: &str, before: &str, after: &str) -> f64 {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no `{before}` in {text}"));
    rest.split_once(after).unwrap().0.trim().parse().unwrap()
}

#[test]
fn a_network_of_ones_own_learns_and_is_saved() {
    let accuracy = number(&run("own_network"), "test accuracy ", " %");
    assert!(accuracy > 20.0, "{accuracy} %, but guessing gives 10");
    let file = std::env::temp_dir().join("own.safetensors");
    let mut model = convscope::train::TrainedModel::open(&file, 4).unwrap();
    assert_eq!(model.graph().nodes()[1].name, "half");
    let images = convscope::ndarray::Array4::zeros([2, 3, 32, 32]);
    let sums = model.predict_images(images.view()).unwrap().sum_axis(convscope::ndarray::Axis(1));
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums}");
}

#[test]
fn arrays_of_ones_own_are_learned() {
    let printed = run("own_data");
    assert!(number(&printed, "validation accuracy ", " %") > 90.0, "{printed}");
    assert_eq!(printed.lines().count(), 4, "{printed}");
}

#[test]
fn a_look_inside_shows_layers_and_heat_maps() {
    let printed = run("look_inside");
    assert!(printed.lines().any(|line| line.starts_with("batch_normalization_7 ")), "{printed}");
    assert!(printed.contains("Grad-CAM of ") && printed.contains(" layers have maps"), "{printed}");
}

#[test]
fn an_operator_of_ones_own_learns_and_is_looked_into() {
    let printed = run("own_operator");
    assert!(number(&printed, "test accuracy ", " %") > 20.0, "{printed}");
    let size = number(&printed, "features/first swish (swish): mean |activation| ", "\n");
    assert!(size > 0.0, "{printed}");
    // Where the operator is not registered, its file names it.
    let file = std::env::temp_dir().join("swished.safetensors");
    let message = convscope::train::TrainedModel::open(&file, 4).err().unwrap().to_string();
    assert!(message.contains("unknown operator `swish`"), "{message}");
}

#[test]
fn the_first_examples_are_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["own_network", "own_data", "look_inside"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        assert!(text.lines().count() <= 40, "{name} has {} lines", text.lines().count());
    }
}
