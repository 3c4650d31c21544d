//! Where the weights of a run are.

use std::path::{Path, PathBuf};

use convscope_graph::WeightsFile;

use crate::error::TrainError;
use crate::onnx::{OnnxUse, is_onnx, read_onnx};
use crate::run_dir::RunDir;

/// The weights file of a run: for a run directory, its best weights if the run could stop early, otherwise its last;
/// for a file, the file itself.
///
/// # Errors
/// A folder that is not a run directory, or whose configuration cannot be read; a run without a finished epoch.
pub fn weights_path(run_or_weights_file: &Path) -> Result<PathBuf, TrainError> {
    if !run_or_weights_file.is_dir() {
        return Ok(run_or_weights_file.to_owned());
    }
    let run = RunDir::open(run_or_weights_file)?;
    let best = run.config()?.patience.is_some();
    let path = if best { run.best_weights_path() } else { run.last_weights_path() };
    if !path.is_file() {
        return Err(TrainError::NoWeights { path: run_or_weights_file.to_owned() });
    }
    Ok(path)
}

/// The weights in the [weights file](weights_path) of a run, or in a file; an ONNX file is [read](read_onnx) with what it says
/// of itself.
///
/// # Errors
/// As for [`weights_path`]; a file that is damaged.
pub fn read_weights(run_or_weights_file: &Path) -> Result<WeightsFile, TrainError> {
    let path = weights_path(run_or_weights_file)?;
    if is_onnx(&path) {
        return read_onnx(&path, &OnnxUse::default());
    }
    Ok(WeightsFile::read(&path)?)
}
