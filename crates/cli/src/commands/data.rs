//! `convscope data`: the contents of a data set.

use std::path::PathBuf;

use anyhow::{Context, Result};
use convscope_data::augment::{Augmentation, PreviewOptions, preview};
use convscope_data::manifest::Duplicate;
use convscope_data::{
    Background, BadImages, ExampleLimits, Framing, ImageSize, Manifest, MovedImage, Resize, SkippedFiles,
    Source, SourceOptions, Split, SplitFolder, Splits, Statistics, UnreadableFile, class_examples,
    near_duplicates,
};
use convscope_report::augmentation::augmentation_sheet;
use convscope_report::escape::escaped;
use convscope_report::number::thousands;
use convscope_report::{Cell, Column, Style, Table, Tone, contact_sheet, png};
use convscope_train::TrainConfig;
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{MaxPixels, Threads};
use crate::{small_sets, source};

/// Show the contents of a data set: classes, counts, sizes, mean and standard deviation
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// `shapes`, `cifar10`, a folder in CIFAR's binary layout, or an image folder
    #[arg(value_name = "DATA")]
    data: String,

    /// Write a picture with examples of every class
    #[arg(long, value_name = "FILE.png")]
    preview: Option<PathBuf>,

    /// Show the effect of these transformations on training images in the picture, as in `convscope train`
    #[arg(long, value_name = "ITEMS", requires = "preview")]
    augment: Option<Augmentation>,

    /// Resize images to this many pixels square, or to WIDTHxHEIGHT
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<ImageSize>,

    /// How to resize images with a different aspect ratio, as for training
    #[arg(long, value_name = "NAME", default_value = "squash", value_parser = clap::value_parser!(Resize))]
    resize: Resize,

    /// Colour of transparent pixels and added borders: white, black or #rrggbb
    #[arg(long, value_name = "COLOUR", default_value = "white")]
    background: Background,

    /// The share of the training images used for validation
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    val_fraction: Option<f64>,

    /// The seed for the split of each picture, and for the built-in pictures, as for training [default: 1]
    #[arg(long, value_name = "N")]
    split_seed: Option<u64>,

    /// Show the variants of a training run with this seed in the picture [default: 1]
    #[arg(long, value_name = "N", requires = "augment")]
    seed: Option<u64>,

    /// Print a JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
Mean and standard deviation are those of the training images, on the scale where white is 1. Files that cannot be \
read are left out and listed; training fails on them without --skip-bad. Pictures with identical bytes are listed, first those \
in two classes or across splits, and then pictures that look the same: resized, compressed again, or taken in the same second.

