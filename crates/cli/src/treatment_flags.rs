//! Flags for how pictures are prepared for a network that another program trained.

use anyhow::Result;
use convscope_data::{ImageSize, Normalization, Normalize, Resize, Source, Split, Statistics};
use convscope_train::onnx::{ChannelOrder, InputTreatment};

use crate::console::Console;
use crate::exit::UsageError;
use crate::flags::{cropped, named};

/// How pictures are prepared.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct TreatmentFlags {
    /// Side of the images in pixels, or WIDTHxHEIGHT [default: the size in the model file, otherwise
    /// 32, or 64 for a network made for photographs; 224 for an ONNX file without one]
    #[arg(long, value_name = "PIXELS", requires = "model")]
    image_size: Option<ImageSize>,

    /// How images with another aspect ratio are resized: `squash`, `pad` or `crop`, or the length of the shorter side in
    /// pixels, of which the middle is kept [default: squash]
    #[arg(long, value_name = "NAME|PIXELS", requires = "model")]
    resize: Option<Resize>,

    /// Keep this many pixels square, or WIDTHxHEIGHT, from the middle of images, after --resize PIXELS; it is --image-size
    #[arg(long, value_name = "PIXELS", requires = "model", conflicts_with = "image_size")]
    crop: Option<ImageSize>,

    /// How pixel values are scaled: `unit` to 0 to 1, `tf` to -1 to 1, `imagenet` by mean and deviation of ImageNet,
    /// `standard` by those of the images that the command opens, the training images if there are such [default: unit]
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with_all = ["mean", "std"], value_parser = named::<Normalize>(NORMALIZE))]
    normalize: Option<Normalize>,

    /// Subtracted from each channel of the image, whose values are from 0 to 1 [default: 0,0,0]
    #[arg(
        long,
        value_name = "R,G,B",
        requires = "model",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    mean: Vec<f32>,

    /// Divides each channel after that [default: 1,1,1]
    #[arg(long, value_name = "R,G,B", requires = "model", value_delimiter = ',')]
    std: Vec<f32>,

    /// The order in which the network of an ONNX file takes red, green and blue: `rgb` or `bgr` [default: rgb]
    #[arg(long, value_name = "ORDER", requires = "model", value_parser = named::<ChannelOrder>(CHANNEL_ORDERS))]
    pub(crate) channel_order: Option<ChannelOrder>,
}

const NORMALIZE: &[&str] = &["unit", "imagenet", "tf", "standard"];
const CHANNEL_ORDERS: &[&str] = &["rgb", "bgr"];

impl TreatmentFlags {
    /// The size of the images, if a flag says it.
    ///
    /// # Errors
    /// Flags that contradict each other.
    pub(crate) fn image_size(&self) -> Result<Option<ImageSize>> {
        Ok(cropped(self.crop, self.image_size, self.resize)?.0)
    }

    /// Whether a flag says how pictures of this size are prepared.
    pub(crate) fn are_given(&self) -> bool {
        self.resize.is_some()
            || self.crop.is_some()
            || self.normalize.is_some()
            || !self.mean.is_empty()
            || !self.std.is_empty()
    }

    /// How pictures of so many channels are prepared; what [`fitted`](Self::fitted) finds is missing.
    ///
    /// # Errors
    /// Flags that contradict each other, other numbers than channels, numbers that cannot be used.
    pub(crate) fn treatment(&self, channels: usize) -> Result<InputTreatment> {
        let fixed = self.normalize.and_then(|normalize| normalize.fixed(channels));
        let (mean, std) = match fixed {
            Some(Normalization { mean, std }) => (mean, std),
            None => (
                channel_values("--mean", &self.mean, channels, 0.0)?,
                channel_values("--std", &self.std, channels, 1.0)?,
            ),
        };
        if std.iter().any(|&std| std.is_nan() || std <= 0.0) {
            return Err(UsageError("--std has a number that is not above 0".to_owned()).into());
        }
        let resize = cropped(self.crop, None, self.resize)?.1.unwrap_or_default().to_string();
        Ok(InputTreatment { resize, background: "white".to_owned(), mean, std })
    }

    /// The normalisation of `--normalize standard`: by the training images of a source, otherwise by the images of this split.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub(crate) fn fitted(
        &self,
        source: &dyn Source,
        split: Split,
        console: Console,
    ) -> Result<Option<Normalization>> {
        if self.normalize != Some(Normalize::Standard) {
            return Ok(None);
        }
        let split = if source.is_empty(Split::Train) { split } else { Split::Train };
        let found = Statistics::of(source, split)?.normalization();
        let numbers =
            |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(",");
        console.note(&format!(
            "normalised by the {} images of {}: --mean {} --std {}",
            split.adjective(),
            source.name(),
            numbers(&found.mean),
            numbers(&found.std)
        ));
        Ok(Some(found))
    }

    /// Refuses `--normalize standard` in a command that opens no data set.
    ///
    /// # Errors
    /// It is given.
    pub(crate) fn check_fixed(&self) -> Result<()> {
        if self.normalize != Some(Normalize::Standard) {
            return Ok(());
        }
        let message = "--normalize standard needs the images that the network was trained on; `convscope data DIR` prints their \
                       mean and deviation, for --mean and --std";
        Err(UsageError(message.to_owned()).into())
    }
}

/// A number for each channel.
fn channel_values(flag: &str, given: &[f32], channels: usize, default: f32) -> Result<Vec<f32>> {
    match given {
        [] => Ok(vec![default; channels]),
        given if given.len() == channels && given.iter().all(|value| value.is_finite()) => Ok(given.to_vec()),
        _ => {
            let message =
                format!("{flag} needs {channels} finite numbers, one for each channel of the image");
            Err(UsageError(message).into())
        }
    }
}
