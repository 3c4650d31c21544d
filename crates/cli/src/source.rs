//! Data sets: opening them with progress, and naming them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use convscope_data::{ImageSize, Observer, Progress, Source, SourceOptions, Split, Stage};
use convscope_report::number::{bytes, thousands};
use convscope_train::TrainConfig;
use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;
use crate::exit::UsageError;

/// How a training run with this configuration opens its data. Evaluating with the same options finds the same splits.
pub(crate) fn options(config: &TrainConfig) -> SourceOptions {
    SourceOptions {
        seed: config.seed,
        image_size: config.data.image_size,
        val_fraction: config.data.val_fraction,
        train_on_val: config.data.train_on_val,
        bad_images: config.data.bad_images,
        ..SourceOptions::default()
    }
}

/// Opens a data set, with bars or lines for what takes long.
///
/// # Errors
/// Those of [`convscope_data::open`].
pub(crate) fn open(spec: &str, options: SourceOptions, console: Console) -> Result<Arc<dyn Source>> {
    let shown = Arc::new(Mutex::new(None));
    let observed = Arc::clone(&shown);
    let observer = Observer::new(move |progress| {
        let mut shown = observed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        show(&mut shown, progress, console);
    });
    let opened = convscope_data::open(spec, &SourceOptions { observer, ..options });
    if let Some(Shown { bar: Some(bar), .. }) =
        shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    {
        bar.finish_and_clear();
    }
    Ok(opened?)
}

/// The images for a trained network of this size: its run's own in their own splits, or others that it is asked about.
///
/// # Errors
/// Neither a run nor `data` says which images; those of [`convscope_data::open`].
pub(crate) fn open_for(
    run: &Path,
    size: ImageSize,
    config: Option<TrainConfig>,
    data: Option<&str>,
    console: Console,
) -> Result<Arc<dyn Source>> {
    let spec = match (data, &config) {
        (Some(data), _) => data.to_owned(),
        (None, Some(config)) => config.data.source.clone(),
        (None, None) => {
            let message =
                format!("{}: no run is known for this file; name the images with --data", run.display());
            return Err(UsageError(message).into());
        }
    };
    let mut options = options(&config.unwrap_or_default());
    if data.is_some() && size.height == size.width {
        options.image_size = Some(size.height);
    }
    open(&spec, options, console)
}

/// The name of a data set; of one that a program made, with that said.
pub(crate) fn describe(source: &dyn Source) -> String {
    let synthetic = if source.is_synthetic() { " (synthetic, made by the program)" } else { "" };
    format!("{}{synthetic}", source.name())
}

/// `8,000 training, 2,000 validation and 2,000 test images of 32x32 in 10 classes`.
pub(crate) fn contents(source: &dyn Source) -> String {
    let count = |split| thousands(source.len(split) as u64);
    format!(
        "{} training, {} validation and {} test images of {} in {} classes",
        count(Split::Train),
        count(Split::Val),
        count(Split::Test),
        source.image_size(),
        source.classes().len()
    )
}

/// What the user sees of the present stage.
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
        Stage::Scan => ("looking through", FILES),
        Stage::Decode => ("decoding", FILES),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::no_length().with_style(style.progress_chars("=> ")).with_message(word)
}

const BYTES: &str = "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}  {eta} left";
const FILES: &str = "{msg} [{bar:30}] {human_pos}/{human_len} files  {eta} left";
