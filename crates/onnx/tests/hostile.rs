//! Damaged and hostile files give errors; nothing panics, and memory stays bounded.

use std::path::Path;

use convscope_graph::Graph;
use convscope_onnx::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use convscope_onnx::{Ends, OnnxError, OnnxFile, OnnxOptions};
use prost::Message;

/// Everything that is done with a file before its network runs.
fn read(bytes: Vec<u8>) -> Result<(), OnnxError> {
    let file = OnnxFile::from_bytes("net.onnx", bytes)?;
    for ends in [Ends::Classifier, Ends::AsInFile] {
        let network = file.network(&OnnxOptions { ends, ..OnnxOptions::default() })?;
        let graph = Graph::new(network.description().clone())?;
        if graph.trained_parameters() < 1 << 20 {
            network.parameters(&graph)?;
        }
    }
    Ok(())
}

fn recorded() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/small.onnx")).unwrap()
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = recorded();
    read(whole.clone()).unwrap();
    for len in (0..whole.len() - 200).step_by(131) {
        assert!(read(whole[..len].to_vec()).is_err(), "{len}");
    }
}

#[test]
fn changed_bytes_are_survived() {
    let whole = recorded();
    for at in (0..whole.len()).step_by(7) {
        for value in [0, 0x7f, 0xff, whole[at] ^ 1, whole[at].wrapping_add(8)] {
            let mut changed = whole.clone();
            changed[at] = value;
            let _ = read(changed);
        }
    }
}

/// A file of these nodes, from the recorded one's input.
fn of_nodes(nodes: &[(&str, &[&str], &str)]) -> Vec<u8> {
    let recorded = ModelProto::decode(recorded().as_slice()).unwrap();
    let input = recorded.graph.unwrap().input[0].clone();
    let node = nodes.iter().map(|&(operator, inputs, output)| NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    });
    let graph = GraphProto {
        node: node.collect(),
        input: vec![input],
        output: vec![ValueInfoProto { name: "y".into(), ..ValueInfoProto::default() }],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { version: 17, ..OperatorSetIdProto::default() }];
    ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() }.encode_to_vec()
}

#[test]
fn cycles_and_missing_or_double_values_are_named() {
    let error = |nodes: &[(&str, &[&str], &str)]| read(of_nodes(nodes)).unwrap_err().to_string();
    let cycle = error(&[("Add", &["images", "b"], "a"), ("Relu", &["a"], "b"), ("Relu", &["a"], "y")]);
    assert_eq!(cycle, "a: takes 'b', which nothing before it computes");
    assert_eq!(error(&[("Relu", &["images"], "y"), ("Relu", &["images"], "y")]), "y: is computed twice");
    assert_eq!(error(&[("Relu", &["images"], "z")]), "y: is an output that nothing computes");
    assert!(error(&[]).contains("nothing computes"));
    assert!(read(vec![]).is_err());
}

#[test]
fn everything_unsupported_is_listed_at_once() {
    let nodes: &[(&str, &[&str], &str)] = &[
        ("Erf", &["images"], "a"),
        ("Einsum", &["a"], "b"),
        ("Erf", &["b"], "c"),
        ("Cos", &["images"], "unused"),
        ("Add", &["c", "images"], "y"),
    ];
    let Err(OnnxError::Unsupported(unsupported)) = read(of_nodes(nodes)) else { panic!("not refused") };
    let listed: Vec<_> = unsupported
        .operators
        .iter()
        .map(|operator| (operator.operator.as_str(), operator.count, operator.first_node.as_str()))
        .collect();
    assert_eq!(listed, [("Erf", 2, "a"), ("Einsum", 1, "b")]);
    assert!(!unsupported.is_transformer);
    let attention: &[(&str, &[&str], &str)] =
        &[("Erf", &["images"], "e"), ("Softmax", &["e"], "weights"), ("MatMul", &["weights", "images"], "y")];
    let error = read(of_nodes(attention)).unwrap_err().to_string();
    assert!(error.contains("is a transformer"), "{error}");
}
