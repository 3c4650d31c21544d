//! Networks of torchvision that go through the program and back.

use std::path::Path;
use std::process::Command;

/// The same logits, bytes and probabilities of a JPEG in PyTorch, onnxruntime and here; the variable `CONVSCOPE_NETWORKS` has the names
/// of the networks between blanks, otherwise a small one and one whose weights have a version are sent.
#[test]
#[ignore = "needs a python3 with PyTorch, torchvision, onnx, onnxruntime, safetensors and Pillow"]
fn networks_of_torchvision_are_the_same_after_the_exchange() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let names = std::env::var("CONVSCOPE_NETWORKS").unwrap_or("squeezenet1_1 mnasnet1_0".to_owned());
    let mut python = Command::new("python3");
    python.arg(root.join("fixtures/exchange.py")).arg("--check").args(names.split_whitespace());
    let output = python.env("CONVSCOPE", env!("CARGO_BIN_EXE_convscope")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().count(), names.split_whitespace().count(), "{said}");
}
