//! Data sets: opening them with progress, and naming them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use convscope_data::{
    DataError, Progress, ProgressListener, Remarks, SkippedFiles, Source, SourceOptions, Split, SplitFolder,
    Splits, Stage,
};
use convscope_report::number::{bytes, thousands};
use convscope_train::memory::memory_limit_bytes;
use convscope_train::model::{enlarged_for, image_size_of};
use convscope_train::{RunDir, TrainConfig};
use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;
use crate::exit::UsageError;
use crate::flags::MaxPixels;

/// Opens the data of a new run. Images get the requested size, otherwise that of the model file, otherwise their own, or
/// a larger one if the network is made for larger images.
///
/// # Errors
/// A pixel limit that is out of range, a model file that cannot be read; those of [`convscope_data::open`].
pub fn open_for(config: &TrainConfig, console: Console) -> Result<Arc<dyn Source>> {
    let image_size = match config.data.image_size {
        Some(size) => Some(size),
        None => image_size_of(&config.model)?,
    };
    let options = SourceOptions { image_size, ..options(config)? };
    let source = open(&config.data.source, options.clone(), console)?;
    let own = source.image_size();
    let size = if image_size.is_some() { own } else { enlarged_for(&config.model, own)? };
    if size == own {
        return Ok(source);
    }
    console.note(&format!(
        "images are enlarged from {own} to {size} pixels, the smallest that suit {}; --image-size {own} keeps them",
        config.model
    ));
    open(&config.data.source, SourceOptions { image_size: Some(size), ..options }, console)
}

/// How a run with this configuration opens its data.
fn options(config: &TrainConfig) -> Result<SourceOptions> {
    let splits = match config.data.split_seed {
        Some(seed) => Splits::Placed { seed },
        // The configuration of a run that drew its splits with its training seed.
        None => Splits::Shuffled { seed: config.seed },
    };
    Ok(SourceOptions {
        splits,
        image_size: config.data.image_size,
        channels: config.data.channels,
        framing: config.data.framing(),
        val_fraction: config.data.val_fraction,
        train_on_val: config.data.train_on_val,
        bad_images: config.data.bad_images,
        pixel_limit: config.data.pixel_limit()?,
        ..SourceOptions::default()
    })
}

/// Opens a data set, with progress bars or lines for slow steps.
///
/// # Errors
/// Those of [`convscope_data::open`].
pub(crate) fn open(spec: &str, options: SourceOptions, console: Console) -> Result<Arc<dyn Source>> {
    let shown = Arc::new(Mutex::new(None));
    let observed = Arc::clone(&shown);
    let listener = ProgressListener::new(move |progress| {
        let mut shown = observed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        show(&mut shown, progress, console);
    });
    let opened = convscope_data::open(spec, &within_memory(SourceOptions { listener, ..options }));
    if let Some(Shown { bar: Some(bar), .. }) =
        shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    {
        bar.finish_and_clear();
    }
    Ok(opened?)
}

/// The same options, limiting the images' share of the available memory.
fn within_memory(options: SourceOptions) -> SourceOptions {
    let Some(limit) = memory_limit_bytes() else { return options };
    let share = usize::try_from(limit / SHARE_OF_IMAGES).unwrap_or(usize::MAX);
    SourceOptions { memory_budget: options.memory_budget.min(share), memory_limit: Some(limit), ..options }
}

/// The share of the memory that a folder's images may take before they are read in every epoch: a quarter.
const SHARE_OF_IMAGES: u64 = 4;

/// Opens the images for a new run, and prints remarks about them.
///
/// # Errors
/// Those of [`convscope_data::open`].
pub(crate) fn open_new(config: &TrainConfig, console: Console) -> Result<Arc<dyn Source>> {
    let source = open_for(config, console)?;
    tell(&*source, console);
    Ok(source)
}

/// Opens the images of a run, as recorded: at the path `data`, otherwise at the path in the run. A run without a record
/// opens the current contents.
///
/// # Errors
/// Images that are missing or have changed, with advice; those of [`convscope_data::open`].
pub(crate) fn open_own(
    run: &RunDir,
    data: Option<&str>,
    max_pixels: MaxPixels,
    console: Console,
) -> Result<Arc<dyn Source>> {
    let config = run.config()?;
    let options = SourceOptions { pixel_limit: max_pixels.or_of_run(Some(&config))?, ..options(&config)? };
    let Some(record) = run.data()? else {
        let spec = data.unwrap_or(&config.data.source);
        return open(spec, options, console);
    };
    let Some(manifest) = record.manifest else {
        let message = format!(
            "{}: this run was trained on images that only the program that trained it can open; name others with --on",
            run.path().display()
        );
        return Err(UsageError(message).into());
    };
    let spec = data.map_or_else(|| record.place.find(run.path()), str::to_owned);
    let options = SourceOptions {
        splits: Splits::Recorded(Arc::new(manifest)),
        image_size: Some(record.treatment.image_size),
        framing: record.treatment.framing(),
        ..options
    };
    let source = open(&spec, options, console).map_err(|error| advise(error, data.is_some()))?;
    tell(&*source, console);
    Ok(source)
}

/// Opens the images of a run, as recorded: at the path `data`, otherwise at the path in the run.
///
/// # Errors
/// Images that are missing or have changed, with advice; those of [`convscope_data::open`].
pub fn open_recorded(run: &RunDir, data: Option<&str>, console: Console) -> Result<Arc<dyn Source>> {
    open_own(run, data, MaxPixels::default(), console)
}

