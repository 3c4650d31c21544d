//! `convscope compare`: runs side by side.

use std::path::PathBuf;

use anyhow::Result;
use convscope_data::{Source, Split, only};
use convscope_inspect::compare::{CompareOptions, ComparedRun, Difference, compare as compare_networks};
use convscope_inspect::{Choice, Comparison, Finding, Inspector, LayerTable, SurveyOptions};
use convscope_report::chart::XAxis;
use convscope_report::number::{percent, significant, thousands};
use convscope_report::table::{Cell, Column, Style, Table, Tone, bar};
use convscope_report::{ReportPage, curves, findings};
use convscope_train::TrainedOn;
use serde::Serialize;

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{MaxPixels, SPLITS, Threads, at_least_1, config_of_run, named};
use crate::looking::{SurveyBar, network};
use crate::network_flags::{Chosen, SeveralNetworks};
use crate::progress::loss;
use crate::{run_page, source};

/// Compare trained networks on the same images: accuracies, layers, curves, differences
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    networks: SeveralNetworks,

    #[command(flatten)]
    images: DataFlags,

    /// Which of the first run's images to use, without those that another run was trained on
    #[arg(long, value_name = "SPLIT", default_value = "test", value_parser = named::<Split>(SPLITS))]
    split: Split,

    /// Use only the first N images [default: all of the split]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    limit: Option<u64>,

    /// Show the layers' outputs for this picture file [default: the first test image that the first network gets right]
    #[arg(long, value_name = "FILE", conflicts_with = "index")]
    image: Option<PathBuf>,

    /// Show the layers' outputs for this image of the split, counted from 0
    #[arg(long, value_name = "N")]
    index: Option<u64>,

    /// Write the page to this file
    #[arg(long, value_name = "FILE.html", default_value = PAGE_FILE)]
    out: PathBuf,

    /// Print a JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

/// The name of the page of a comparison.
pub(crate) const PAGE_FILE: &str = "comparison.html";

const AFTER_HELP: &str = "\
Layers of the same name stand side by side: mean |a| is the mean size of a layer's outputs over all training images, \
positions and channels. With --on it is over these images.

Examples:
  convscope compare runs/plain8 runs/plain8-bn
  convscope compare runs/plain8 runs/plain8-2 runs/resnet8 --split train --out three.html
  convscope compare runs/photos --model net.onnx --class-names cat,dog --normalize imagenet";

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    data: &'a str,
    synthetic: bool,
    split: Split,
    runs: Vec<Run<'a>>,
    differences: &'a [Difference],
    statements: &'a [Finding],
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    images: u64,
    loss: f64,
    accuracy: f64,
    /// The images that `layers` is over.
    layer_images: u64,
    layer_split: Split,
    layers: &'a LayerTable,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || compare(args, *console))
}

/// Compares runs on the current threads like the command without flags, and writes the page to this file.
///
/// # Errors
/// Those of the command.
pub(crate) fn compare_runs(runs: Vec<PathBuf>, out: PathBuf, console: Console) -> Result<Exit> {
    let (split, threads) = (Split::Test, Threads { threads: None });
    let args = Args {
        networks: SeveralNetworks::of_runs(runs),
        out,
        split,
        threads,
        images: DataFlags::default(),
        limit: None,
        image: None,
        index: None,
        json: false,
        max_pixels: MaxPixels::default(),
    };
    compare(&args, console)
}

fn inspector(chosen: Chosen<'_>, max_pixels: MaxPixels, console: Console) -> Result<Inspector> {
    let limit = max_pixels.or_of_run(config_of_run(chosen.path)?.as_ref())?;
    let inspector = Inspector::new(chosen.weights(console)?)?.opened_from(chosen.path);
    Ok(inspector.with_pixel_limit(limit))
}

