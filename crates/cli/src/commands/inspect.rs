//! `convscope inspect`: what happens inside a trained network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use convscope_data::{Source, Split};
use convscope_inspect::{Choice, Finding, HeatMap, HeatMapMethod, Inspector, LayerTable, Survey};
use convscope_report::number::{duration, percent, thousands};
use convscope_report::{findings, layers};
use serde::Serialize;

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{MaxPixels, SPLITS, Threads, at_least_1, config_of_run, named};
use crate::look::{Look, LookOptions};
use crate::looking::{Closeup, HeatMapChoice, network};
use crate::network_flags::{self, NetworkFlags};
use crate::progress::loss;
use crate::run_page::PAGE_FILE;
use crate::source;

/// Look inside a trained network: a table of its layers, what it means, and the output of each layer
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    network: NetworkFlags,

    #[command(flatten)]
    images: DataFlags,

    /// Compute the layer table over these images of the run; correct and wrong predictions are always of the test
    /// images
    #[arg(long, value_name = "SPLIT", default_value = "train", value_parser = named::<Split>(SPLITS))]
    split: Split,

    /// Use only the first N images [default: all of the split]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    limit: Option<u64>,

    /// Show the output of each layer for this picture file, instead of the first test image that the network gets
    /// right; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "index")]
    image: Vec<PathBuf>,

    /// Show the output of each layer for this image of the split, counted from 0
    #[arg(long, value_name = "N")]
    index: Option<u64>,

    /// Draw Grad-CAM at this layer; may be given several times [default: the last layer with more than one pixel that
    /// everything passes through]
    #[arg(long, value_name = "NAME")]
    layer: Vec<String>,

    /// Draw heat maps for this class; may be given several times [default: the predicted class]
    #[arg(long, value_name = "NAME|INDEX")]
    class: Vec<String>,

    /// Write the activations of the first images, 100 or --limit, to DIR/activations.npz
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,

    /// Write the files to this folder [default: the run directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print a JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