fn advise(error: anyhow::Error, is_named: bool) -> anyhow::Error {
    let advice = match (error.downcast_ref::<DataError>(), is_named) {
        (Some(DataError::OtherImages { .. } | DataError::OtherKind { .. }), true) => {
            "--data is for the run's own images at a new path; use --on for other pictures"
        }
        (Some(DataError::OtherImages { .. } | DataError::OtherKind { .. }), false) => {
            "put them back, name a complete copy with --data, or train a new run; use --on for other pictures"
        }
        (Some(DataError::OtherPictures { .. }), _) => "train a new run, or use --on for other pictures",
        (Some(DataError::NotFound { .. }), false) => "if the images have moved, give their path with --data",
        _ => return error,
    };
    let text = format!("{error}; {advice}");
    error.context(text)
}

/// Prints remarks about a data set.
pub(crate) fn tell(source: &dyn Source, console: Console) {
    let Remarks { unreadable, moved, new_files, .. } = source.remarks();
    for remark in layout_remarks(source) {
        console.note(&remark);
    }
    if !unreadable.is_empty() {
        let files = counted(unreadable.len(), "unreadable file");
        console.note(&format!("left out {files}; `convscope data {}` lists them", source.name()));
    }
    if *new_files > 0 {
        let files = counted(*new_files, "new file");
        let verb = if *new_files == 1 { "belongs" } else { "belong" };
        console
            .note(&format!("{files} in {} {verb} to no split of this run and are left out", source.name()));
    }
    if !moved.is_empty() {
        let named: Vec<String> = moved
            .iter()
            .take(NAMED)
            .map(|moved| format!("{}/{} to {}", moved.class, moved.name, moved.to))
            .collect();
        let more = match moved.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let pictures = counted(moved.len(), "picture");
        console.note(&format!(
            "moved {pictures} so that small classes have one in each split: {}{more}",
            named.join(", ")
        ));
    }
}

/// How the folders of an image folder were interpreted, and what was skipped, one sentence each.
pub(crate) fn layout_remarks(source: &dyn Source) -> Vec<String> {
    let Remarks { split_folders, other_folders, stray, skipped, .. } = source.remarks();
    let name = source.name();
    let named = |paths: &[PathBuf]| {
        let shown: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
        let more =
            if paths.len() > NAMED { format!(" and {} more", paths.len() - NAMED) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    let mut remarks = Vec::new();
    if !split_folders.is_empty() {
        let list: Vec<String> = split_folders
            .iter()
            .map(|SplitFolder { folder, split }| format!("{folder} has the {} images", split.adjective()))
            .collect();
        remarks.push(format!("{name}: {}", list.join(", ")));
    }
    if !other_folders.is_empty() {
        remarks.push(format!("skipped next to these folders: {}", named(other_folders)));
    }
    if !stray.is_empty() {
        let pictures = counted(stray.len(), "picture");
        remarks.push(format!("skipped {pictures} outside the class folders: {}", named(stray)));
    }
    if !skipped.is_empty() {
        let list: Vec<String> = skipped
            .iter()
            .map(|SkippedFiles { extension, files }| {
                let what = match extension.as_str() {
                    "" => "file without an extension".to_owned(),
                    extension => format!(".{extension} file"),
                };
                let plural = if extension.is_empty() && *files > 1 {
                    "files without an extension".to_owned()
                } else {
                    format!("{what}s")
                };
                if *files == 1 {
                    format!("1 {what}")
                } else {
                    format!("{} {plural}", thousands(*files as u64))
                }
            })
            .collect();
        remarks.push(format!("skipped in the class folders: {}", list.join(", ")));
    }
    remarks
}

/// How many pictures a note lists.
const NAMED: usize = 5;

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(count as u64))
}

/// The name of a data set, with a note if it is synthetic.
pub(crate) fn describe(source: &dyn Source) -> String {
    let synthetic = if source.is_synthetic() { " (synthetic, generated by the program)" } else { "" };
    format!("{}{synthetic}", source.name())
}

/// `8,000 training, 2,000 validation and 2,000 test images of 32x32 pixels in 10 classes`; the size is width x height.
pub(crate) fn contents(source: &dyn Source) -> String {
    let count = |split| thousands(source.len(split) as u64);
    let size = source.image_size();
    // For a square, the order does not matter.
    let size = if size.width == size.height { size.to_string() } else { format!("{size} (width x height)") };
    format!(
        "{} training, {} validation and {} test images of {} pixels in {} classes",
        count(Split::Train),
        count(Split::Val),
        count(Split::Test),
        size,
        source.classes().len()
    )
}

/// The display of the current stage.
struct Shown {
    stage: Stage,
    bar: Option<ProgressBar>,
}

fn show(shown: &mut Option<Shown>, progress: Progress, console: Console) {
    if shown.as_ref().is_none_or(|shown| shown.stage != progress.stage) {
        if let Some(Shown { bar: Some(bar), .. }) = shown.take() {
            bar.finish_and_clear();
        }
        let bar = console.draws_bars().then(|| stage_bar(progress.stage));
        if bar.is_none() && progress.stage == Stage::Download {
            let size = progress.total.map(|total| format!(" ({})", bytes(total))).unwrap_or_default();
            console.note(&format!("downloading the data set{size}"));
        }
        *shown = Some(Shown { stage: progress.stage, bar });
    }
    if let Some(Shown { bar: Some(bar), .. }) = shown {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    }
}

fn stage_bar(stage: Stage) -> ProgressBar {
    let (word, template) = match stage {
        Stage::Download => ("downloading", BYTES),
        Stage::Unpack => ("unpacking", BYTES),
        Stage::Decode => ("decoding", FILES),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::no_length().with_style(style.progress_chars("=> ")).with_message(word)
}

const BYTES: &str = "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}  {eta} left";
const FILES: &str = "{msg} [{bar:30}] {human_pos}/{human_len} files  {eta} left";
