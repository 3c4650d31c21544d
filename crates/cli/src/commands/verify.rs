//! `convscope verify`: checks every operator against PyTorch.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ArgGroup;
use convscope_data::ImageSize;
use convscope_report::table::{Cell, Column, Table, Tone};
use convscope_verify::{
    Case, CaseFailure, OperatorSummary, Report, from_pytorch, operators, read_folder, recorded, verify,
};

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::onnx_cases;
use crate::onnx_nodes::{self, Compared};

/// Check every operator against PyTorch, forward and backward
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(ArgGroup::new("against").args(["against_pytorch", "against_onnxruntime"])))]
pub(crate) struct Args {
    /// Check only these operators, by PyTorch's names [default: all]; with --against-onnxruntime, an ONNX file
    #[arg(value_name = "OPERATOR|NET.onnx")]
    operators: Vec<String>,

    /// Check the case files in a folder instead of the recorded ones; docs/cases.md describes the format
    #[arg(long, value_name = "DIR", conflicts_with_all = ["against_pytorch", "operators"])]
    cases: Option<PathBuf>,

    /// Run the cases in a folder that have the form of ONNX's own tests; docs/onnx.md describes it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["against_pytorch", "operators", "cases"])]
    onnx: Option<PathBuf>,

    /// Use PyTorch on this machine for fresh random cases
    #[arg(long)]
    against_pytorch: bool,

    /// Compare every node of the network NET.onnx with onnxruntime on this machine, on a random image
    #[arg(long, requires = "operators", conflicts_with_all = ["against_pytorch", "cases", "onnx"])]
    against_onnxruntime: bool,

    /// The Python executable with PyTorch, or with onnxruntime
    #[arg(long, value_name = "PATH", default_value = "python3", requires = "against")]
    python: PathBuf,

    /// The seed of the random cases, or of the random image
    #[arg(long, value_name = "N", default_value_t = 1, requires = "against")]
    seed: u64,

    /// Rows and columns of the image, for a network that takes any size
    #[arg(long, value_name = "PIXELS", default_value = "224", requires = "against_onnxruntime")]
    image_size: ImageSize,

    /// Number of random cases, over all operators
    #[arg(long, value_name = "N", default_value_t = 500, requires = "against_pytorch")]
    count: usize,

    /// Print a JSON document: the operators, and the cases that failed
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
The recorded cases are PyTorch's float64 answers to float32 inputs. A case passes if no value differs from \
PyTorch's by more than the tolerance times the largest expected value, or than the tolerance if that value is below 1. The \
tolerance is 1e-6 except for ill-conditioned cases, which specify their own. The exit code is 1 if a case fails.

Nodes of a network may be off from onnxruntime's by 1e-4 of the largest number of their value.

A case file is a .safetensors file. Its metadata is format = convscope-case-1, op (PyTorch's name), args (a JSON object with \
PyTorch's argument names) and, if it is not 1e-6, tolerance. Its tensors are input, weight, ... (float32 or int64), \
grad_output if gradients are checked, and the expected values as float64: expect.output, expect.grad.input, ... \
docs/cases.md has the details and a script.

Examples:
  convscope verify
  convscope verify conv2d max_pool2d
  convscope verify --against-pytorch --count 2000 --seed 7
  convscope verify --against-pytorch --python .venv/bin/python roi_align
  convscope verify --cases my_cases --json
  convscope verify --onnx node
  convscope verify net.onnx --against-onnxruntime --python .venv/bin/python";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(folder) = &args.onnx {
        return onnx_cases::run(folder, args.json, *console);
    }
    if args.against_onnxruntime {
        return onnx_nodes::run(&network(args)?, args.json, *console);
    }
    let known = operators();
    if let Some(unknown) = args.operators.iter().find(|name| !known.contains(&name.as_str())) {
        let is_file = unknown.ends_with(".onnx");
        let advice = if is_file { "; compare a network with --against-onnxruntime" } else { "" };
        let message = format!("no operator is called {unknown}{advice}; there are {}", known.join(", "));
        return Err(UsageError(message).into());
    }
    let report = verify(&cases(args, *console)?);
    if args.json {
        console.result(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        console.result(&text(&report, *console))?;
    }
    Ok(if report.failures.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The network to compare with onnxruntime.
fn network(args: &Args) -> Result<Compared<'_>> {
    let [path] = args.operators.as_slice() else {
        return Err(UsageError("--against-onnxruntime compares one ONNX file".to_owned()).into());
    };
    let ImageSize { height, width } = args.image_size;
    Ok(Compared { python: &args.python, path: Path::new(path), size: [height, width], seed: args.seed })
}

fn cases(args: &Args, console: Console) -> Result<Vec<Case>> {
    let names: Vec<&str> = args.operators.iter().map(String::as_str).collect();
    Ok(match &args.cases {
        Some(folder) => read_folder(folder)?,
        None if args.against_pytorch => {
            console.note(&format!("running {} for {} random cases", args.python.display(), args.count));
            from_pytorch(&args.python, args.seed, args.count, &names)?
        }
        None => recorded(&names)?,
    })
}

fn text(report: &Report, console: Console) -> String {
    let columns = [
        Column::left("operator"),
        Column::right("cases"),
        Column::right("largest error forward"),
        Column::right("backward"),
        Column::left("verdict"),
    ];
    let mut table = Table::new(columns);
    for summary in &report.operators {
        table.row(row(summary));
    }
    let cases: usize = report.operators.iter().map(|summary| summary.cases).sum();
    let mut text = table.render(console.style());
    text += "\n";
    match report.failures.first() {
        None => text += &format!("all {cases} cases agree with PyTorch\n"),
        Some(worst) => {
            text += &format!("{} of {cases} cases failed; the worst:\n\n", report.failures.len());
            text += &in_full(worst);
        }
    }
    text
}

fn row(summary: &OperatorSummary) -> [Cell; 5] {
    let error = |error: f64| if error == 0.0 { "0".to_owned() } else { format!("{error:.1e}") };
    let verdict = match summary.failed {
        0 => Cell::new("equal", Tone::Good),
        failed => Cell::new(format!("{failed} failed"), Tone::Bad),
    };
    [
        Cell::from(summary.operator.clone()),
        Cell::from(summary.cases.to_string()),
        Cell::from(error(summary.forward)),
        Cell::from(summary.backward.map_or("-".to_owned(), error)),
        verdict,
    ]
}

/// A failed case with all details.
fn in_full(failure: &CaseFailure) -> String {
    let CaseFailure { case, operator, arguments, shapes, tolerance, comparisons, problem } = failure;
    let mut text = format!("case       {case}\noperator   {operator}\narguments  {arguments}\n");
    for (name, shape) in shapes {
        text += &format!("tensor     {name} {shape:?}\n");
    }
    if let Some(problem) = problem {
        text += &format!("problem    {problem}\n");
    }
    for comparison in comparisons.iter().filter(|comparison| !comparison.passed) {
        text +=
            &format!("differs    {} by {:.3e}, allowed {tolerance:.0e}", comparison.tensor, comparison.error);
        if let Some(worst) = &comparison.worst {
            text += &format!(" at {:?}: ours {}, expected {}", worst.position, worst.ours, worst.expected);
        }
        text += "\n";
    }
    text
}