fn compare(args: &Args, console: Console) -> Result<Exit> {
    let networks = args.networks.all();
    let runs: Vec<PathBuf> = networks.iter().map(|chosen| chosen.path.to_owned()).collect();
    if runs.len() < 2 {
        return Err(UsageError("name two networks or more".to_owned()).into());
    }
    let mut inspectors: Vec<Inspector> =
        networks.iter().map(|&chosen| inspector(chosen, args.max_pixels, console)).collect::<Result<_>>()?;
    let asked = args.images.open(&network(&runs[0], &inspectors[0]), args.split, args.max_pixels, console)?;
    if let (Some(chosen), Some(inspector)) = (networks.last(), inspectors.pop()) {
        let fitted = chosen.fitted(&*asked.source, asked.split, console)?;
        inspectors.push(fitted.into_iter().fold(inspector, Inspector::with_normalization));
    }
    let Asked { source, split } = fair(&runs, &inspectors, asked, console)?;
    let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let survey = SurveyOptions { split, limit, ..SurveyOptions::default() };
    let example = match (&args.image, args.index) {
        (Some(file), _) => Choice::File(file.clone()),
        (None, Some(index)) => Choice::Index(split, usize::try_from(index).unwrap_or(usize::MAX)),
        (None, None) => Choice::default(),
    };
    let mut bar: Option<(usize, SurveyBar)> = None;
    // As the layer table of a run: over the training images, where there are any.
    let layers = if source.is_empty(Split::Train) { split } else { Split::Train };
    let mut show = |index, progress| {
        if bar.as_ref().is_none_or(|(shown, _)| *shown != index) {
            // The previous bar is removed before the next one is drawn.
            bar = None;
            bar = Some((index, SurveyBar::begin(&runs[index].display().to_string(), console)));
        }
        if let Some((_, bar)) = &bar {
            bar.show(progress);
        }
    };
    let options = CompareOptions { survey, layers, example };
    let comparison = compare_networks(&mut inspectors, &source, &options, &mut show)?;
    drop(bar);
    page(&runs, &comparison, &*source)?.save(&args.out)?;
    if args.json {
        let document = Document::new(split, &comparison, &*source);
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        let text = render(&comparison, &*source, console.style());
        console.result(&format!("{text}report  {}\n", args.out.display()))?;
    }
    Ok(Exit::Done)
}

/// The images that none of the runs was trained on. Otherwise a network would be judged by images that it already
/// knows. If training images are requested, they are used unchanged, since every layer table is over training images.
///
/// # Errors
/// No images remain.
fn fair(runs: &[PathBuf], inspectors: &[Inspector], asked: Asked, console: Console) -> Result<Asked> {
    let Asked { source, split } = asked;
    if split == Split::Train {
        return Ok(Asked { source, split });
    }
    let mut is_known = vec![false; source.len(split)];
    for (run, inspector) in runs.iter().zip(inspectors) {
        match TrainedOn::of(run, inspector.data())?.among(&*source, split) {
            Some(learned) => {
                is_known.iter_mut().zip(learned).for_each(|(is_known, learned)| *is_known |= learned);
            }
            None => console.warning(&format!(
                "warning: it is unknown whether {} was trained on some of these images",
                run.display()
            )),
        }
    }
    let known = is_known.iter().filter(|&&is_known| is_known).count();
    if known == 0 {
        return Ok(Asked { source, split });
    }
    let (images, all) = (is_known.len() - known, thousands(is_known.len() as u64));
    let name = split.adjective();
    if images == 0 {
        let message = format!(
            "one of the runs was trained on each of the {all} {name} images of {}; name other pictures with --on, or \
             compare runs with the same --split-seed",
            source.name()
        );
        return Err(UsageError(message).into());
    }
    console.warning(&format!(
        "comparing over {} of the {all} {name} images; one of the runs was trained on the other {}",
        thousands(images as u64),
        thousands(known as u64)
    ));
    let source = only(source, split, |index| !is_known[index]);
    Ok(Asked { source, split })
}

