//! `convscope summary`: a network in numbers.

use std::path::Path;

use anyhow::Result;
use convscope_graph::{Graph, LayerSummary, ModelDescription, ModelFile, ModelSummary, PRESETS, preset_file};
use convscope_report::number::{bytes, count, thousands};
use convscope_report::{Cell, Column, Style, Table, Tone};
use convscope_train::model::{TrainedModel, resolve_model};

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::at_least_1;

/// Show a network layer by layer: shapes, parameters, multiply-adds, memory
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A preset (plain8, plain8-bn, resnet8), a model file (.toml), or a run directory or weights file
    #[arg(value_name = "MODEL")]
    model: String,

    /// Images in a training batch, for the memory that training needs
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_1())]
    batch_size: u64,

    /// Side of the images in pixels [default: what the model file says, else 32]
    #[arg(long, value_name = "PIXELS", value_parser = at_least_1())]
    image_size: Option<u64>,

    /// Number of classes [default: 10]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    classes: Option<u64>,

    /// Print the network as a model file to start from
    #[arg(long, conflicts_with = "json")]
    toml: bool,

    /// Print the numbers as a JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Multiply-adds and activation bytes are those of one image. Training memory is what the program holds for weights, \
gradients, Adam's state and the values of one batch; the images themselves come on top.

Examples:
  convscope summary plain8
  convscope summary resnet8 --image-size 64 --classes 37 --batch-size 64
  convscope summary plain8 --toml > mine.toml      then: convscope train --model mine.toml";

/// Values that Adam keeps for each parameter.
const ADAM_VALUES: usize = 2;

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.toml {
        console.result(&model_file(args)?)?;
        return Ok(Exit::Done);
    }
    let graph = Graph::new(describe(args)?)?;
    let summary = ModelSummary::new(&graph, size(args.batch_size), ADAM_VALUES);
    if args.json {
        console.result(&format!("{}\n", serde_json::to_string_pretty(&summary)?))?;
    } else {
        console.result(&render(&summary, graph.description().input, console.style()))?;
    }
    Ok(Exit::Done)
}

/// Where a trained network is meant, rather than the description of one.
fn is_trained(model: &str) -> bool {
    let path = Path::new(model);
    !PRESETS.contains(&model)
        && (path.is_dir() || path.extension().is_some_and(|extension| extension == "safetensors"))
}

fn describe(args: &Args) -> Result<ModelDescription> {
    if is_trained(&args.model) {
        if args.image_size.is_some() || args.classes.is_some() {
            let message =
                "a trained network has its image size and classes; leave out --image-size and --classes";
            return Err(UsageError(message.into()).into());
        }
        return Ok(TrainedModel::open(Path::new(&args.model), 1)?.graph().description().clone());
    }
    let side = args.image_size.map(size);
    let input = match side {
        Some(side) => [3, side, side],
        None => own_input(&args.model)?.unwrap_or([3, 32, 32]),
    };
    Ok(resolve_model(&args.model, input, size(args.classes.unwrap_or(10)), None)?)
}

/// The input shape that a model file asks for.
fn own_input(model: &str) -> Result<Option<[usize; 3]>> {
    let is_file = Path::new(model).extension().is_some_and(|extension| extension == "toml");
    Ok(if is_file { ModelFile::read(Path::new(model))?.input() } else { None })
}

fn model_file(args: &Args) -> Result<String> {
    if PRESETS.contains(&args.model.as_str()) && args.image_size.is_none() && args.classes.is_none() {
        return Ok(preset_file(&args.model)?.to_owned());
    }
    let description = describe(args)?;
    Graph::new(description.clone())?;
    Ok(description.to_toml())
}

fn render(summary: &ModelSummary, input: [usize; 3], style: Style) -> String {
    let mut table = Table::new([
        Column::left("layer"),
        Column::left("kind"),
        Column::left("output shape"),
        Column::right("parameters"),
        Column::right("multiply-adds"),
        Column::right("activations"),
        Column::left("inputs"),
    ]);
    let mut before = "input";
    for layer in &summary.layers {
        table.row([
            Cell::from(layer.name.as_str()),
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
    let all = summary.trained_parameters + summary.other_parameters;
    let activations: usize = summary.layers.iter().map(|layer| layer.activation_bytes).sum();
    table.row([
        Cell::new("total", Tone::Bold),
        "".into(),
        "".into(),
        number(all as u64),
        number(summary.multiply_adds),
        bytes(activations as u64).into(),
        "".into(),
    ]);
    format!(
        "{name} for images of {input}\n\n{table}\n\
         trained parameters   {trained}\n\
         other parameters     {other}\n\
         multiply-adds        {adds} an image\n\
         training memory      {memory} at batch size {batch} with Adam\n",
        name = summary.name,
        input = shape(&input),
        table = table.render(style),
        trained = thousands(summary.trained_parameters as u64),
        other = thousands(summary.other_parameters as u64),
        adds = count(summary.multiply_adds),
        memory = bytes(summary.training_bytes as u64),
        batch = summary.batch,
    )
}

/// `16x32x32`.
fn shape(axes: &[usize]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

fn number(value: u64) -> Cell {
    if value == 0 { Cell::new("0", Tone::Dim) } else { thousands(value).into() }
}

/// The inputs where they are not simply the layer before.
fn inputs(layer: &LayerSummary, before: &str) -> String {
    if layer.inputs == [before] { String::new() } else { layer.inputs.join(", ") }
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
