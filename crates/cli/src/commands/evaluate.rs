//! `convscope evaluate`: the accuracy of a trained network.

use anyhow::{Context, Result};
use convscope_data::{DataError, Source, Split};
use convscope_ops::Precision;
use convscope_report::number::{duration, percent, thousands};
use convscope_report::{Cell, Column, ConfusionMatrix, Style, Table};
use convscope_train::Evaluation;
use convscope_train::model::TrainedModel;
use convscope_train::{TrainError, Views};
use serde::Serialize;

use crate::asked::{Asked, DataFlags, Network};
use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{MaxPixels, PRECISIONS, SPLITS, Threads, VIEWS, named};
use crate::network_flags::NetworkFlags;
use crate::progress::loss;
use crate::{course, source};

/// Measure a trained network: loss, accuracy, precision and recall, confusion matrix
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    network: NetworkFlags,

    #[command(flatten)]
    images: DataFlags,

    /// Which of the run's images to use
    #[arg(long, value_name = "SPLIT", default_value = "test", value_parser = named::<Split>(SPLITS))]
    split: Split,

    /// Average the probabilities of each image and its mirror image (`flip`)
    #[arg(long, value_name = "VIEWS", default_value = "none", value_parser = named::<Views>(VIEWS))]
    tta: Views,

    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = named::<Precision>(PRECISIONS))]
    precision: Precision,

    /// Print a JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
For a run directory, the best weights are used if it was trained with --patience, otherwise the last ones; name a file to \
use others.

Precision is the share of the images predicted as a class that belong to it, recall the share of the images of a class \
that are predicted as it, and F1 their harmonic mean.

Examples:
  convscope evaluate runs/plain8
  convscope evaluate runs/plain8 --split val --json
  convscope evaluate runs/plain8 --tta flip
  convscope evaluate runs/plain8 --on holiday-photos
  convscope evaluate plain8.safetensors --data photos";

/// Images processed together.
const BATCH_SIZE: usize = 256;

/// The keys of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    run: String,
    data: &'a str,
    synthetic: bool,
    split: Split,
    tta: Views,
    precision: Precision,
    images: u64,
    /// How many of them have an output that is not finite.
    not_finite: u64,
    loss: f64,
    accuracy: f64,
    /// The mean recall of the classes that have images.
    balanced_accuracy: f64,
    #[serde(skip)]
    is_uneven: bool,
    classes: Vec<ClassReport<'a>>,
    /// A row for each true class, a column for each predicted one.
    confusion: Vec<Vec<u64>>,
    seconds: f64,
}

#[derive(Serialize)]
struct ClassReport<'a> {
    class: &'a str,
    #[serde(flatten)]
    scores: convscope_train::metrics::ClassScores,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || evaluate(args, *console))
}

