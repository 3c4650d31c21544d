//! The images that a trained network is used on.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use convscope_data::{BadImages, Channels, Framing, ImageSize, Source, SourceOptions, Split, Splits};
use convscope_graph::DataDescription;
use convscope_report::number::thousands;
use convscope_train::{RunDir, TrainedOn};

use crate::console::Console;
use crate::exit::UsageError;
use crate::flags::MaxPixels;
use crate::source;

/// Which images to look at.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct DataFlags {
    /// Where the run's own images are now, if they have moved; they must be the same images [default: the path in the
    /// run]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,

    /// Use other pictures, all of them; classes are matched by name, and not all of them need to be there
    #[arg(long, value_name = "DATA", conflicts_with_all = ["data", "split"])]
    on: Option<String>,

    /// Leave out pictures that cannot be read, instead of refusing to start
    #[arg(long, requires = "on")]
    skip_bad: bool,
}

/// What is known about the images of a trained network.
pub(crate) struct Network<'a> {
    /// The run directory or weights file.
    pub(crate) path: &'a Path,
    /// The classes that it knows.
    pub(crate) classes: &'a [String],
    /// The size of its images.
    pub(crate) size: ImageSize,
    /// Whether its images are grey.
    pub(crate) channels: Channels,
    /// How its images are resized, and their background.
    pub(crate) framing: Framing,
    /// The weights file's description of the images that it was trained on.
    pub(crate) data: Option<&'a DataDescription>,
}

/// Images, and the split to use.
pub(crate) struct Asked {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) split: Split,
}

impl DataFlags {
    /// Whether the images are those that the run was trained on.
    pub(crate) fn are_own(&self) -> bool {
        self.on.is_none()
    }

    /// Opens the images: those of the run in their own splits, or with `--on` all pictures of another data set, as test
    /// images.
    ///
    /// # Errors
    /// The images are not specified; images of the run are missing or have changed; those of [`convscope_data::open`].
    pub(crate) fn open(
        &self,
        network: &Network<'_>,
        split: Split,
        max_pixels: MaxPixels,
        console: Console,
    ) -> Result<Asked> {
        if let Some(on) = &self.on {
            let bad_images = if self.skip_bad { BadImages::Skip } else { BadImages::Refuse };
            let source = open_others(network, on, bad_images, max_pixels, console)?;
            return Ok(Asked { source, split: Split::Test });
        }
        let run = RunDir::of(network.path)?;
        let source = match (&run, &self.data) {
            (Some(run), data) => {
                if run.data()?.is_none() {
                    console.warning(&format!(
                        "warning: {}: this run does not record its images, so it is unknown which of those \
                         there now it was trained on",
                        run.path().display()
                    ));
                }
                source::open_own(run, data.as_deref(), max_pixels, console)?
            }
            (None, Some(data)) => open_beside(network, data, max_pixels, console)?,
            (None, None) => {
                let message = format!(
                    "{}: this file belongs to no run; name the images that it was trained on with --data, or others \
                     with --on",
                    network.path.display()
                );
                return Err(UsageError(message).into());
            }
        };
        Ok(Asked { source, split })
    }
}

/// How many classes a note names.
const NAMED: usize = 8;

/// All images of another data set.
fn open_others(
    network: &Network<'_>,
    on: &str,
    bad_images: BadImages,
    max_pixels: MaxPixels,
    console: Console,
) -> Result<Arc<dyn Source>> {
    let options = SourceOptions {
        splits: Splits::Whole { classes: network.classes.to_vec() },
        image_size: Some(network.size),
        channels: network.channels,
        framing: network.framing,
        bad_images,
        pixel_limit: max_pixels.limit()?.unwrap_or_default(),
        ..SourceOptions::default()
    };
    let source = source::open(on, options, console)?;
    source::tell(&*source, console);
    let images = source.len(Split::Test);
    let mut is_there = vec![false; network.classes.len()];
    (0..images).for_each(|index| is_there[source.label(Split::Test, index)] = true);
    let absent = network.classes.iter().zip(is_there).filter(|(_, is_there)| !is_there);
    let absent: Vec<&str> = absent.map(|(class, _)| class.as_str()).collect();
    if !absent.is_empty() {
        let shown = absent[..absent.len().min(NAMED)].join(", ");
        let more = absent.len().saturating_sub(NAMED);
        let more =
            if more > 0 { format!(" and {} more classes", thousands(more as u64)) } else { String::new() };
        console.note(&format!("{on} has no pictures of {shown}{more}"));
    }
    let trained_on = TrainedOn::of(network.path, network.data)?;
    if let Some(learned) = trained_on.among(&*source, Split::Test) {
        let count = learned.iter().filter(|&&learned| learned).count();
        if count > 0 {
            console.warning(&format!(
                "warning: {} was trained on {} of these {} pictures",
                network.path.display(),
                thousands(count as u64),
                thousands(images as u64)
            ));
        }
    }
    Ok(source)
}

/// The data set that a weights file was trained on, if the digest matches; otherwise what is found, with a warning.
fn open_beside(
    network: &Network<'_>,
    data: &str,
    max_pixels: MaxPixels,
    console: Console,
) -> Result<Arc<dyn Source>> {
    let known = network.data;
    let seed = known.map_or(Splits::DEFAULT_SEED, |known| known.split_seed);
    let options = SourceOptions {
        splits: Splits::Placed { seed },
        val_fraction: known.map(|known| known.val_share).filter(|&share| share > 0.0),
        image_size: Some(network.size),
        channels: network.channels,
        framing: network.framing,
        pixel_limit: max_pixels.limit()?.unwrap_or_default(),
        train_on_val: known.is_some_and(|known| known.train_on_val),
        ..SourceOptions::default()
    };
    let source = source::open(data, options, console)?;
    let found = source.manifest().map(|manifest| manifest.digest());
    let is_the_same = found.is_some() && known.map(|known| known.digest.as_str()) == found;
    // Different classes are a separate error.
    if !is_the_same && source.classes() == network.classes {
        let why = if known.is_some() { "are not those" } else { "may not be those" };
        console.warning(&format!(
            "warning: {}: the images in {data} {why} that this network was trained with, so it is unknown which of them \
             it has learned from; use all of them with --on",
            network.path.display()
        ));
    }
    Ok(source)
}
