//! `convscope verify` and `convscope op`.

use ndarray::{Array, Array4, array};
use ndarray_npy::{NpzReader, ReadNpyExt, write_npy};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use crate::place::Place;

/// A case of the operator relu in PyTorch's format.
fn write_case(path: &Path, op: &str, arguments: &str, input: [f32; 2], expected: [f64; 2]) {
    let input: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
    let expected: Vec<u8> = expected.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = [
        ("input", TensorView::new(Dtype::F32, vec![2], &input).unwrap()),
        ("expect.output", TensorView::new(Dtype::F64, vec![2], &expected).unwrap()),
    ];
    let metadata = [("format", "convscope-case-1"), ("op", op), ("args", arguments)];
    let metadata = HashMap::from(metadata.map(|(key, value)| (key.to_owned(), value.to_owned())));
    fs::write(path, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
}

#[test]
fn recorded_cases_pass_and_are_listed() {
    let place = Place::new();
    let text = place.run("verify relu conv2d").done().out;
    let lines: Vec<&str> = text.lines().filter(|line| line.ends_with("equal")).collect();
    assert!(lines.len() == 2 && lines[0].starts_with("conv2d") && lines[1].starts_with("relu"), "{text}");
    let report: serde_json::Value =
        serde_json::from_str(&place.run("verify softmax --json").done().out).unwrap();
    assert_eq!(report["operators"][0]["operator"], "softmax");
    assert!(report["operators"][0]["cases"].as_u64().unwrap() >= 25);
    assert_eq!(report["failures"], serde_json::json!([]));
}

#[test]
fn a_wrong_case_is_shown_in_full() {
    let place = Place::new();
    fs::create_dir(place.path("cases")).unwrap();
    write_case(&place.path("cases/right.safetensors"), "relu", "{}", [-1.0, 2.0], [0.0, 2.0]);
    place.run("verify --cases cases").done();
    write_case(&place.path("cases/wrong.safetensors"), "relu", "{}", [-1.0, 2.0], [0.0, 2.5]);
    let ran = place.run("verify --cases cases");
    assert_eq!(ran.code, Some(1));
    for part in
        ["1 of 2 cases failed", "case       wrong", "at [1]: ours 2, expected 2.5", "tensor     input [2]"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn what_is_no_case_is_named() {
    for (op, arguments, expected) in [
        ("conv3d", "{}", "no operator is called conv3d"),
        ("relu", r#"{"slope": 2}"#, "slope"),
        ("relu", "{", "args"),
    ] {
        let place = Place::new();
        fs::create_dir(place.path("cases")).unwrap();
        write_case(&place.path("cases/odd.safetensors"), op, arguments, [1.0, 2.0], [1.0, 2.0]);
        let ran = place.run("verify --cases cases");
        assert_eq!(ran.code, Some(1));
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("odd") && said.contains(expected), "{expected}: {said}");
    }
    let place = Place::new();
    fs::create_dir(place.path("cases")).unwrap();
    place.run("verify --cases cases").failed(1, &["has no .safetensors files"]);
    place.write("cases/text.safetensors", "no case");
    place.run("verify --cases cases").failed(1, &["text: not a safetensors file"]);
    place.run("verify conv3d").failed(2, &["no operator is called conv3d; there are adaptive_avg_pool2d, "]);
}

#[test]
fn without_pytorch_it_says_how_to_install_it() {
    let ran = Place::new().run("--quiet verify --against-pytorch --python no-such-python");
    ran.failed(1, &["no-such-python", "install Python 3.10 or later and PyTorch"]);
}

#[test]
fn an_operator_runs_on_files() {
    let place = Place::new();
    let input = Array::from_shape_vec((1, 1, 1, 4), vec![1.0f32, 5.0, 2.0, 3.0]).unwrap();
    write_npy(place.path("x.npy"), &input).unwrap();
    let pool = "op max_pool2d --input x.npy --kernel-size (1,2) --stride 1";
    place.run(&format!("{pool} --output y.npy")).done();
    let output = Array4::<f32>::read_npy(File::open(place.path("y.npy")).unwrap()).unwrap();
    assert_eq!(output, array![[[[5.0, 5.0, 3.0]]]]);

    write_npy(place.path("d.npy"), &Array4::<f32>::ones((1, 1, 1, 3))).unwrap();
    place.run(&format!("{pool} --grad-output d.npy --output all.npz")).done();
    let mut npz = NpzReader::new(File::open(place.path("all.npz")).unwrap()).unwrap();
    let d_input: Array4<f32> = npz.by_name("grad.input").unwrap();
    assert_eq!(d_input, array![[[[0.0, 2.0, 0.0, 1.0]]]]);
    assert_eq!(place.run("op relu --input y.npy").done().out, "output [1, 1, 1, 3]\n[[[[5, 5, 3]]]]\n");

    place.run("op max_pool2d --input x.npy --kernel_size 9").failed(1, &["max_pool2d: "]);
    place.run("op max_pool2d --input absent.npy").failed(1, &["absent.npy: cannot be read"]);
    place.run("op relu --input x.npy --colour 1").failed(1, &["relu: arguments: ", "colour"]);
    place.run("op max_pool3d").failed(2, &["no operator is called max_pool3d"]);
    place.run("op relu x.npy").failed(2, &["'x.npy' is not a flag"]);
}

#[test]
fn an_operator_has_help_of_its_own() {
    let place = Place::new();
    for line in ["op conv2d --help", "op conv2d -h", "op conv2d --stride 2 --help"] {
        let help = place.run(line).done().out;
        for part in
            ["--weight", "--padding_mode", "zeros, reflect, replicate or circular", "--dilation", "--output"]
        {
            assert!(help.contains(part), "{line}: {part}: {help}");
        }
        assert!(!help.contains("Examples:"), "{help}");
    }
    let help = place.run("op max_pool2d --help").done().out;
    assert!(help.contains("required") && !help.contains("--weight"), "{help}");
    assert!(place.run("op --help").done().out.contains("convscope op conv2d --help"));
    assert_eq!(place.run("op").code, Some(2));
}

#[test]
fn an_operator_can_be_quiet() {
    let place = Place::new();
    write_npy(place.path("x.npy"), &array![-1.0f32, 2.0]).unwrap();
    assert_eq!(place.run("op relu --input x.npy --output y.npy").done().err, "wrote y.npy\n");
    for line in ["op relu -q --input x.npy --output y.npy", "op relu --input x.npy --output y.npy --quiet"] {
        assert_eq!(place.run(line).done().err, "", "{line}");
    }
}

/// The example in docs/cases.md.
#[test]
fn the_documented_case_format_is_the_one_that_is_read() {
    let help = Place::new().run("verify --help").done().out;
    let docs = include_str!("../../../../docs/cases.md");
    for part in ["convscope-case-1", "expect.output", "grad_output", "tolerance"] {
        assert!(help.contains(part) && docs.contains(part), "{part}");
    }
}
