//! The configuration of a training run, with every value resolved.

mod freeze;
mod image_size;
mod partial;
mod scaling;
mod setting;
mod teacher;

pub use freeze::{FeatureCache, Freeze};
pub use partial::{
    OptimizerName, PartialConfig, PartialData, PartialOptimizer, PartialSchedule, ScheduleName,
};
pub use setting::setting_value;
pub use teacher::{PartialTeacher, TeacherConfig};

use std::path::Path;

use convscope_data::{
    Augmentation, Background, BadImages, Channels, DataError, Framing, ImageSize, Normalize, PixelLimit,
    Resize, Splits,
};
use convscope_graph::limits::MOST_IMAGES;
use convscope_graph::{Initializer, ModelOptions};
use convscope_ops::Precision;
use serde::{Deserialize, Serialize};

use crate::class_weights::ClassWeights;
use crate::error::TrainError;
use crate::onnx::ChannelOrder;
use crate::optimizer::{DecayScope, OptimizerConfig};
use crate::schedule::ScheduleConfig;

/// A complete configuration, as in a run directory's `config.toml`.
///
/// It consists of defaults, overridden by a [recipe](crate::recipes), overridden by a file, overridden by flags; each
/// of the last three is a [`PartialConfig`]:
///
/// ```
/// use convscope_train::{OptimizerConfig, PartialConfig, TrainConfig};
/// let file: PartialConfig = toml::from_str("epochs = 30\n[optimizer]\nname = 'sgd'\nmomentum = 0.9")?;
/// let flags: PartialConfig = toml::from_str("epochs = 2\n[optimizer]\nweight_decay = 0.01")?;
/// let config = TrainConfig::default().merged(&file)?.merged(&flags)?;
/// config.validate()?;
/// assert_eq!(config.epochs, 2);
/// assert_eq!(config.optimizer, OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.01 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The version of convscope that resolved the configuration.
    pub version: String,
    /// The [arithmetic](ARITHMETIC) of that version; 1 if missing.
    #[serde(default = "first_arithmetic")]
    pub arithmetic: u32,
    /// The preset (`plain8`), the TOML file of the network, or an ONNX file with a network and its weights, which training
    /// starts from. Default `plain8`.
    pub model: String,
    /// The order in which the network of an ONNX file takes red, green and blue. Default `rgb`.
    #[serde(default, skip_serializing_if = "ChannelOrder::is_rgb")]
    pub channel_order: ChannelOrder,
    /// The output of an ONNX file that classifies. Default the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How the weights are initialised. Default none: as the model specifies.
    pub initializer: Option<Initializer>,
    /// The run directory or weights file, of any origin, that training starts from. Default none: random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A file that says what the network's keys are called in `weights`; see [`KeyMap`](convscope_graph::KeyMap). Default
    /// none: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_map: Option<String>,
    /// Whether arrays that `weights` lacks, or has in another shape, start with random values. Default false: only those of the
    /// classifier do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub weights_partial: bool,
    /// The part of the network that is not trained. Default none.
    #[serde(default, skip_serializing_if = "Freeze::is_none")]
    pub freeze: Freeze,
    /// The epoch, counted from 1, from which the frozen part is trained too. Default none: it stays frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfreeze_at: Option<u64>,
    /// The learning rate of the body, all layers up to where `freeze` divides the network (before the classifier if it is
    /// none), where that of the others is `lr`; both follow the schedule. Default none: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_body: Option<f64>,
    /// How many fixed variants of each image, drawn from `augment`, a frozen body sees; an epoch uses the next of them. 0: the
    /// images as they are, so that `augment` only begins when the body is trained. Default none: the images as they are if
    /// `augment` is none, otherwise new variants in each epoch, whose features cannot be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_views: Option<u64>,
    /// Where the features of a frozen body are kept. Default in memory up to 1000 million bytes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub feature_cache: FeatureCache,
    /// How many times to go through the training images, at least 1. Default 10.
    pub epochs: u64,
    /// Images per optimizer step, at least 1. Default 64.
    pub batch_size: usize,
    /// The learning rate, finite and above 0; the schedule starts at it or rises to it. Default 0.002.
    pub lr: f64,
    /// How training images are changed, differently in each epoch. Default none.
    #[serde(default)]
    pub augment: Augmentation,
    /// The largest global norm of the gradients; larger ones are scaled down to it. Default none.
    pub clip_norm: Option<f64>,
    /// How far [sharpness-aware minimization](crate::sam::Sam) climbs, finite and at least 0. Default 0: steps follow the
    /// gradient at the weights themselves.
    #[serde(default)]
    pub sam: f64,
    /// Run directories or weights files of [trained networks](crate::teachers::Teachers) whose predictions for each
    /// training image are learned too. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<String>,
    /// The share of the teachers' answers in the loss, in `(0, 1]`. Default 1: labels are ignored.
    #[serde(default = "teacher_share")]
    pub teacher_share: f64,
    /// Divides the logits of teachers and learner before they are compared; finite and at least 1. Default 3.
    #[serde(default = "teacher_temperature")]
    pub teacher_temperature: f64,
    /// The share of the target that is spread over all classes, in `[0, 1)`. Default 0.
    pub label_smoothing: f64,
    /// How much the images of each class count in the loss. Default none: all equally.
    #[serde(default)]
    pub class_weights: ClassWeights,
    /// The decay of the moving average of the weights, in `(0, 1)`. Default none: the weights themselves are used.
    pub ema: Option<f64>,
    /// Which parameters the optimizer's weight decay shrinks. Default all, as in PyTorch.
    #[serde(default)]
    pub weight_decay_on: DecayScope,
    /// The run ends after this many epochs without a lower validation loss, at least 1. Default none: it never ends
    /// early.
    pub patience: Option<u64>,
    /// The seed of all randomness, at most 2^63 - 1. Default 1.
    pub seed: u64,
    /// The precision of products in convolutions: `f32`, or `bf16` where they can use it. Weights, gradients, sums and
    /// everything else are always `f32`. Default `f32`.
    #[serde(default)]
    pub precision: Precision,
    /// The number of threads, at least 1. Default none: one per core. The result does not depend on it.
    pub threads: Option<usize>,
    /// The images.
    pub data: DataConfig,
    /// Changes to the model: its width, arguments of its nodes. Default none.
    #[serde(default, skip_serializing_if = "ModelOptions::is_empty")]
    pub model_options: ModelOptions,
    /// A teacher that is trained first, in place of [`teachers`](Self::teachers) that exist already. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherConfig>,
    /// The optimizer. Default Adam.
    pub optimizer: OptimizerConfig,
    /// The course of the learning rate. Default one-cycle.
    pub schedule: ScheduleConfig,
}

