//! Flags shared by several commands, and parsers for named values.

use std::path::Path;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use convscope_data::{DataError, ImageSize, PixelLimit, Resize};
use convscope_graph::ModelOptions;
use convscope_graph::limits::MOST_IMAGES;
use convscope_train::config::setting_value;
use convscope_train::run_dir::RunDir;
use convscope_train::{TrainConfig, TrainError};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::exit::{UsageError, sentence};

/// The names of the splits.
pub(crate) const SPLITS: &[&str] = &["train", "val", "test"];

/// The number of threads of a command.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Threads {
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024), display_order = 800)]
    pub(crate) threads: Option<u64>,
}

impl Threads {
    /// Runs `work` on its own threads: the requested number, otherwise `otherwise`, otherwise one per core.
    ///
    /// # Errors
    /// The system cannot start threads, or `work` fails.
    pub(crate) fn run<T: Send>(
        self,
        otherwise: Option<usize>,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let asked = self.threads.map(|threads| usize::try_from(threads).unwrap_or(usize::MAX));
        let threads = asked.or(otherwise).unwrap_or(0);
        let pool = convscope_kernels::threads::pool(threads)
            .with_context(|| format!("{threads} threads cannot be started; ask for fewer with --threads"))?;
        pool.install(work)
    }
}

/// Changes to a model.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ModelOptionFlags {
    /// Change the model (may be repeated): `width=0.5` scales every layer but the last, `dropout.p=0.3` sets an
    /// argument of the node with that name
    #[arg(long = "model-option", value_name = "KEY=VALUE", help_heading = "Model", value_parser = model_option)]
    options: Vec<(String, ModelOptions)>,
}

impl ModelOptionFlags {
    /// All of them together.
    pub(crate) fn merged(&self) -> ModelOptions {
        self.options.iter().fold(ModelOptions::default(), |all, (_, option)| all.merged(option))
    }

    /// As they were typed: `--model-option=width=0.5`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        self.options.iter().map(|(text, _)| format!("--model-option={text}"))
    }
}

fn model_option(text: &str) -> Result<(String, ModelOptions), String> {
    let (key, value) = text.split_once('=').ok_or("it must have the form KEY=VALUE, such as width=0.5")?;
    let mut options = ModelOptions::default();
    options
        .set(key.trim(), setting_value(value.trim()))
        .map_err(|error| sentence(&anyhow::Error::new(error)))?;
    Ok((text.to_owned(), options))
}

/// The configuration of the run that a path names: a run directory, or a weights file in one.
///
/// # Errors
/// A run directory without a readable `config.toml`.
pub(crate) fn config_of_run(path: &Path) -> Result<Option<TrainConfig>, TrainError> {
    RunDir::of(path)?.map(|run| run.config()).transpose()
}

/// The largest picture files to read.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct MaxPixels {
    /// Refuse picture files with more pixels, rows times columns [default: the limit of the run, otherwise 100000000]
    #[arg(long, value_name = "N")]
    max_pixels: Option<u64>,
}

impl MaxPixels {
    /// The limit, if given.
    ///
    /// # Errors
    /// A number out of range.
    pub(crate) fn limit(self) -> Result<Option<PixelLimit>, DataError> {
        Ok(self.max_pixels.map(PixelLimit::new).transpose()?)
    }

    /// The given limit, otherwise that of the run, otherwise the default.
    ///
    /// # Errors
    /// A number out of range.
    pub(crate) fn or_of_run(self, config: Option<&TrainConfig>) -> Result<PixelLimit, TrainError> {
        match (self.limit()?, config) {
            (Some(limit), _) => Ok(limit),
            (None, Some(config)) => config.data.pixel_limit(),
            (None, None) => Ok(PixelLimit::default()),
        }
    }
}

/// A parser for the number of images in a batch.
pub(crate) fn images_of_batch() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=MOST_IMAGES as u64)
}

/// What `--crop` cuts from the middle, and from what: the size of the images, and how they are resized before.
///
/// # Errors
/// A way of resizing after which there is nothing to cut off.
pub(crate) fn cropped(
    crop: Option<ImageSize>,
    image_size: Option<ImageSize>,
    resize: Option<Resize>,
) -> Result<(Option<ImageSize>, Option<Resize>), UsageError> {
    match (crop, resize) {
        (None, _) => Ok((image_size, resize)),
        (Some(_), Some(Resize::Squash | Resize::Pad)) => {
            let message = "--crop keeps the middle of images; with it, give --resize the pixels of their shorter side, such as 256";
            Err(UsageError(message.to_owned()))
        }
        (Some(size), resize) => Ok((Some(size), resize.or(Some(Resize::Crop)))),
    }
}

/// The names of [`convscope_ops::Precision`].
pub(crate) const PRECISIONS: &[&str] = &["f32", "bf16"];

/// The names of [`convscope_report::glance::Glance`].
pub(crate) const GLANCES: &[&str] = &["every", "last", "off"];

/// The names of [`convscope_train::Views`].
pub(crate) const VIEWS: &[&str] = &["none", "flip"];

/// A parser for values with these names in configuration files.
pub(crate) fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).map(|name| {
        T::deserialize(StrDeserializer::<ValueError>::new(&name)).expect("each name is one of the type's")
    })
}

/// A parser for whole numbers from 1.
pub(crate) fn at_least_1() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..)
}