impl<'a> Document<'a> {
    fn new(split: Split, comparison: &'a Comparison, source: &'a dyn Source) -> Document<'a> {
        let run = |run: &'a ComparedRun| Run {
            name: &run.name,
            images: run.survey.images,
            loss: run.survey.loss,
            accuracy: run.survey.accuracy,
            layer_images: run.layers.images,
            layer_split: run.layers.split,
            layers: &run.layers.layers,
        };
        Document {
            data: source.name(),
            synthetic: source.is_synthetic(),
            split,
            runs: comparison.runs.iter().map(run).collect(),
            differences: &comparison.differences,
            statements: &comparison.statements,
        }
    }
}

fn page(runs: &[PathBuf], comparison: &Comparison, source: &dyn Source) -> Result<ReportPage> {
    let mut page = run_page::described(ReportPage::from_comparison(comparison), source);
    for (section, run) in page.runs.iter_mut().zip(runs) {
        let known = run_page::section(run)?;
        (section.figures, section.config) = (known.figures, known.config);
        section.layer_metrics = known.layer_metrics;
    }
    Ok(page)
}

fn render(comparison: &Comparison, source: &dyn Source, style: Style) -> String {
    let survey = &comparison.runs[0].survey;
    let mut text = format!(
        "{} {} images of {}\n\n",
        thousands(survey.images),
        survey.split.adjective(),
        source::describe(source)
    );
    text += &results(&comparison.runs).render(style);
    text += "\n";
    if !comparison.differences.is_empty() {
        let names = comparison.runs.iter().map(|run| Column::left(&run.name));
        let mut table = Table::new([Column::left("difference")].into_iter().chain(names));
        for difference in &comparison.differences {
            let values = difference.values.iter().map(|value| Cell::from(value.as_deref().unwrap_or("-")));
            table.row([Cell::from(difference.key.as_str())].into_iter().chain(values));
        }
        text += &table.render(style);
        text += "\n";
    }
    let of_layers = &comparison.runs[0].layers;
    if of_layers.split != survey.split {
        text += &format!(
            "layers over {} {} images\n\n",
            thousands(of_layers.images),
            of_layers.split.adjective()
        );
    }
    text += &layers(&comparison.runs).render(style);
    text += "\n";
    text += &findings::render(&comparison.statements, style);
    text + "\n"
}

fn results(runs: &[ComparedRun]) -> Table {
    let best = runs.iter().map(|run| run.survey.accuracy).fold(f64::NAN, f64::max);
    let mut table = Table::new([
        Column::left("run"),
        Column::right("parameters"),
        Column::right("loss"),
        Column::right("accuracy"),
    ]);
    for run in runs {
        let tone = if run.survey.accuracy == best { Tone::Bold } else { Tone::Normal };
        table.row([
            Cell::from(run.name.as_str()),
            thousands(run.layers.layers.parameters()).into(),
            loss(run.survey.loss).into(),
            Cell::new(percent(run.survey.accuracy), tone),
        ]);
    }
    table
}

/// A row for every layer that a run has, in the order of the depth chart; bars share one scale.
fn layers(runs: &[ComparedRun]) -> Table {
    const BAR: usize = 12;
    let tables: Vec<_> = runs.iter().map(|run| (run.name.as_str(), &run.layers.layers)).collect();
    let names = match curves::depth_chart(&tables).x_axis {
        XAxis::Names(names) => names,
        _ => Vec::new(),
    };
    let all = tables.iter().flat_map(|(_, table)| &table.rows).map(|row| row.mean_abs_activation);
    let largest = all.filter(|value| value.is_finite()).fold(0.0, f64::max);
    let columns = runs
        .iter()
        .flat_map(|run| [Column::right("sum |w|"), Column::right("mean |a|"), Column::left(&run.name)]);
    let mut text = Table::new([Column::left("layer")].into_iter().chain(columns));
    for name in &names {
        let cells = tables.iter().flat_map(|(_, table)| match table.row(name) {
            Some(row) => {
                let size = row.mean_abs_activation;
                let weight = row.sum_abs_weight.map_or_else(String::new, significant);
                [weight, significant(size), bar(size / largest, BAR)]
            }
            None => [String::new(), "-".to_owned(), String::new()],
        });
        text.row([Cell::from(name.as_str())].into_iter().chain(cells.map(Cell::from)));
    }
    text
}
