//! `convscope plan`: how a network runs.

use anyhow::Result;
use convscope_graph::{Ceiling, Graph, PlanSummary};
use convscope_kernels::Isa;
use convscope_kernels::peak::Peak;
use convscope_ops::{BindOptions, Mode, Precision};
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{PRECISIONS, Threads, images_of_batch, named};
use crate::model_flags::{Sizes, size};

/// Show how a network runs: steps, fusion, buffers, work, and the speed that this machine can reach
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A preset, such as plain8 or mobilenet_v2 (docs/models.md lists them), a model file (.toml), an ONNX file, or a run directory or weights file
    #[arg(value_name = "MODEL")]
    model: String,

    #[command(flatten)]
    sizes: Sizes,

    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = images_of_batch())]
    batch_size: u64,

    /// What the plan is for
    #[arg(long, value_enum, default_value_t = Purpose::Training)]
    mode: Purpose,

    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = named::<Precision>(PRECISIONS))]
    precision: Precision,

    #[command(flatten)]
    threads: Threads,

    /// Print the plan as a JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Purpose {
    /// Forward, loss and gradients
    Training,
    /// Forward only
    Inference,
}

const AFTER_HELP: &str = "\
The batch is divided into shards, which may run at the same time. A shard runs a few images at a time through all steps of a \
stage while their values are in the cache; only a layer that couples the images of a batch (batch norm in training) ends \
a stage. Shard slots hold values within a stage, and kept slots those that outlive it. Multiply-adds and bytes are per \
image.

The ceiling is the speed that the multiply-adds alone allow at this machine's peak, which is measured on every call, in \
registers that never wait for memory. Winograd needs fewer products than the definition, so there are two \
ceilings, and the higher one may be more than a direct convolution could reach.

Examples:
  convscope plan plain8
  convscope plan plain8-bn --batch-size 256 --precision bf16
  convscope plan resnet8 --mode inference --image-size 64
  convscope plan net.toml --json";

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    plan: PlanSummary,
    instructions: String,
    /// Multiply-adds per second.
    peak: Peak,
    /// Images per second.
    ceiling: Ceiling,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let graph = Graph::new(args.sizes.describe(&args.model)?)?;
    let mode = match args.mode {
        Purpose::Training => Mode::Training,
        Purpose::Inference => Mode::Inference,
    };
    let plan =
        PlanSummary::new(&graph, BindOptions { mode, precision: args.precision }, size(args.batch_size));
    let peak = args.threads.run(None, || Ok(Peak::measure(Isa::best())))?;
    if args.json {
        let ceiling = plan.ceiling(&peak);
        let document = Document { plan, instructions: Isa::best().to_string(), peak, ceiling };
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        console.result(&convscope_report::plan::render(&plan, &peak, console.style()))?;
    }
    Ok(Exit::Done)
}
