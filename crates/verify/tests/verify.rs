//! PyTorch's recorded answers, and errors in cases.

use convscope_verify::*;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

#[test]
fn every_operator_gives_pytorchs_answers() {
    let report = verify(&recorded(&[]).unwrap());
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    let names: Vec<&str> = report.operators.iter().map(|summary| summary.operator.as_str()).collect();
    assert_eq!(names, operators());
    for summary in &report.operators {
        assert!(summary.cases >= 25 && summary.failed == 0, "{summary:?}");
        // In single precision, only operators that just copy values are exact to the last bit.
        let is_one_of = |names: &str| names.split(' ').any(|name| name == summary.operator);
        let copies = is_one_of(
            "channel_shuffle concat dropout dropout2d flatten permute pixel_shuffle relu relu6 reshape roi_pool slice \
             stochastic_depth",
        );
        let copies_forward = copies || is_one_of("max_pool2d adaptive_max_pool2d");
        let copies_back = copies || is_one_of("hardtanh");
        assert_eq!(summary.forward == 0.0, copies_forward, "{summary:?}");
        assert_eq!(
            summary.backward,
            if copies_back { Some(0.0) } else { summary.backward.filter(|&d| d > 0.0) }
        );
        assert!(summary.backward.is_some(), "{summary:?}");
    }
    // Only the deliberately ill-conditioned case has its own tolerance.
    let own = recorded(&[]).unwrap().into_iter().filter(|case| case.tolerance != 1e-6);
    assert_eq!(own.map(|case| case.call.operator).collect::<Vec<_>>(), ["batch_norm"]);
}

/// One image through each operator once, as in the example `assignment`.
#[test]
fn the_assignment_agrees() {
    let cases = read_archive(include_bytes!("../fixtures/operators/assignment.tar.gz")).unwrap();
    assert_eq!(cases.len(), 11);
    assert!(cases.iter().all(|case| case.tolerance == 1e-6));
    let report = verify(&cases);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(read_archive(b"no archive").unwrap_err().to_string().starts_with("archive of cases: "));
}

#[test]
fn one_operator_can_be_asked_for() {
    let cases = recorded(&["linear"]).unwrap();
    assert!(cases.iter().all(|case| case.call.operator == "linear") && cases.len() >= 25);
    let message = recorded(&["convolve"]).unwrap_err().to_string();
    assert!(
        message.starts_with("no operator is called convolve; there are adaptive_avg_pool2d,"),
        "{message}"
    );
}