/// The images and how they are prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A built-in source (`shapes`, `cifar10`) or a folder. Default `shapes`.
    pub source: String,
    /// The size that images are resized to, at least 1 pixel. Default none: that of the model if it has one, otherwise
    /// the images' own size if all are equal, otherwise 64x64.
    #[serde(default, with = "image_size", skip_serializing_if = "Option::is_none")]
    pub image_size: Option<ImageSize>,
    /// The number of channels of pictures in the network: 1 makes them grey. Default 3.
    #[serde(default)]
    pub channels: Channels,
    /// How images with a different aspect ratio are resized. Default `squash`.
    #[serde(default)]
    pub resize: Resize,
    /// Colour of transparent pixels and added borders. Default white; black if the file of a run does not have the key.
    #[serde(default = "unrecorded_background")]
    pub background: Background,
    /// The fraction of the training images used for validation if the source has no split of its own, in `(0, 1)`.
    /// Default none: what [`SourceOptions`](convscope_data::SourceOptions) does for the source.
    pub val_fraction: Option<f64>,
    /// The seed for assigning images to splits, if the data set has no splits of its own, and for the built-in
    /// pictures; at most 2^63 - 1. Default [`Splits::DEFAULT_SEED`]. `None` in runs that do not record their images:
    /// their splits were drawn with the run's seed.
    #[serde(default)]
    pub split_seed: Option<u64>,
    /// Whether to train on the validation images too, once everything has been chosen. Default false.
    #[serde(default)]
    pub train_on_val: bool,
    /// How pixel values are scaled. Default `standard`.
    pub normalize: Normalize,
    /// Subtracted from each channel's values between 0 and 1, with `normalize = "unit"`. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f64>>,
    /// Divides the difference. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f64>>,
    /// What to do about images that cannot be read. Default `refuse`.
    pub bad_images: BadImages,
    /// The most pixels that a picture file may have, in the range of [`PixelLimit`]. Default none: 100 million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arithmetic: ARITHMETIC,
            model: "plain8".to_owned(),
            channel_order: ChannelOrder::Rgb,
            output: None,
            initializer: None,
            weights: None,
            weights_map: None,
            weights_partial: false,
            freeze: Freeze::None,
            unfreeze_at: None,
            lr_body: None,
            cached_views: None,
            feature_cache: FeatureCache::default(),
            epochs: 10,
            batch_size: 64,
            lr: 0.002,
            augment: Augmentation::NONE,
            clip_norm: None,
            sam: 0.0,
            teachers: Vec::new(),
            teacher_share: teacher_share(),
            teacher_temperature: teacher_temperature(),
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            ema: None,
            weight_decay_on: DecayScope::default(),
            patience: None,
            seed: 1,
            precision: Precision::F32,
            threads: None,
            data: DataConfig::default(),
            model_options: ModelOptions::default(),
            teacher: None,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::one_cycle(),
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: "shapes".to_owned(),
            image_size: None,
            channels: Channels::default(),
            resize: Resize::default(),
            background: Background::default(),
            val_fraction: None,
            split_seed: Some(Splits::DEFAULT_SEED),
            train_on_val: false,
            normalize: Normalize::default(),
            mean: None,
            std: None,
            bad_images: BadImages::default(),
            max_pixels: None,
        }
    }
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

