//! Whole networks that `export_networks.py` wrote, compared with onnxruntime. Run by name:
//! `CONVSCOPE_ONNX_NETWORKS=FOLDER cargo test --release -p convscope-onnx --test networks -- --ignored --nocapture`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_graph::{Executor, Graph};
use convscope_onnx::{Ends, OnnxFile, OnnxOptions, read_array};
use convscope_ops::Mode;

#[test]
#[ignore = "needs the folder that export_networks.py writes"]
fn the_logits_of_exported_networks_are_those_of_onnxruntime() {
    let folder = std::env::var_os("CONVSCOPE_ONNX_NETWORKS").expect("CONVSCOPE_ONNX_NETWORKS is a folder");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut failed = 0;
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        match difference(&case) {
            Ok((nodes, off)) => {
                eprintln!("{name}: {nodes} nodes, logits off by {off:.1e} of the largest");
                failed += usize::from(off > 1e-5 || off.is_nan());
            }
            Err(problem) => {
                eprintln!("{name}: {problem}");
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0);
}

/// The number of nodes, and how far the logits are off as a share of the largest.
fn difference(case: &Path) -> Result<(usize, f32), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let file = OnnxFile::read(&case.join("model.onnx")).map_err(|error| text(&error))?;
    let network = file.network(&OnnxOptions { ends: Ends::AsInFile, ..OnnxOptions::default() });
    let network = network.map_err(|error| text(&error))?;
    let graph = Arc::new(Graph::new(network.description().clone()).map_err(|error| text(&error))?);
    let parameters = network.parameters(&graph).map_err(|error| text(&error))?;
    let nodes = graph.nodes().len();
    let mut executor = Executor::new(graph, Mode::Inference, 1).map_err(|error| text(&error))?;
    executor.load(&parameters);
    let data = case.join("test_data_set_0");
    let input = read_array(&data.join("input_0.pb")).map_err(|error| text(&error))?;
    let expected = read_array(&data.join("output_0.pb")).map_err(|error| text(&error))?;
    let output = executor.outputs(&[input.view()], None).map_err(|error| text(&error))?.remove(0);
    if output.len() != expected.len() {
        return Err(format!("{:?} instead of {:?}", output.shape(), expected.shape()));
    }
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let off = output.iter().zip(&expected).fold(0f32, |off, (a, b)| off.max((a - b).abs()));
    Ok((nodes, off / largest))
}