fn evaluate(args: &Args, console: Console) -> Result<Exit> {
    let model = TrainedModel::new(args.network.weights(console)?, BATCH_SIZE)?;
    let mut model = model.with_views(args.tta).with_precision(args.precision)?;
    let network = Network {
        path: args.network.path(),
        classes: model.classes(),
        size: model.image_size(),
        channels: model.channels(),
        framing: model.framing(),
        data: model.data(),
    };
    let Asked { source, split } = args.images.open(&network, args.split, args.max_pixels, console)?;
    if let Some(normalization) = args.network.fitted(&*source, split, console)? {
        model = model.with_normalization(normalization);
    }
    console.note(&format!("evaluating {} images of {}", split.adjective(), source::describe(&*source)));
    let evaluation = model.evaluate(source.clone(), split).map_err(|error| advise(error, split))?;
    let report = report(args, &*source, &evaluation);
    if args.json {
        console.result(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        console.result(&render(&report, &*source, &evaluation.confusion.of_seen().0, console.style())?)?;
    }
    if evaluation.not_finite > 0 {
        console.error(&format!(
            "{}: the network's output is not finite for {} of {} images; the numbers say nothing about the network",
            args.network.path().display(),
            thousands(evaluation.not_finite),
            thousands(evaluation.images),
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn advise(error: TrainError, split: Split) -> anyhow::Error {
    if !matches!(error, TrainError::Data(DataError::EmptySplit { .. })) {
        return error.into();
    }
    let other = if split == Split::Val { "test" } else { "val" };
    let advice = format!("{error}; choose another with --split {other}");
    anyhow::Error::new(error).context(advice)
}

fn report<'a>(args: &Args, source: &'a dyn Source, evaluation: &Evaluation) -> Report<'a> {
    let confusion = &evaluation.confusion;
    let classes = source.classes().iter().enumerate();
    Report {
        run: args.network.path().display().to_string(),
        data: source.name(),
        synthetic: source.is_synthetic(),
        split: evaluation.split,
        tta: args.tta,
        precision: args.precision,
        images: evaluation.images,
        not_finite: evaluation.not_finite,
        loss: evaluation.loss,
        accuracy: evaluation.accuracy,
        balanced_accuracy: confusion.balanced_accuracy().unwrap_or(f64::NAN),
        is_uneven: confusion.is_uneven(),
        classes: classes
            .map(|(index, class)| ClassReport { class, scores: confusion.scores(index) })
            .collect(),
        confusion: (0..confusion.classes()).map(|label| confusion.row(label).to_vec()).collect(),
        seconds: evaluation.seconds,
    }
}

/// With more classes than this, those without images and predictions are left out of the text.
const MANY_CLASSES: usize = 20;

fn render(report: &Report<'_>, source: &dyn Source, seen: &[usize], style: Style) -> Result<String> {
    let all = source.classes();
    let is_short = all.len() > MANY_CLASSES && !seen.is_empty() && seen.len() < all.len();
    let shown: Vec<usize> = if is_short { seen.to_vec() } else { (0..all.len()).collect() };
    let left_out = if is_short {
        format!(
            "of the {} classes, those without images and predictions are left out\n\n",
            thousands(all.len() as u64)
        )
    } else {
        String::new()
    };
    let mut table = Table::new([
        Column::left("class"),
        Column::right("precision"),
        Column::right("recall"),
        Column::right("F1"),
        Column::right("images"),
    ]);
    let share = |value: Option<f64>| Cell::from(percent(value.unwrap_or(f64::NAN)));
    for class in shown.iter().map(|&class| &report.classes[class]) {
        let scores = class.scores;
        table.row([
            Cell::from(class.class),
            share(scores.precision),
            share(scores.recall),
            share(scores.f1),
            thousands(scores.support).into(),
        ]);
    }
    let balanced = if report.is_uneven {
        format!("balanced   {} (the mean recall; classes are uneven)\n", percent(report.balanced_accuracy))
    } else {
        String::new()
    };
    let labels: Vec<String> = shown.iter().map(|&class| all[class].clone()).collect();
    let row = |&label: &usize| shown.iter().map(|&class| report.confusion[label][class]).collect();
    let counts: Vec<Vec<u64>> = shown.iter().map(row).collect();
    let matrix = ConfusionMatrix::new(&labels, &counts).context("the confusion matrix")?;
    Ok(format!(
        "{run} on the {images} {split} images of {data}{views}\n\n\
         loss       {loss}\n\
         accuracy   {accuracy} ({interval} with 95 % confidence)\n\
         {balanced}\
         time       {time}\n\n{left_out}{table}\n{matrix}",
        run = report.run,
        images = thousands(report.images),
        split = report.split.adjective(),
        data = source::describe(source),
        views = if report.tta == Views::Flip { ", each with its mirror image" } else { "" },
        loss = loss(report.loss),
        accuracy = percent(report.accuracy),
        interval = course::confidence(report.accuracy, report.images),
        time = duration(std::time::Duration::from_secs_f64(report.seconds.max(0.0))),
        table = table.render(style),
        matrix = matrix.render(style),
    ))
}
