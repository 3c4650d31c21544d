//! Where cases come from.

use crate::{Case, VerifyError};
use flate2::read::GzDecoder;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python script that runs PyTorch for [`from_pytorch`].
pub const PYTORCH_SCRIPT: &str = include_str!("../fixtures/operators.py");

macro_rules! archives {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../fixtures/operators/", $name, ".tar.gz")) as &[u8])),*]
    };
}

/// The recorded cases of each operator: safetensors files in a compressed tar.
static RECORDED: [(&str, &[u8]); 48] = archives![
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "add",
    "avg_pool2d",
    "batch_norm",
    "channel_shuffle",
    "concat",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "matmul",
    "max_pool2d",
    "mean",
    "mish",
    "mse_loss",
    "mul",
    "pad",
    "permute",
    "pixel_shuffle",
    "prelu",
    "relu",
    "relu6",
    "reshape",
    "roi_align",
    "roi_pool",
    "sigmoid",
    "silu",
    "slice",
    "softmax",
    "softplus",
    "stochastic_depth",
    "tanh",
];

/// PyTorch's recorded answers, which are part of the program, for the named operators or for all.
///
/// # Errors
/// An unknown name.
pub fn recorded(operators: &[&str]) -> Result<Vec<Case>, VerifyError> {
    if let Some(unknown) = operators.iter().find(|name| RECORDED.iter().all(|(known, _)| known != *name)) {
        let known = RECORDED.map(|(name, _)| name).to_vec();
        return Err(VerifyError::UnknownOperator { name: (*unknown).to_owned(), known });
    }
    let mut cases = Vec::new();
    for (name, archive) in RECORDED {
        if operators.is_empty() || operators.contains(&name) {
            cases.extend(read_archive(archive)?);
        }
    }
    Ok(cases)
}

/// The cases in a `.tar.gz` of case files, in their order.
///
/// # Errors
/// A damaged archive, a file that is not a case.
pub fn read_archive(archive: &[u8]) -> Result<Vec<Case>, VerifyError> {
    unpacked(GzDecoder::new(archive))
}

/// The cases of a folder's `.safetensors` files, in the order of their names.
///
/// # Errors
/// A folder or file that cannot be read, a file that is not a case, a folder without any.
pub fn read_folder(folder: &Path) -> Result<Vec<Case>, VerifyError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| VerifyError::Read { path, source }
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(VerifyError::NoCases(folder.to_owned()));
    }
    let read =
        |path: &PathBuf| Case::read(&stem(path), &convscope_files::read(path).map_err(unreadable(path))?);
    files.iter().map(read).collect()
}

/// Fresh random cases from the PyTorch of a Python on this machine: `count` in all, drawn from `seed`, for the named
/// operators or for all.
///
/// Without torchvision there are none for `roi_pool` and `roi_align`.
///
/// # Errors
/// Python cannot be started or has no PyTorch.
pub fn from_pytorch(
    python: &Path,
    seed: u64,
    count: usize,
    operators: &[&str],
) -> Result<Vec<Case>, VerifyError> {
    let failed = |problem: String| VerifyError::Python { python: python.to_owned(), problem };
    let mut command = Command::new(python);
    command.args(["-", "--random", "--seed", &seed.to_string(), "--count", &count.to_string()]);
    operators.iter().for_each(|name| {
        command.args(["--operator", name]);
    });
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        failed(format!("cannot be started: {error}; install Python 3.10 or later and PyTorch"))
    })?;
    if let Some(mut input) = child.stdin.take() {
        // If Python exits early, its messages say why, so a broken pipe adds nothing.
        let _ = input.write_all(PYTORCH_SCRIPT.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        let last = messages.trim().lines().last().unwrap_or("it gave no message").to_owned();
        return Err(failed(format!("{last} ({})", output.status)));
    }
    unpacked(output.stdout.as_slice())
}

/// Most bytes of an archive's cases when unpacked.
const MOST_UNPACKED: u64 = 1 << 30;

/// The cases of a tar.
fn unpacked(archive: impl Read) -> Result<Vec<Case>, VerifyError> {
    let mut cases = Vec::new();
    for entry in tar::Archive::new(archive.take(MOST_UNPACKED)).entries().map_err(VerifyError::Archive)? {
        let mut entry = entry.map_err(VerifyError::Archive)?;
        let name = stem(&entry.path().map_err(VerifyError::Archive)?);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(VerifyError::Archive)?;
        cases.push(Case::read(&name, &bytes)?);
    }
    Ok(cases)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