Examples:
  convscope data shapes --preview shapes.png
  convscope data shapes --augment flip,shift=0.1,rotate --preview variants.png
  convscope data photos                            an image folder: photos/<class>/*
  convscope data cifar10 --json";

/// The contents, with the keys of `--json`.
#[derive(Serialize)]
struct Contents {
    name: String,
    synthetic: bool,
    image_size: ImageSize,
    classes: Vec<ClassCounts>,
    images: Counts,
    mean: Vec<f64>,
    std: Vec<f64>,
    unreadable: Vec<UnreadableFile>,
    moved: Vec<MovedImage>,
    split_folders: Vec<SplitFolder>,
    other_folders: Vec<PathBuf>,
    stray: Vec<PathBuf>,
    skipped: Vec<SkippedFiles>,
    duplicates: Vec<Duplicate>,
    near_duplicates: Vec<Duplicate>,
    small_classes: Vec<String>,
}

#[derive(Serialize)]
struct ClassCounts {
    class: String,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Counts {
    train: usize,
    val: usize,
    test: usize,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || look(args, *console))
}

fn look(args: &Args, console: Console) -> Result<Exit> {
    let options = SourceOptions {
        splits: Splits::Placed { seed: args.split_seed.unwrap_or(Splits::DEFAULT_SEED) },
        image_size: args.image_size,
        framing: Framing { resize: args.resize, background: args.background },
        val_fraction: args.val_fraction,
        bad_images: BadImages::Skip,
        pixel_limit: args.max_pixels.or_of_run(None)?,
        ..SourceOptions::default()
    };
    let source = source::open(&args.data, options, console)?;
    if let Some(path) = &args.preview {
        let sheet = match args.augment {
            Some(augmentation) => {
                let seed = args.seed.unwrap_or(TrainConfig::default().seed);
                let options = PreviewOptions { seed, ..PreviewOptions::default() };
                augmentation_sheet(&preview(&source, augmentation, options)?)
            }
            None => {
                let examples = class_examples(&*source, Split::Train, ExampleLimits::default())?;
                contact_sheet(&format!("{}: training images", source.name()), &examples)
            }
        };
        png::save(&sheet, path)?;
    }
    let contents = contents(&*source)?;
    if args.json {
        let text = serde_json::to_string_pretty(&contents).context("the contents have no JSON form")?;
        console.result(&format!("{text}\n"))?;
    } else {
        console.result(&render(&*source, &contents, console.style()))?;
    }
    if let Some(path) = &args.preview {
        console.note(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}

fn contents(source: &dyn Source) -> Result<Contents> {
    let mut classes: Vec<ClassCounts> = source
        .classes()
        .iter()
        .map(|class| ClassCounts { class: class.clone(), counts: Counts::default() })
        .collect();
    for split in Split::ALL {
        for index in 0..source.len(split) {
            *classes[source.label(split, index)].counts.of_mut(split) += 1;
        }
    }
    let statistics = Statistics::of(source, Split::Train)?;
    let remarks = source.remarks().clone();
    let small_classes = small_sets::classes(source);
    let near_duplicates = if source.is_synthetic() { Vec::new() } else { near_duplicates(source)? };
    Ok(Contents {
        name: source.name().to_owned(),
        synthetic: source.is_synthetic(),
        image_size: source.image_size(),
        classes,
        images: Counts {
            train: source.len(Split::Train),
            val: source.len(Split::Val),
            test: source.len(Split::Test),
        },
        mean: statistics.mean,
        std: statistics.std,
        unreadable: remarks.unreadable,
        moved: remarks.moved,
        split_folders: remarks.split_folders,
        other_folders: remarks.other_folders,
        stray: remarks.stray,
        skipped: remarks.skipped,
        duplicates: source.manifest().map(Manifest::duplicates).unwrap_or_default(),
        near_duplicates,
        small_classes,
    })
}

impl Counts {
    fn of_mut(&mut self, split: Split) -> &mut usize {
        match split {
            Split::Train => &mut self.train,
            Split::Val => &mut self.val,
            Split::Test => &mut self.test,
        }
    }

    fn cells(self) -> [Cell; 4] {
        let Counts { train, val, test } = self;
        [train, val, test, train + val + test].map(|count| thousands(count as u64).into())
    }
}

fn render(source: &dyn Source, contents: &Contents, style: Style) -> String {
    let mut table = Table::new([
        Column::left("class"),
        Column::right("training"),
        Column::right("validation"),
        Column::right("test"),
        Column::right("all"),
    ]);
    for class in &contents.classes {
        table.row([Cell::from(class.class.as_str())].into_iter().chain(class.counts.cells()));
    }
    table.rule();
    table.row([Cell::new("total", Tone::Bold)].into_iter().chain(contents.images.cells()));
    let each = |values: &[f64]| {
        let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
        values.join("  ")
    };
    let mut text = format!(
        "{}\n{}\n\n{}\nmean (red, green, blue)                {}\nstandard deviation                     {}\n",
        source::describe(source),
        source::contents(source),
        table.render(style),
        each(&contents.mean),
        each(&contents.std),
    );
    if !contents.unreadable.is_empty() {
        text += &format!("\n{} unreadable:\n", files(contents.unreadable.len()));
        for file in &contents.unreadable {
            text += &format!("  {}: {}\n", escaped(&file.path.display().to_string()), escaped(&file.reason));
        }
    }
    for remark in source::layout_remarks(source) {
        text += &format!("\n{}\n", escaped(&remark));
    }
    text += &duplicates(&contents.duplicates, "copies with the same bytes");
    text += &duplicates(&contents.near_duplicates, "others that look the same");
    for words in small_sets::words(source) {
        text += &format!("\n{}\n", escaped(&words));
    }
    text
}

/// How many pictures a list of copies shows.
const NAMED: usize = 10;

/// A list of copies of `what` kind, each on a line.
fn duplicates(duplicates: &[Duplicate], what: &str) -> String {
    if duplicates.is_empty() {
        return String::new();
    }
    let count =
        |kind: &dyn Fn(&Duplicate) -> bool| duplicates.iter().filter(|duplicate| kind(duplicate)).count();
    let pictures = |count: usize| {
        if count == 1 {
            "1 picture has".to_owned()
        } else {
            format!("{} pictures have", thousands(count as u64))
        }
    };
    let mut text = format!(
        "\n{} {what}, {} in two classes, {} across splits:\n",
        pictures(duplicates.len()),
        count(&|duplicate| duplicate.in_two_classes),
        count(&|duplicate| duplicate.across_splits)
    );
    for duplicate in duplicates.iter().take(NAMED) {
        let kind = match (duplicate.in_two_classes, duplicate.across_splits) {
            (true, true) => "two classes and across splits: ",
            (true, false) => "two classes: ",
            (false, true) => "across splits: ",
            (false, false) => "",
        };
        let copies: Vec<String> =
            duplicate.copies.iter().map(|copy| format!("{} ({})", copy.path, copy.split)).collect();
        text += &format!("  {kind}{}\n", escaped(&copies.join(", ")));
    }
    if duplicates.len() > NAMED {
        text += &format!("  and {} more; --json lists all\n", thousands((duplicates.len() - NAMED) as u64));
    }
    text
}

fn files(count: usize) -> String {
    if count == 1 { "1 file is".into() } else { format!("{} files are", thousands(count as u64)) }
}