impl TrainConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// The first of [`problems`](Self::problems).
    pub fn validate(&self) -> Result<(), TrainError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// The configuration for this many training images: a batch has at most as many images.
    #[must_use]
    pub fn with_batch_within(self, images: usize) -> TrainConfig {
        TrainConfig { batch_size: self.batch_size.min(images.max(1)), ..self }
    }

    /// One error for each value that is out of range, naming field, value and range.
    pub fn problems(&self) -> Vec<TrainError> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, field, value: &dyn ToString, accepted| {
            if !fits {
                problems.push(TrainError::InvalidValue { field, value: value.to_string(), accepted });
            }
        };
        let at_least_1 = "at least 1";
        check(!self.model.trim().is_empty(), "model", &"empty", "a preset's name or a TOML file");
        let is_empty = |name: &Option<String>| name.as_ref().is_some_and(|name| name.trim().is_empty());
        check(!is_empty(&self.weights), "weights", &"empty", "a run directory or a weights file");
        check(!is_empty(&self.weights_map), "weights_map", &"empty", "a file of lines `ours = theirs`");
        let is_used = self.weights.is_some() || self.weights_map.is_none() && !self.weights_partial;
        check(is_used, "weights", &"missing", "given if weights_map or weights_partial is");
        freeze::check(self, &mut check);
        check(self.epochs >= 1, "epochs", &self.epochs, at_least_1);
        let fits = (1..=MOST_IMAGES).contains(&self.batch_size);
        check(fits, "batch_size", &self.batch_size, "at least 1 and at most 1048576");
        check(self.lr.is_finite() && self.lr > 0.0, "lr", &self.lr, "a finite number above 0");
        if let Some(norm) = self.clip_norm {
            check(norm.is_finite() && norm > 0.0, "clip_norm", &norm, "a finite number above 0");
        }
        check(self.sam.is_finite() && self.sam >= 0.0, "sam", &self.sam, "a finite number of at least 0");
        for teacher in &self.teachers {
            check(!teacher.trim().is_empty(), "teachers", &"empty", "run directories or weights files");
        }
        let share = self.teacher_share;
        check(share > 0.0 && share <= 1.0, "teacher_share", &share, "in (0, 1]");
        let temperature = self.teacher_temperature;
        let fits = temperature.is_finite() && temperature >= 1.0;
        check(fits, "teacher_temperature", &temperature, "a finite number of at least 1");
        let smoothing = self.label_smoothing;
        check((0.0..1.0).contains(&smoothing), "label_smoothing", &smoothing, "in [0, 1)");
        if let Some(decay) = self.ema {
            check(decay > 0.0 && decay < 1.0, "ema", &decay, "in (0, 1)");
        }
        if let Some(patience) = self.patience {
            check(patience >= 1, "patience", &patience, at_least_1);
        }
        // TOML integers end there, and the seed must be written to config.toml.
        check(i64::try_from(self.seed).is_ok(), "seed", &self.seed, "at most 9223372036854775807");
        if let Some(seed) = self.data.split_seed {
            check(i64::try_from(seed).is_ok(), "data.split_seed", &seed, "at most 9223372036854775807");
        }
        if let Some(threads) = self.threads {
            check(threads >= 1, "threads", &threads, at_least_1);
        }
        let data = &self.data;
        check(
            !data.source.trim().is_empty(),
            "data.source",
            &"empty",
            "a built-in source's name or a folder",
        );
        if let Some(size) = data.image_size {
            check(size.pixels() >= 1, "data.image_size", &size.height.min(size.width), "at least 1 pixel");
        }
        if let Some(fraction) = data.val_fraction {
            check(fraction > 0.0 && fraction < 1.0, "data.val_fraction", &fraction, "in (0, 1)");
        }
        if let Some(pixels) = data.max_pixels {
            check(PixelLimit::new(pixels).is_ok(), "data.max_pixels", &pixels, "between 1 and 1000000000");
        }
        problems.extend(self.scaling_problems());
        let teacher = self.teacher.iter().flat_map(|teacher| teacher.problems(&self.teachers));
        problems.extend(teacher);
        problems.extend(self.optimizer.problems());
        problems.extend(self.schedule.problems());
        problems
    }

    /// Reads a `config.toml` that a run wrote; a file with some of the keys is a [`PartialConfig`].
    ///
    /// # Errors
    /// [`TrainError::Io`] and [`TrainError::ConfigSyntax`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        toml::from_str(&text).map_err(|error| syntax_error(path, &error))
    }

    /// The contents of `config.toml`; keys without a value are left out.
    ///
    /// # Errors
    /// [`TrainError::InvalidValue`], as for [`validate`](Self::validate).
    pub fn to_toml(&self) -> Result<String, TrainError> {
        self.validate()?;
        Ok(toml::to_string(self).expect("a valid configuration has a TOML form"))
    }
}

