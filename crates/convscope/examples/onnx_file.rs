//! Writes a trained network as an ONNX file, reads it like anybody's, and looks inside.
//!
//! `cargo run --release --example onnx_file [NET.onnx]` reads another file instead.

use std::error::Error;
use std::path::PathBuf;

use convscope::onnx::export::{ExportOptions, export};
use convscope::prelude::*;
use convscope::train::onnx::{OnnxUse, read_onnx};

fn main() -> Result<(), Box<dyn Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => written()?,
    };
    let weights = read_onnx(&path, &OnnxUse::default())?;
    println!("{}: {} classes, such as {}", path.display(), weights.classes.len(), weights.classes[0]);
    let inspector = Inspector::new(weights)?;
    for node in inspector.graph().nodes() {
        println!("{:24} {:16} {}", node.name, node.operator.name(), node.shape);
    }
    Ok(())
}

/// The path of a network that has just been trained.
fn written() -> Result<PathBuf, Box<dyn Error>> {
    let shapes = SplitCounts { train: 600, val: 100, test: 100 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
    let mut session = Session::new(config, source)?;
    session.train()?;
    let path = std::env::temp_dir().join("convscope-example.onnx");
    std::fs::write(&path, export(session.model()?.weights(), ExportOptions::default())?)?;
    Ok(path)
}
