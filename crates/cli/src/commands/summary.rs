//! `convscope summary`: a network in numbers.

use anyhow::Result;
use convscope_graph::{Graph, LayerSummary, ModelSummary, PRESETS, ValueId, preset_file};
use convscope_report::escape::escaped;
use convscope_report::number::{bytes, count, thousands};
use convscope_report::{Cell, Column, Style, Table, Tone, torch};
use convscope_train::TrainConfig;
use convscope_train::memory::Footprint;
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{Threads, images_of_batch};
use crate::model_flags::{Sizes, size};

/// Show a network layer by layer: shapes, parameters, multiply-adds, memory
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A preset, such as plain8 or mobilenet_v2 (docs/models.md lists them), a model file (.toml), an ONNX file, or a run directory or weights file
    #[arg(value_name = "MODEL")]
    model: String,

    /// Images per training batch, for the memory that training needs
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = images_of_batch())]
    batch_size: u64,

    /// Images of the data held in memory during training, for the same figure
    #[arg(long, value_name = "N", default_value_t = 0)]
    images: u64,

    #[command(flatten)]
    sizes: Sizes,

    #[command(flatten)]
    threads: Threads,

    /// Print the network as a model file, as a starting point for your own
    #[arg(long, conflicts_with = "json")]
    toml: bool,

    /// Print the network as a PyTorch module that loads the weights with `load_state_dict`
    #[arg(long, conflicts_with_all = ["json", "toml"])]
    torch: bool,

    /// Print the numbers as a JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Multiply-adds and activation bytes are per image. Training memory is the most that \
`convscope train` with Adam will use at any time: the program, images, batches, weights, gradients, Adam's state, the values \
of a batch in training and in validation, and a checkpoint while it is written. It grows with the number of threads.

Examples:
  convscope summary plain8
  convscope summary resnet8 --image-size 64 --classes 37 --batch-size 64
  convscope summary plain8 --images 60000 --threads 8
  convscope summary plain8 --toml > mine.toml      then: convscope train --model mine.toml
  convscope summary runs/plain8 --torch > network.py";

/// The keys of `--json`.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    summary: ModelSummary,
    /// Images per batch assumed in `training_bytes`.
    batch: usize,
    /// The largest resident memory of a training run.
    training_bytes: u64,
    /// Its parts.
    training_memory: Footprint,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.toml {
        console.result(&model_file(args)?)?;
        return Ok(Exit::Done);
    }
    let graph = Graph::new(args.sizes.describe(&args.model)?)?;
    if args.torch {
        console.result(&torch::module(&graph)?)?;
        return Ok(Exit::Done);
    }
    let image = graph.image();
    let batch = size(args.batch_size);
    let config = TrainConfig { batch_size: batch, ..TrainConfig::default() };
    let image_bytes = image.iter().map(|&side| side as u64).fold(args.images, u64::saturating_mul);
    let training_memory = args.threads.run(None, || Ok(Footprint::new(&config, &graph, image_bytes)))?;
    let training_bytes = training_memory.total();
    let summary = ModelSummary::new(&graph);
    let document = Document { summary, batch, training_bytes, training_memory };
    if args.json {
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        console.result(&render(&document, &graph, console.style()))?;
    }
    for node in graph.unused() {
        let name = escaped(&node.name);
        console.note(&format!("note: nothing uses the value of {name}, and it is not an output"));
    }
    Ok(Exit::Done)
}

fn model_file(args: &Args) -> Result<String> {
    if PRESETS.contains(&args.model.as_str()) && !args.sizes.is_given() {
        return Ok(preset_file(&args.model)?.to_owned());
    }
    let description = args.sizes.describe(&args.model)?;
    Graph::new(description.clone())?;
    Ok(description.to_toml())
}

fn render(document: &Document, graph: &Graph, style: Style) -> String {
    let summary = &document.summary;
    let mut table = Table::new([
        Column::left("layer"),
        Column::left("kind"),
        Column::left("output shape"),
        Column::right("parameters"),
        Column::right("multiply-adds"),
        Column::right("activations"),
        Column::left("inputs"),
    ]);
    let mut before = graph.value_name(ValueId::Input(0));
    for layer in &summary.layers {
        table.row([
            Cell::from(&*escaped(&layer.name)),
            layer.kind.as_str().into(),
            shape(&layer.output_shape).into(),
            number(layer.parameters as u64),
            number(layer.multiply_adds),
            bytes(layer.activation_bytes as u64).into(),
            Cell::new(inputs(layer, before), Tone::Dim),
        ]);
        before = &layer.name;
    }
    table.rule();
    let activations: usize = summary.layers.iter().map(|layer| layer.activation_bytes).sum();
    table.row([
        Cell::new("total", Tone::Bold),
        "".into(),
        "".into(),
        number(summary.trained_parameters as u64),
        number(summary.multiply_adds),
        bytes(activations as u64).into(),
        "".into(),
    ]);
    format!(
        "{name} for {inputs}\n\n{table}\n\
         parameters           {trained}\n\
         running statistics   {statistics}\n\
         multiply-adds        {adds} per image\n\
         training memory      {memory} at batch size {batch} with Adam\n",
        name = summary.name,
        inputs = inputs_of(graph),
        table = table.render(style),
        trained = thousands(summary.trained_parameters as u64),
        statistics = thousands(summary.running_statistics as u64),
        adds = count(summary.multiply_adds),
        memory = bytes(document.training_bytes),
        batch = document.batch,
    )
}

/// `images of 3x32x32`; of a network that is not a classifier of images, its inputs by name.
fn inputs_of(graph: &Graph) -> String {
    let named: Vec<String> =
        graph.inputs().map(|(name, axes)| format!("{} {}", escaped(name), shape(axes.axes()))).collect();
    if graph.check_classifier().is_ok() {
        format!("images of {}", shape(&graph.image()))
    } else {
        named.join(", ")
    }
}

/// `16x32x32`.
fn shape(axes: &[usize]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

fn number(value: u64) -> Cell {
    if value == 0 { Cell::new("0", Tone::Dim) } else { thousands(value).into() }
}

/// The inputs, unless they are simply the layer before.
fn inputs(layer: &LayerSummary, before: &str) -> String {
    if layer.inputs == [before] { String::new() } else { layer.inputs.join(", ") }
}
