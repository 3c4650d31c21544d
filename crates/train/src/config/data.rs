//! The images and how they are prepared.

use convscope_data::{
    Background, BadImages, Channels, DataError, Framing, ImageSize, Normalize, PixelLimit, Resize, Splits,
};

use super::declare::Group::Data;
use super::declare::{Setting, settings, switch, switch_between, value};
use super::value::SettingValue;
use super::{is_inside_0_to_1, is_seed, is_text};
use crate::error::TrainError;

settings! {
    /// The images and how they are prepared.
    #[derive(Clone, Debug, PartialEq)]
    pub struct DataConfig;

    /// Some of the values of a [`DataConfig`].
    pub struct PartialData in "data.";

    /// `shapes` (synthetic), `cifar10` (downloaded once), a folder in CIFAR's binary layout, or an image
    /// folder DIR/CLASS/* or DIR/{train,val,test}/CLASS/*
    source: String = "shapes".to_owned(), Some(value(Data, "DATA").named("data")), (is_text, "a built-in source's name or a folder");
    /// Resize images to this many pixels square, or to WIDTHxHEIGHT [default: the size in the model file if it has one,
    /// otherwise their own if all are equal, otherwise 64]
    image_size: Option<ImageSize> = None, Some(value(Data, "PIXELS")), (|size| size.pixels() >= 1, "at least 1 pixel");
    /// Number of channels of pictures in the network: 1 makes them grey
    channels: Channels = Channels::default(), Some(value(Data, "N")), any;
    /// How to resize images with a different aspect ratio: `squash` scales width and height independently, `pad` adds
    /// borders, `crop` cuts off the excess, a number is the length of the shorter side in pixels, of which the middle is
    /// kept
    resize: Resize = Resize::default(), Some(value(Data, "NAME|PIXELS")), any;
    /// Colour of transparent pixels and added borders: white, black or #rrggbb
    background: Background = Background::default(), Some(value(Data, "COLOUR")), any;
    /// The share of the training images used for validation, if the data has no validation folder [default: 0.2, or
    /// 0.1 for an image folder without a test folder]
    val_fraction: Option<f64> = None, Some(value(Data, "SHARE")), (is_inside_0_to_1, "in (0, 1)");
    /// The seed for the split of each picture, if the data has no splits of its own, and for the built-in pictures;
    /// independent of --seed
    split_seed: Option<u64> = Some(Splits::DEFAULT_SEED), Some(value(Data, "N")), (is_seed, "at most 9223372036854775807");
    /// Train on the validation images too, once everything has been chosen; there is then no validation
    train_on_val: bool = false, Some(switch(Data)), any;
    /// How pixel values are scaled: `unit` divides by 255, `standard` also normalises by mean and deviation of the
    /// training images, `imagenet` by those of ImageNet; `tf` scales to -1 to 1
    normalize: Normalize = Normalize::default(), Some(value(Data, "NAME")), any;
    /// Subtracted from each channel of the images, whose values are from 0 to 1, instead of --normalize [default: 0,0,0]
    mean: Option<Vec<f64>> = None, Some(value(Data, "R,G,B")), (|mean| are(mean, |_| true), "a finite number for each channel");
    /// Divides each channel after that [default: 1,1,1]
    std: Option<Vec<f64>> = None, Some(value(Data, "R,G,B")),
        (|std| are(std, |value| value > 0.0), "a finite number above 0 for each channel");
    /// Leave out images that cannot be read, instead of refusing to start
    bad_images: BadImages = BadImages::Refuse, Some(switch_between(Data, "skip", "refuse").named("skip-bad")), any;
    /// Refuse picture files with more pixels, rows times columns [default: 100000000]
    max_pixels: Option<u64> = None, Some(value(Data, "N")), (|pixels| PixelLimit::new(*pixels).is_ok(), "between 1 and 1000000000");
}

impl DataConfig {
    /// The limit that [`max_pixels`](Self::max_pixels) stands for.
    ///
    /// # Errors
    /// A number out of range.
    pub fn pixel_limit(&self) -> Result<PixelLimit, TrainError> {
        Ok(self.max_pixels.map(PixelLimit::new).transpose().map_err(DataError::from)?.unwrap_or_default())
    }

    /// How images are resized, and their background.
    pub fn framing(&self) -> Framing {
        Framing { resize: self.resize, background: self.background }
    }
}

/// Whether there are numbers, all of which are finite and fit.
fn are(numbers: &[f64], fit: fn(f32) -> bool) -> bool {
    !numbers.is_empty() && numbers.iter().all(|&value| (value as f32).is_finite() && fit(value as f32))
}