/// The arithmetic of this version. It increases with every change after which the same configuration, data and seed
/// give different bits.
pub const ARITHMETIC: u32 = 2;

fn unrecorded_background() -> Background {
    Framing::UNRECORDED.background
}

fn first_arithmetic() -> u32 {
    1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn teacher_share() -> f64 {
    1.0
}

fn teacher_temperature() -> f64 {
    3.0
}

fn syntax_error(path: &Path, error: &toml::de::Error) -> TrainError {
    TrainError::ConfigSyntax { path: path.to_owned(), message: error.to_string().trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(toml: &str) -> String {
        let partial: PartialConfig = toml::from_str(toml).unwrap();
        let problems = TrainConfig::default().merged(&partial).unwrap().problems();
        assert_eq!(problems.len(), 1, "{toml}: {problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn the_defaults_are_valid_and_survive_their_file() {
        let config = TrainConfig::default();
        config.validate().unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&config.to_toml().unwrap()).unwrap(), config);
        let full: PartialConfig = toml::from_str(
            "clip_norm = 0.7\nsam = 0.5\nweights = 'a.pth'\nweights_map = 'map'\nweights_partial = true\nfreeze = 'node 1'\nunfreeze_at = 3\nlr_body = 0.001\ncached_views = 0\nfeature_cache = 'off'\nteachers = ['runs/a', 'b.safetensors']\nteacher_share = 0.75\nteacher_temperature = 2.0\nema = 0.99\npatience = 3\nthreads = 2\nlr = 0.1\nseed = 9223372036854775807\n\
             [data]\nimage_size = 48\nbad_images = 'skip'\nnormalize = 'unit'\n\
             [optimizer]\nname = 'adamw'\n[schedule]\nname = 'one-cycle'",
        )
        .unwrap();
        let config = config.merged(&full).unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&config.to_toml().unwrap()).unwrap(), config);
        assert_eq!(config.schedule, ScheduleConfig::one_cycle());
    }

    #[test]
    fn every_value_out_of_range_has_its_error() {
        for (toml, expected) in [
            ("lr = nan", "lr is NaN; it must be a finite number above 0"),
            ("lr = -0.1", "lr is -0.1; it must be a finite number above 0"),
            ("lr = 0.0", "lr is 0; it must be a finite number above 0"),
            ("lr = inf", "lr is inf; it must be a finite number above 0"),
            ("epochs = 0", "epochs is 0; it must be at least 1"),
            ("batch_size = 0", "batch_size is 0; it must be at least 1 and at most 1048576"),
            ("label_smoothing = 1.0", "label_smoothing is 1; it must be in [0, 1)"),
            ("label_smoothing = nan", "label_smoothing is NaN; it must be in [0, 1)"),
            ("clip_norm = 0.0", "clip_norm is 0; it must be a finite number above 0"),
            ("sam = -0.5", "sam is -0.5; it must be a finite number of at least 0"),
            ("sam = inf", "sam is inf; it must be a finite number of at least 0"),
            ("weights = ' '", "weights is empty; it must be a run directory or a weights file"),
            (
                "weights_partial = true",
                "weights is missing; it must be given if weights_map or weights_partial is",
            ),
            ("teachers = ['a', ' ']", "teachers is empty; it must be run directories or weights files"),
            ("teacher_share = 0.0", "teacher_share is 0; it must be in (0, 1]"),
            ("teacher_share = 1.5", "teacher_share is 1.5; it must be in (0, 1]"),
            (
                "teacher_temperature = 0.5",
                "teacher_temperature is 0.5; it must be a finite number of at least 1",
            ),
            ("teacher.width = 0", "teacher.width is 0; it must be a finite number above 0"),
            ("teacher.width = inf", "teacher.width is inf; it must be a finite number above 0"),
            ("teacher = {width=4, epochs=0}", "teacher.epochs is 0; it must be at least 1"),
            (
                "teachers = ['a']\nteacher.width = 4",
                "teacher.width is 4; it must be left out if teachers are named",
            ),
            ("ema = 1.0", "ema is 1; it must be in (0, 1)"),
            ("patience = 0", "patience is 0; it must be at least 1"),
            ("threads = 0", "threads is 0; it must be at least 1"),
            ("model = ' '", "model is empty; it must be a preset's name or a TOML file"),
            (
                "data.mean = [0.5, nan, 0.5]",
                "data.mean is [0.5, NaN, 0.5]; it must be a finite number for each channel",
            ),
            ("data.std = [0.0]", "data.std is [0.0]; it must be a finite number above 0 for each channel"),
            (
                "data.normalize = 'tf'\ndata.mean = [0.5]",
                "data.normalize is tf; it must be unit if data.mean or data.std is given",
            ),
            (
                "channel_order = 'bgr'",
                "channel_order is bgr; it must be rgb unless the model is an ONNX file",
            ),
            ("output = 'logits'", "output is logits; it must be left out unless the model is an ONNX file"),
            ("data.source = ''", "data.source is empty; it must be a built-in source's name or a folder"),
            ("data.image_size = 0", "data.image_size is 0; it must be at least 1 pixel"),
            ("data.val_fraction = 1.0", "data.val_fraction is 1; it must be in (0, 1)"),
            ("data.val_fraction = 0.0", "data.val_fraction is 0; it must be in (0, 1)"),
            ("optimizer = {name='sgd', momentum=1.0}", "optimizer.momentum is 1; it must be in [0, 1)"),
            ("optimizer = {name='muon', momentum=-0.5}", "optimizer.momentum is -0.5; it must be in [0, 1)"),
            (
                "optimizer = {name='sgd', nesterov=true}",
                "optimizer.nesterov is true; it must be false if optimizer.momentum is 0",
            ),
            ("optimizer.betas = [0.9, 1.0]", "optimizer.betas is 1; it must be two numbers in [0, 1)"),
            ("optimizer.eps = 0.0", "optimizer.eps is 0; it must be a finite number above 0"),
            (
                "optimizer.weight_decay = -1.0",
                "optimizer.weight_decay is -1; it must be a finite number of at least 0",
            ),
            ("schedule = {name='step', step_size=0}", "schedule.step_size is 0; it must be at least 1 epoch"),
            ("schedule = {name='step', gamma=0.0}", "schedule.gamma is 0; it must be in (0, 1]"),
            ("schedule = {name='one-cycle', pct_start=1.0}", "schedule.pct_start is 1; it must be in (0, 1)"),
            (
                "schedule = {name='cosine', warmup_epochs=inf}",
                "schedule.warmup_epochs is inf; it must be a finite number of at least 0",
            ),
        ] {
            assert_eq!(problem(toml), expected);
        }
        let seed = TrainConfig { seed: u64::MAX, ..TrainConfig::default() };
        assert!(seed.to_toml().unwrap_err().to_string().starts_with("seed is 18446744073709551615"));
    }

    #[test]
    fn several_wrong_values_are_all_named() {
        let config = TrainConfig { epochs: 0, batch_size: 0, lr: f64::NAN, ..TrainConfig::default() };
        let fields: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(config.validate().unwrap_err().to_string(), fields[0]);
    }
}