/// A file with this metadata and these tensors.
fn file(metadata: &[(&str, &str)], tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    let metadata: HashMap<String, String> =
        metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    serialize(views, Some(metadata)).unwrap()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const FORMAT: (&str, &str) = ("format", "convscope-case-1");

/// `relu` of `[[-1, 2, 3]]` with this expected output.
fn relu_case(expected: &[f64]) -> Vec<u8> {
    file(
        &[FORMAT, ("op", "relu")],
        &[
            ("input", Dtype::F32, &[1, 3], f32s(&[-1.0, 2.0, 3.0])),
            ("expect.output", Dtype::F64, &[1, expected.len()], f64s(expected)),
        ],
    )
}

#[test]
fn a_wrong_expected_value_is_shown_with_its_place() {
    let right = Case::read("right", &relu_case(&[0.0, 2.0, 3.0])).unwrap();
    let wrong = Case::read("wrong", &relu_case(&[0.0, 2.5, 3.0])).unwrap();
    // Within 1e-6 of the largest value, which is 3.
    let close = Case::read("close", &relu_case(&[0.0, 2.000_002_5, 3.0])).unwrap();
    let apart = Case::read("apart", &relu_case(&[0.0, 2.000_003_5, 3.0])).unwrap();
    let report = verify(&[right, close, apart, wrong]);
    let summary = &report.operators[0];
    assert_eq!((summary.cases, summary.failed, summary.backward), (4, 2, None));
    let names: Vec<&str> = report.failures.iter().map(|failure| failure.case.as_str()).collect();
    assert_eq!(names, ["wrong", "apart"]);
    let compared = &report.failures[0].comparisons[0];
    assert_eq!(compared.tensor, "output");
    assert!((compared.error - 0.5 / 3.0).abs() < 1e-9);
    assert_eq!(compared.worst, Some(Worst { position: vec![0, 1], ours: 2.0, expected: 2.5 }));
    assert_eq!(report.failures[0].shapes["input"], [1, 3]);
}

#[test]
fn nan_and_infinities_must_stand_in_the_same_places() {
    let error = |expected: &[f64]| {
        let case = Case::read("case", &relu_case(expected)).unwrap();
        case.check().unwrap()[0].clone()
    };
    let nan = error(&[0.0, f64::NAN, 3.0]);
    assert!(nan.error.is_infinite() && !nan.passed);
    let worst = nan.worst.unwrap();
    assert!(worst.expected.is_nan() && worst.ours == 2.0 && worst.position == [0, 1]);
    let infinite = error(&[0.0, 2.0, f64::INFINITY]);
    assert!(infinite.error.is_infinite() && !infinite.passed);
    let tensors = |expected: &[f64]| {
        let input = f32s(&[f32::NAN, f32::INFINITY]);
        let expected = f64s(expected);
        let tensors =
            [("input", Dtype::F32, &[2][..], input), ("expect.output", Dtype::F64, &[2][..], expected)];
        Case::read("case", &file(&[FORMAT, ("op", "relu")], &tensors)).unwrap().check().unwrap().remove(0)
    };
    assert!(tensors(&[f64::NAN, f64::INFINITY]).passed);
    assert!(!tensors(&[0.0, f64::INFINITY]).passed);
    assert!(!tensors(&[f64::NAN, f64::NEG_INFINITY]).passed);
}

#[test]
fn indices_must_be_equal() {
    let case = |index: i64| {
        let tensors = [
            ("input", Dtype::F32, &[1, 1, 1, 2][..], f32s(&[1.0, 2.0])),
            ("expect.indices", Dtype::I64, &[1, 1, 1, 1][..], index.to_le_bytes().to_vec()),
        ];
        let args = ("args", "{\"kernel_size\": [1, 2], \"return_indices\": true}");
        let case = Case::read("case", &file(&[FORMAT, ("op", "max_pool2d"), args], &tensors)).unwrap();
        case.check().unwrap().remove(0)
    };
    assert!(case(1).passed);
    assert!(!case(0).passed && case(0).error.is_infinite());
}

/// The message for a case with this metadata and, in addition to an input `[1, 3]`, these tensors.
fn message(metadata: &[(&str, &str)], tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> String {
    let input = ("input", Dtype::F32, &[1, 3][..], f32s(&[-1.0, 2.0, 3.0]));
    let expected = ("expect.output", Dtype::F64, &[1, 3][..], f64s(&[0.0, 2.0, 3.0]));
    let mut all = tensors.to_vec();
    for default in [input, expected] {
        if tensors.iter().all(|(name, ..)| *name != default.0) {
            all.push(default);
        }
    }
    match Case::read("case", &file(metadata, &all)).and_then(|case| case.check()) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    assert!(
        Case::read("notes", b"hello").unwrap_err().to_string().starts_with("notes: not a safetensors file (")
    );
    let mut cut = relu_case(&[0.0, 2.0, 3.0]);
    cut.truncate(cut.len() - 4);
    assert!(Case::read("cut", &cut).unwrap_err().to_string().starts_with("cut: not a safetensors file ("));
    assert_eq!(
        message(&[("op", "relu")], &[]),
        "case: metadata `format` is missing, must be convscope-case-1"
    );
    assert_eq!(
        message(&[("format", "convscope-case-9"), ("op", "relu")], &[]),
        "case: metadata `format` is convscope-case-9, this version reads convscope-case-1"
    );
    assert_eq!(message(&[FORMAT], &[]), "case: metadata `op` is missing");
    let args = message(&[FORMAT, ("op", "relu"), ("args", "[1]")], &[]);
    assert!(args.starts_with("case: metadata `args` is not a JSON object: "), "{args}");
    assert_eq!(
        message(&[FORMAT, ("op", "relu"), ("tolerance", "NaN")], &[]),
        "case: metadata `tolerance` is NaN, must be a finite number of at least 0"
    );
    let nothing = file(&[FORMAT, ("op", "relu")], &[("input", Dtype::F32, &[1], f32s(&[1.0]))]);
    assert_eq!(
        Case::read("case", &nothing).unwrap_err().to_string(),
        "case: relu: tensor expect.output is missing, so the case expects nothing"
    );
}

#[test]
fn what_is_wrong_with_a_call_is_said() {
    assert!(
        message(&[FORMAT, ("op", "conv3d")], &[])
            .starts_with("case: no operator is called conv3d; there are ")
    );
    let op = ("op", "relu");
    let unknown = message(&[FORMAT, op, ("args", "{\"inplace\": true}")], &[]);
    assert_eq!(unknown, "case: relu: arguments: unknown field `inplace`, there are no fields");
    let stride =
        message(&[FORMAT, ("op", "avg_pool2d"), ("args", "{\"kernel_size\": 2, \"strides\": 1}")], &[]);
    assert!(stride.contains("unknown field `strides`, expected one of `kernel_size`, `stride`"), "{stride}");
    assert!(message(&[FORMAT, ("op", "softmax")], &[]).contains("dim is missing"));
    assert_eq!(
        message(&[FORMAT, op], &[("weight", Dtype::F32, &[1], f32s(&[1.0]))]),
        "case: relu: tensor weight is unknown; there are input"
    );
    assert_eq!(message(&[FORMAT, ("op", "linear")], &[]), "case: linear: tensor weight is missing");
    assert_eq!(
        message(&[FORMAT, ("op", "linear")], &[("weight", Dtype::F32, &[3], f32s(&[1.0; 3]))]),
        "case: linear: tensor weight has shape [3], must have 2 axes"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("input", Dtype::F64, &[3], f64s(&[1.0; 3]))]),
        "case: relu: tensor input has type F64, must have F32"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("input", Dtype::U8, &[3], vec![1; 3])]),
        "case: relu: tensor input has type U8; cases have F32, F64 and I64"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("expect.output", Dtype::F64, &[3], f64s(&[1.0; 3]))]),
        "case: relu: tensor output has shape [1, 3], expected [3]"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("expect.output", Dtype::I64, &[1, 3], vec![0; 24])]),
        "case: relu: tensor output has type F32, expected I64"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("expect.indices", Dtype::F64, &[3], f64s(&[1.0; 3]))]),
        "case: relu: tensor indices is expected, but the operator returns output"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("expect.grad.input", Dtype::F64, &[1, 3], f64s(&[1.0; 3]))]),
        "case: relu: tensor grad.input is expected, but the case has no grad_output"
    );
    assert_eq!(
        message(&[FORMAT, op], &[("grad_output", Dtype::F32, &[3], f32s(&[1.0; 3]))]),
        "case: relu: output has shape [1, 3], its gradient [3]"
    );
    let flatten = [FORMAT, ("op", "flatten"), ("args", "{\"start_dim\": 2}")];
    assert_eq!(message(&flatten, &[]), "case: flatten: start_dim is 2, an input of 2 axes takes -2 to 1");
}

