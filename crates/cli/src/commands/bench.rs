//! `convscope bench`: how fast a network trains and predicts on this machine.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use convscope_graph::Graph;
use convscope_ops::Precision;
use convscope_report::benchmark::{BenchmarkReport, Start, render};
use convscope_report::plan::precision_name;
use convscope_train::Benchmark;
use convscope_train::memory::peak_memory_bytes;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{PRECISIONS, Threads, at_least_1, images_of_batch, named};
use crate::model_flags::{Sizes, size};
use crate::program::Program;

/// Measure how fast a network trains and predicts on this machine
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A preset, such as plain8 or mobilenet_v2 (docs/models.md lists them), a model file (.toml), an ONNX file, or a run directory or weights file
    #[arg(long, value_name = "MODEL", default_value = "plain8")]
    model: String,

    #[command(flatten)]
    sizes: Sizes,

    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = images_of_batch())]
    batch_size: u64,

    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = named::<Precision>(PRECISIONS))]
    precision: Precision,

    /// Measure each figure for about this long
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,

    /// Measure only these, separated by commas
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    only: Vec<Part>,

    #[command(flatten)]
    threads: Threads,

    /// Print the figures as a JSON document
    #[arg(long)]
    json: bool,

    /// Train this many steps, reporting when the first is done and how much memory was used
    #[arg(long, value_name = "N", hide = true, value_parser = at_least_1())]
    as_child: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Training steps, with the update of the weights by Adam
    Train,
    /// Logits of whole batches
    Inference,
    /// Logits of one image
    Latency,
    /// From the start of the process to the end of the first step, and memory
    Start,
    /// The time of each layer in a training step
    Layers,
}

const AFTER_HELP: &str = "\
Images are noise in memory, so that only computation is measured. Rates are medians over many batches, with their \
quartiles. The peak is what all threads reach with multiply-adds in registers; the ceiling is the speed that the performed \
multiply-adds allow at that peak. A layer's GFLOP/s count the multiply-adds of its definition; its share of the peak counts \
those that are performed, which are fewer with Winograd.

Memory and the time to the first step are measured in a separate process. Other running programs disturb the results.

Examples:
  convscope bench
  convscope bench --model plain8-bn --batch-size 128 --precision bf16
  convscope bench --model net.toml --image-size 64 --only train,layers --threads 1
  convscope bench --json > bench.json";

/// Steps of the child process, enough for its memory to reach its maximum.
const CHILD_STEPS: u64 = 3;
const FIRST_STEP: &str = "first step";
const PEAK_MEMORY: &str = "peak memory";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let graph = Arc::new(Graph::new(args.sizes.describe(&args.model)?)?);
    let budget = Duration::from_secs_f64(args.seconds);
    let benchmark = Benchmark::new(graph, size(args.batch_size), args.precision, budget);
    if let Some(steps) = args.as_child {
        args.threads.run(None, || be_child(&benchmark, steps, *console))?;
        return Ok(Exit::Done);
    }
    // The child runs first, before this process has used memory or time.
    let start = if args.wants(Part::Start) { Some(start(args)?) } else { None };
    let report = args.threads.run(None, || measure(args, &benchmark, start, *console))?;
    if args.json {
        console.result(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        console.result(&render(&report, console.style()))?;
    }
    Ok(Exit::Done)
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn measure(
    args: &Args,
    benchmark: &Benchmark,
    start: Option<Start>,
    console: Console,
) -> Result<BenchmarkReport> {
    let begin = |part: Part, what: &str| {
        let wanted = args.wants(part);
        if wanted {
            console.note(&format!("measuring {what}"));
        }
        wanted
    };
    let setting = benchmark.setting();
    let train = if begin(Part::Train, "training") { Some(benchmark.train()?) } else { None };
    let inference = if begin(Part::Inference, "inference") { Some(benchmark.inference()?) } else { None };
    let latency = if begin(Part::Latency, "one image") { Some(benchmark.latency()?) } else { None };
    let (layers, other) = if begin(Part::Layers, "layers") {
        let (layers, other) = benchmark.layers(&setting.peak)?;
        (Some(layers), Some(other))
    } else {
        (None, None)
    };
    Ok(BenchmarkReport { setting, train, inference, latency, start, layers, other })
}

/// Starts this program again to train a few steps.
fn start(args: &Args) -> Result<Start> {
    let program = Program::this();
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).args([
        "bench",
        "--model",
        &args.model,
        "--precision",
        precision_name(args.precision),
    ]);
    for (flag, value) in [
        ("--as-child", Some(CHILD_STEPS)),
        ("--batch-size", Some(args.batch_size)),
        ("--image-size", args.sizes.image_size),
        ("--classes", args.sizes.classes),
        ("--threads", args.threads.threads),
    ] {
        command.args(value.map(|value| format!("{flag}={value}")));
    }
    command.args(args.sizes.options.arguments());
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("the child process")?;
    let mut lines = BufReader::new(child.stdout.take().context("the child process has no output")?).lines();
    let first = lines.next().transpose()?;
    let first_step_seconds = started.elapsed().as_secs_f64();
    let rest = lines.collect::<std::io::Result<Vec<String>>>()?;
    let status = child.wait()?;
    if first.as_deref() != Some(FIRST_STEP) || !status.success() {
        bail!("the process for a few training steps ended with {status}");
    }
    let memory = rest.iter().find_map(|line| line.strip_prefix(PEAK_MEMORY)?.trim().parse().ok());
    Ok(Start { first_step_seconds, peak_memory_bytes: memory })
}

fn be_child(benchmark: &Benchmark, steps: u64, console: Console) -> Result<()> {
    let mut workload = benchmark.training_workload()?;
    for step in 0..steps {
        workload.step()?;
        if step == 0 {
            console.result(&format!("{FIRST_STEP}\n"))?;
        }
    }
    if let Some(memory) = peak_memory_bytes() {
        console.result(&format!("{PEAK_MEMORY} {memory}\n"))?;
    }
    Ok(())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds from 0 to 3600".into()),
    }
}
