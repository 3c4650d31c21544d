//! `convscope export`: a trained network for other programs.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convscope_graph::{Graph, ValueId, WeightsFile, preset};
use convscope_onnx::export::{ExportOptions, export};
use convscope_report::torch_file::{TorchFile, program};

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::network_flags::NetworkFlags;
use crate::shell::shell_word;

/// Write a trained network for other programs: ONNX, safetensors, PyTorch
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    network: NetworkFlags,

    /// Write the network for ONNX's runtimes, for batches of any size
    #[arg(long, value_name = "FILE.onnx", help_heading = FORMATS)]
    onnx: Option<PathBuf>,

    /// Let the ONNX file take pixels from 0 to 255 and normalise them itself
    #[arg(long, requires = "onnx", help_heading = FORMATS)]
    with_normalization: bool,

    /// Let the ONNX file give probabilities instead of the values before the softmax
    #[arg(long, requires = "onnx", help_heading = FORMATS)]
    with_softmax: bool,

    /// Write the arrays under PyTorch's keys, those of torchvision for its networks
    #[arg(long, value_name = "FILE.safetensors", help_heading = FORMATS)]
    safetensors: Option<PathBuf>,

    /// Write the network as PyTorch code that loads its weights, from a safetensors file of the same name beside it
    #[arg(long, value_name = "FILE.py", help_heading = FORMATS)]
    torch: Option<PathBuf>,
}

const FORMATS: &str = "Formats";

const AFTER_HELP: &str = "\
Each format gives the values before the softmax (logits). How a picture is prepared for the network is written into the files; \
docs/weights.md explains it.

Examples:
  convscope export runs/plain8 --onnx plain8.onnx
  convscope export runs/plain8 --onnx plain8.onnx --with-normalization --with-softmax
  convscope export runs/plain8 --safetensors plain8.safetensors
  convscope export runs/plain8 --torch plain8.py         then: python -c 'import plain8; print(plain8.load())'
  convscope export --model resnet18 --weights resnet18.pth --class-names classes.txt --image-size 224 --safetensors resnet18.safetensors";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.onnx.is_none() && args.safetensors.is_none() && args.torch.is_none() {
        return Err(
            UsageError("name a file to write, with --onnx, --safetensors or --torch".to_owned()).into()
        );
    }
    let weights = args.network.weights_alone(*console)?;
    let graph = Graph::new(weights.model.clone())?;
    if let Some(path) = &args.onnx {
        let options = ExportOptions { normalization: args.with_normalization, softmax: args.with_softmax };
        let bytes = export(&weights, options).with_context(|| path.display().to_string())?;
        write(path, &bytes)?;
        console.result(&after_onnx(path, &graph, args.with_normalization))?;
    }
    if let Some(path) = &args.safetensors {
        write(path, &weights.to_bytes())?;
        console.result(&after_safetensors(path, &weights, &graph))?;
    }
    if let Some(path) = &args.torch {
        console.result(&write_torch(path, &weights, &graph)?)?;
    }
    Ok(Exit::Done)
}

/// Writes the code and its weights; returns what to do with them.
fn write_torch(path: &Path, weights: &WeightsFile, graph: &Graph) -> Result<String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let is_python = path.extension().is_some_and(|extension| extension == "py");
    let Some(stem) = stem.filter(|_| is_python) else {
        let message = format!("--torch {}: give the file a name that ends in .py", path.display());
        return Err(UsageError(message).into());
    };
    let beside = path.with_extension("safetensors");
    let name = format!("{stem}.safetensors");
    let file = TorchFile { graph, classes: &weights.classes, input: &weights.input, weights: &name };
    let text = program(&file)?;
    write(&beside, &weights.to_bytes())?;
    write(path, text.as_bytes())?;
    let prepared = weights.input.scale != 1.0;
    // A name that Python can import, from the folder where it is.
    let is_module = path.parent().is_none_or(|folder| folder.as_os_str().is_empty()) && is_identifier(stem);
    let code = match (is_module, prepared) {
        (true, true) => format!("import {stem} as n; print(n.load()(n.prepare(\"cat.jpg\")).softmax(1))"),
        (true, false) => format!("import {stem} as n; print(n.load())"),
        (false, _) => {
            let run = format!("import runpy; n = runpy.run_path({}); ", path_text(path));
            let call = if prepared {
                "print(n[\"load\"]()(n[\"prepare\"](\"cat.jpg\")).softmax(1))"
            } else {
                "print(n[\"load\"]())"
            };
            run + call
        }
    };
    Ok(format!("{}, which loads {}\n{}", path.display(), beside.display(), python(&code)))
}

/// What to do with an ONNX file.
fn after_onnx(path: &Path, graph: &Graph, takes_pixels: bool) -> String {
    let axes: Vec<String> = graph.image().iter().map(ToString::to_string).collect();
    let name = if takes_pixels { "pixels" } else { graph.value_name(ValueId::Input(0)) };
    let zeros = format!("n.zeros((1, {}), n.float32)", axes.join(", "));
    let code = format!(
        "import numpy as n, onnxruntime as o; s = o.InferenceSession({}); print(s.run(None, {{{}: {zeros}}}))",
        path_text(path),
        quoted(name)
    );
    format!("{}, which takes '{name}' [batch, {}]\n{}", path.display(), axes.join(", "), python(&code))
}

/// What to do with a safetensors file.
fn after_safetensors(path: &Path, weights: &WeightsFile, graph: &Graph) -> String {
    let name = &weights.model.name;
    let file = path_text(path);
    let load = "from safetensors.torch import load_file";
    let next = if is_of_torchvision(weights, graph) {
        let network = format!("torchvision.models.{name}(num_classes={})", weights.classes.len());
        // torchvision asks the weights of MNASNet for a version, which only a network's own dictionary has.
        python(&format!(
            "import torchvision; {load}; n = {network}; s = n.state_dict(); s.update(load_file({file})); print(n.load_state_dict(s))"
        ))
    } else {
        python(&format!("{load}; print(load_file({file}).keys())"))
    };
    format!("{}\n{next}  convscope predict {} cat.jpg\n", path.display(), shell_word(path))
}

/// Whether the network is torchvision's of this name, with nothing changed.
fn is_of_torchvision(weights: &WeightsFile, graph: &Graph) -> bool {
    let name = weights.model.name.as_str();
    OF_TORCHVISION.contains(&name)
        && preset(name, graph.image(), weights.classes.len())
            .is_ok_and(|own| own.nodes == weights.model.nodes)
}

/// A line that a shell runs.
fn python(code: &str) -> String {
    format!("  python -c '{}'\n", code.replace('\'', r"'\''"))
}

/// A path as text in Python.
fn path_text(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Text in Python, which has JSON's escapes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_identifier(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(letters)
}

/// Presets whose keys are those of `torchvision.models`.
const OF_TORCHVISION: [&str; 15] = [
    "resnet18",
    "resnet34",
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "squeezenet1_1",
    "densenet121",
    "vgg11_bn",
    "vgg16",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
    "mnasnet1_0",
    "convnext_tiny",
];

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    convscope_files::write_whole(path, |file| file.write_all(bytes))
        .with_context(|| format!("{}: cannot be written", path.display()))
}