#[test]
fn a_case_that_cannot_be_run_fails() {
    let tensors = [("expect.output", Dtype::F64, &[1][..], f64s(&[1.0]))];
    let case = Case::read("case", &file(&[FORMAT, ("op", "relu")], &tensors)).unwrap();
    let report = verify(&[case]);
    assert_eq!((report.operators[0].failed, report.operators[0].backward), (1, None));
    assert_eq!(report.failures[0].problem.as_deref(), Some("case: relu: tensor input is missing"));
    assert!(report.failures[0].error().is_infinite());
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let message = read_folder(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("has no .safetensors files, so there are no cases to check"), "{message}");
    for name in ["b.safetensors", "a.safetensors", "notes.txt"] {
        std::fs::write(folder.path().join(name), relu_case(&[0.0, 2.0, 3.0])).unwrap();
    }
    let cases = read_folder(folder.path()).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(verify(&cases).failures.is_empty());
    let missing = read_folder(&folder.path().join("missing")).unwrap_err().to_string();
    assert!(missing.contains("missing: cannot be read: "), "{missing}");
    std::fs::write(folder.path().join("c.safetensors"), "no").unwrap();
    assert!(read_folder(folder.path()).unwrap_err().to_string().starts_with("c: not a safetensors file"));
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let message = from_pytorch(Path::new("no-such-python"), 1, 1, &[]).unwrap_err().to_string();
    assert!(message.starts_with("no-such-python: cannot be started: "), "{message}");
    assert!(message.ends_with("install Python 3.10 or later and PyTorch"), "{message}");
}

#[test]
#[ignore = "needs a python3 with PyTorch and torchvision"]
fn fresh_random_cases_pass() {
    let cases = from_pytorch(Path::new("python3"), 7, 340, &[]).unwrap();
    assert_eq!(cases.len(), 340);
    assert_ne!(cases, from_pytorch(Path::new("python3"), 8, 340, &[]).unwrap());
    let report = verify(&cases);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

/// The listed arguments of an operator are exactly those that it reads.
#[test]
fn the_listed_arguments_are_those_that_are_read() {
    for operator in operators() {
        let arguments = serde_json::json!({"?": 1}).as_object().cloned().unwrap();
        let call = OperatorCall { operator: operator.to_owned(), arguments, tensors: BTreeMap::new() };
        let problem = call.run(None).unwrap_err().to_string();
        assert!(problem.contains("unknown field `?`"), "{operator}: {problem}");
        let (_, read) = problem.split_once(", ").unwrap();
        let mut read: Vec<&str> = read.split('`').skip(1).step_by(2).collect();
        let mut listed: Vec<&str> =
            convscope_verify::arguments(operator).unwrap().iter().map(|argument| argument.name).collect();
        read.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, read, "{operator}");
    }
    assert_eq!(arguments("conv3d"), None);
}