Writes layers.csv, channels.csv, layers.json, findings.json, depth.png, feature_maps/*.png, heat_maps.png, curves.png \
and report.html, which opens with a double-click. A run that is still training is inspected as of its last epoch.

Grad-CAM, saliency and occlusion show where the network looks in the image; on the page, Grad-CAM can be chosen for every \
layer.

In the table, mean |w| and sum |w| are taken over a layer's weights, and mean |a| over its outputs for all images, positions \
and channels; when normalised, the smallest of all layers is 0 and the largest 1. A dead channel is not active on any image.

Examples:
  convscope inspect runs/plain8
  convscope inspect runs/plain8 --split test --limit 1000
  convscope inspect runs/plain8 --image cat.jpg --image dog.jpg
  convscope inspect runs/plain8 --layer conv2d_3 --layer conv2d_7 --class arrow
  convscope inspect runs/plain8 --on holiday-photos --out look
  convscope inspect plain8.safetensors --data photos --out look
  convscope inspect --model net.toml --weights net.safetensors --class-names cat,dog --on photos --out look
  convscope inspect runs/plain8 --index 12 --export activations";

/// Images whose activations are exported if no limit is given.
const EXPORTED: u64 = 100;

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    run: String,
    model: &'a str,
    data: &'a str,
    synthetic: bool,
    split: Split,
    images: u64,
    loss: f64,
    accuracy: f64,
    seconds: f64,
    layers: &'a LayerTable,
    findings: &'a [Finding],
    examples: Vec<Example<'a>>,
    /// The folder of the files.
    folder: String,
}

/// The network's prediction for an image that is shown in detail.
#[derive(Serialize)]
struct Example<'a> {
    name: &'a str,
    label: Option<&'a str>,
    prediction: &'a str,
    probability: f32,
    heat_maps: Vec<Shown<'a>>,
}

/// What a heat map shows.
#[derive(Serialize)]
struct Shown<'a> {
    method: HeatMapMethod,
    layer: Option<&'a str>,
    class: &'a str,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || inspect(args, *console))
}

fn inspect(args: &Args, console: Console) -> Result<Exit> {
    let run = args.network.path();
    let inspector = Inspector::new(args.network.weights(console)?)?.opened_from(run);
    let folder = folder(args)?;
    let limit = args.max_pixels.or_of_run(config_of_run(run)?.as_ref())?;
    let mut inspector = inspector.with_pixel_limit(limit);
    if let Some(note) = network_flags::about_folding(run, inspector.graph()) {
        console.note(&note);
    }
    let asked = args.images.open(&network(run, &inspector), args.split, args.max_pixels, console)?;
    let Asked { source, split } = &asked;
    if let Some(normalization) = args.network.fitted(&**source, *split, console)? {
        inspector = inspector.with_normalization(normalization);
    }
    let options = LookOptions {
        limit: args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        choices: choices(args, *split),
        heat_maps: HeatMapChoice { layers: args.layer.clone(), classes: classes(args, &inspector)? },
    };
    let look = Look::at(&mut inspector, &asked, &args.images, &options, console)?;
    let Look { survey, closeups, .. } = &look;
    look.save(run, folder, source)?;
    let exported = match &args.export {
        Some(folder) => {
            let images = usize::try_from(args.limit.unwrap_or(EXPORTED)).unwrap_or(usize::MAX);
            Some(inspector.export_activations(source, *split, images, folder)?)
        }
        None => None,
    };
    if args.json {
        let document = document(args, folder, survey, closeups, &**source);
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        let mut text = render(args, survey, &**source, console);
        for closeup in closeups {
            text += &format!("image         {}\n", closeup.describe());
        }
        text += &format!("feature maps  {}\n", folder.join("feature_maps").display());
        text += &format!("report        {}\n", folder.join(PAGE_FILE).display());
        if let Some(file) = exported {
            text += &format!("activations   {}\n", file.display());
        }
        console.result(&text)?;
    }
    Ok(Exit::Done)
}

/// The folder for the files.
fn folder(args: &Args) -> Result<&Path> {
    match &args.out {
        Some(folder) => Ok(folder),
        None if args.network.path().is_dir() => Ok(args.network.path()),
        None => {
            let message = format!(
                "{}: this is a weights file; choose the folder for the files with --out",
                args.network.path().display()
            );
            Err(UsageError(message).into())
        }
    }
}

/// The requested images.
fn choices(args: &Args, split: Split) -> Vec<Choice> {
    let index = args.index.map(|index| Choice::Index(split, usize::try_from(index).unwrap_or(usize::MAX)));
    args.image.iter().cloned().map(Choice::File).chain(index).collect()
}

fn classes(args: &Args, inspector: &Inspector) -> Result<Vec<usize>> {
    args.class.iter().map(|class| class_index(class, inspector.classes())).collect()
}

/// The class with this name, or with this index if no class has that name.
fn class_index(text: &str, classes: &[String]) -> Result<usize> {
    let index = || text.parse().ok().filter(|&index| index < classes.len());
    classes.iter().position(|name| name == text).or_else(index).ok_or_else(|| {
        UsageError(format!(
            "--class {text}: the network has no such class; its classes are {}, numbered from 0",
            classes.join(", ")
        ))
        .into()
    })
}

fn document<'a>(
    args: &Args,
    folder: &Path,
    survey: &'a Survey,
    closeups: &'a [Closeup],
    source: &dyn Source,
) -> Document<'a> {
    let shown =
        |map: &'a HeatMap| Shown { method: map.method, layer: map.node.as_deref(), class: &map.class_name };
    let example = |closeup: &'a Closeup| {
        let image = &closeup.maps.image;
        Example {
            name: &image.name,
            label: image.label.map(|label| image.classes[label].as_str()),
            prediction: &image.classes[image.prediction],
            probability: image.probabilities[image.prediction],
            heat_maps: closeup.heat_maps.iter().map(shown).collect(),
        }
    };
    Document {
        run: args.network.path().display().to_string(),
        model: &survey.model,
        data: &survey.data,
        synthetic: source.is_synthetic(),
        split: survey.split,
        images: survey.images,
        loss: survey.loss,
        accuracy: survey.accuracy,
        seconds: survey.seconds,
        layers: &survey.layers,
        findings: &survey.findings,
        examples: closeups.iter().map(example).collect(),
        folder: folder.display().to_string(),
    }
}

fn render(args: &Args, survey: &Survey, source: &dyn Source, console: Console) -> String {
    format!(
        "{run} on {images} {split} images of {data}\n\n\
         loss       {loss}\n\
         accuracy   {accuracy}\n\
         time       {time}\n\n{table}\n{findings}\n",
        run = args.network.path().display(),
        images = thousands(survey.images),
        split = survey.split.adjective(),
        data = source::describe(source),
        loss = loss(survey.loss),
        accuracy = percent(survey.accuracy),
        time = duration(Duration::from_secs_f64(survey.seconds.max(0.0))),
        table = layers::render(&survey.layers, console.style()),
        findings = findings::render(&survey.findings, console.style()),
    )
}
