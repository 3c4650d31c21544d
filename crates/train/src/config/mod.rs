//! The configuration of a training run: every setting, declared once.

mod data;
mod declare;
mod freeze;
mod merge;
mod names;
mod optimizer;
mod scaling;
mod schedule;
mod setting;
mod teacher;
mod value;

pub use data::{DataConfig, PartialData};
pub use declare::{Flag, Form, Group, Setting};
pub use freeze::{FeatureCache, Freeze};
pub use names::{OptimizerName, ScheduleName};
pub use optimizer::PartialOptimizer;
pub use schedule::PartialSchedule;
pub use teacher::{PartialTeacher, TeacherConfig};
pub use value::{SettingValue, setting_value};

use std::path::Path;

use convscope_data::Augmentation;
use convscope_files::located;
use convscope_graph::limits::MOST_IMAGES;
use convscope_graph::{Initializer, ModelOptions};
use convscope_ops::Precision;
use serde::{Deserialize, Serialize};

use crate::class_weights::ClassWeights;
use crate::error::TrainError;
use crate::onnx::ChannelOrder;
use crate::optimizer::{DecayScope, OptimizerConfig};
use crate::schedule::ScheduleConfig;
use declare::Group::{Data, FineTuning, Model, Training};
use declare::{settings, switch, value};

settings! {
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
    #[serde(into = "PartialConfig", try_from = "PartialConfig")]
    pub struct TrainConfig;

    /// Some of the values of a [`TrainConfig`]; missing ones leave those that they are merged into unchanged. In a file, and as
    /// the text of a flag, `none` takes a value away where there may be none.
    pub struct PartialConfig in "";

    /// A preset, such as plain8 or mobilenet_v2 (docs/models.md lists them), a model file (.toml), or a network with weights
    /// to start from: a run or an ONNX file
    model: String = "plain8".to_owned(), Some(value(Model, "MODEL")), (is_text, "a preset's name, a file or a run");
    /// The order in which the network of an ONNX file takes red, green and blue
    channel_order: ChannelOrder = ChannelOrder::Rgb, Some(value(Model, "ORDER")), any;
    /// The output of an ONNX file that classifies [default: the first]
    output: Option<String> = None, Some(value(Model, "NAME")), any;
    /// How to initialise the weights [default: as in the model]
    initializer: Option<Initializer> = None, Some(value(Model, "NAME")), any;
    /// Start from these weights: a run, or a file of any origin, safetensors, torch.save's .pth or Keras' .h5, with the network's
    /// keys [default: random]
    weights: Option<String> = None, Some(value(Model, "RUN|FILE")), (is_text, "a run directory or a weights file");
    /// Lines `ours = theirs` for keys, or names of nodes, that have another name in --weights
    weights_map: Option<String> = None, Some(value(Model, "FILE")), (is_text, "a file of lines `ours = theirs`");
    /// Start with random values wherever --weights has nothing or another shape, not only in a classifier for other classes
    weights_partial: bool = false, Some(switch(Model)), any;
    /// What is not trained: `all-but-head`, everything up to a node by its NAME, or `none` [default: none; all-but-head if training
    /// starts from weights of --weights, a run or an ONNX file]
    freeze: Freeze = Freeze::None, Some(value(FineTuning, "NODE|NAME")), any;
    /// From this epoch on, counted from 1, train what is frozen too [default: never]
    unfreeze_at: Option<u64> = None, Some(value(FineTuning, "EPOCH")), (|epoch| *epoch >= 2, "an epoch from 2");
    /// The learning rate of everything before the classifier, or of what --freeze names [default: that of --lr; 0.0001 in
    /// fine-tuning without --lr]
    lr_body: Option<f64> = None, Some(value(FineTuning, "RATE")), (is_above_0, "a finite number above 0");
    /// Show a frozen body so many fixed variants of each image, drawn from --augment; 0: the images as they are until it is
    /// trained [default: 0 if --augment is none, otherwise new variants in each epoch, whose features cannot be kept]
    cached_views: Option<u64> = None, Some(value(FineTuning, "N")), (|views| *views <= 1000, "at most 1000");
    /// Keep the features of a frozen body in memory up to so many megabytes, beyond that in the run directory; `off` computes
    /// them for each batch
    feature_cache: FeatureCache = FeatureCache::default(), Some(value(FineTuning, "MEGABYTES|off")), any;
    /// How many times to go through the training images
    epochs: u64 = 10, Some(value(Training, "N")), (is_epochs, "from 1 to 1000000000");
    /// Images per optimizer step; the default is at most the size of the training set
    batch_size: usize = 64, Some(value(Training, "N")),
        (|size| (1..=MOST_IMAGES).contains(size), "at least 1 and at most 1048576");
    /// The learning rate, or its peak if the schedule changes it
    lr: f64 = 0.002, Some(value(Training, "RATE")), (is_above_0, "a finite number above 0");
    /// Change training images at random: `none`, `auto`, or items such as flip,shift=0.1 from flip, vflip, shift, crop,
    /// resized-crop, rotate, zoom, brightness, contrast, color, cutout, mixup, cutmix, and fill=reflect|nearest|constant for
    /// the area beyond the border
    augment: Augmentation = Augmentation::NONE, Some(value(Data, "ITEMS")), any;
    /// Scale gradients down to this norm if theirs is larger [default: off]
    clip_norm: Option<f64> = None, Some(value(Training, "NORM")), (is_above_0, "a finite number above 0");
    /// Climb this far uphill before computing the gradient of a step, such as 0.5 (adaptive sharpness-aware
    /// minimization); takes twice the time; 0 is off
    sam: f64 = 0.0, Some(value(Training, "RHO")), (is_at_least_0, "a finite number of at least 0");
    /// Learn the average prediction of these trained networks for each training image, instead of its label
    /// (distillation); each is a run directory or a weights file [default: none]
    teachers: Vec<String> = Vec::new(), Some(value(Training, "RUN,...")),
        (|teachers| teachers.iter().all(is_text), "run directories or weights files");
    /// The share of the teachers' answers in the loss; the labels have the rest
    teacher_share: f64 = 1.0, Some(value(Training, "SHARE")), (|share| *share > 0.0 && *share <= 1.0, "in (0, 1]");
    /// Divides logits before those of teachers and learner are compared; the higher, the more the less probable classes
    /// count
    teacher_temperature: f64 = 3.0, Some(value(Training, "FACTOR")), (is_at_least_1, "a finite number of at least 1");
    /// The share of the target that is spread over all classes
    label_smoothing: f64 = 0.0, Some(value(Training, "SHARE")), (|share| (0.0..1.0).contains(share), "in [0, 1)");
    /// How much the images of each class count in the loss: with `none`, all equally; with `balanced`, those of small
    /// classes more, so that every class counts equally
    class_weights: ClassWeights = ClassWeights::None, Some(value(Training, "NAME")), any;
    /// Evaluate and save a moving average of the weights with this decay, such as 0.999 [default: off]
    ema: Option<f64> = None, Some(value(Training, "DECAY")), (is_inside_0_to_1, "in (0, 1)");
    /// What weight decay applies to: `all` parameters, or only `weights`, not biases or batch norms
    weight_decay_on: DecayScope = DecayScope::All, Some(value(Training, "NAME")), any;
    /// Stop after this many epochs without a lower validation loss, and use the best weights [default: off]
    patience: Option<u64> = None, Some(value(Training, "EPOCHS")), (is_epochs, "from 1 to 1000000000");
    /// By how much an epoch's validation loss must be below the lowest one to count as lower, for --patience
    min_delta: f64 = 0.0, Some(value(Training, "LOSS")), (is_at_least_0, "a finite number of at least 0");
    /// The seed for all randomness of training: initial weights, order, augmentation, dropout
    seed: u64 = 1, Some(value(Training, "N")), (is_seed, "at most 9223372036854775807");
    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor; weights, gradients and sums
    /// are always `f32`
    precision: Precision = Precision::F32, Some(value(Training, "NAME")), any;
    /// The number of threads, which changes no result [default: one per core]
    threads: Option<usize> = None, None, (|threads| *threads >= 1, "at least 1");

    also {
        /// The version of convscope that resolved the configuration; in a partial one, accepted and ignored.
        version: String = env!("CARGO_PKG_VERSION").to_owned(), Option<String>;
        /// The [arithmetic](ARITHMETIC) of that version; as `version`.
        arithmetic: u32 = ARITHMETIC, Option<u32>;
        /// The images.
        data: DataConfig = DataConfig::default(), PartialData;
        /// Changes to the model: its width, arguments of its nodes. Each key individually replaces the one that it is merged into.
        model_options: ModelOptions = ModelOptions::default(), ModelOptions;
        /// A teacher that is trained first. It and [`teachers`](Self::teachers) that exist already replace each other.
        teacher: Option<TeacherConfig> = None, PartialTeacher;
        /// The optimizer.
        optimizer: OptimizerConfig = OptimizerConfig::adam(), PartialOptimizer;
        /// The course of the learning rate.
        schedule: ScheduleConfig = ScheduleConfig::one_cycle(), PartialSchedule;
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

    /// One error for each value that is out of range or does not go with others, naming key, value and range.
    pub fn problems(&self) -> Vec<TrainError> {
        let given = PartialConfig::from(self.clone());
        let mut problems = given.problems();
        problems.extend(given.data.problems());
        problems.extend(given.teacher.problems());
        problems.extend(given.optimizer.problems());
        problems.extend(given.schedule.problems());
        let mut check = |fits: bool, field, value: &dyn ToString, accepted| {
            if !fits {
                problems.push(TrainError::InvalidValue { field, value: value.to_string(), accepted });
            }
        };
        let is_used = self.weights.is_some() || self.weights_map.is_none() && !self.weights_partial;
        check(is_used, "weights", &"missing", "given if weights_map or weights_partial is");
        freeze::check(self, &mut check);
        scaling::check(self, &mut check);
        teacher::check(self, &mut check);
        optimizer::check(&self.optimizer, &mut check);
        problems
    }

    /// Reads a `config.toml` that a run wrote; a file with some of the keys is a [`PartialConfig`].
    ///
    /// # Errors
    /// [`TrainError::Io`] and [`TrainError::ConfigSyntax`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        toml::from_str(&text).map_err(|error| syntax_error(path, &text, &error))
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

/// Receives whether a value fits, its key, the value, and what it must be.
type Check<'a> = dyn FnMut(bool, &'static str, &dyn ToString, &'static str) + 'a;

/// The arithmetic of this version. It increases with every change after which the same configuration, data and seed
/// give different bits.
pub const ARITHMETIC: u32 = 2;

fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> TrainError {
    let message = located(text, error.span().map(|span| span.start), error.message());
    TrainError::ConfigSyntax { path: path.to_owned(), message }
}

#[expect(clippy::ptr_arg, reason = "the type of a setting")]
fn is_text(text: &String) -> bool {
    !text.trim().is_empty()
}

fn is_above_0(value: &f64) -> bool {
    value.is_finite() && *value > 0.0
}

fn is_at_least_0(value: &f64) -> bool {
    value.is_finite() && *value >= 0.0
}

fn is_at_least_1(value: &f64) -> bool {
    value.is_finite() && *value >= 1.0
}

fn is_inside_0_to_1(value: &f64) -> bool {
    *value > 0.0 && *value < 1.0
}

fn is_epochs(epochs: &u64) -> bool {
    (1..=1_000_000_000).contains(epochs)
}

/// TOML integers end at 2^63 - 1, and a seed must be written to config.toml.
fn is_seed(seed: &u64) -> bool {
    i64::try_from(*seed).is_ok()
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
            ("epochs = 0", "epochs is 0; it must be from 1 to 1000000000"),
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
            ("teachers = ['a', ' ']", "teachers is a,empty; it must be run directories or weights files"),
            ("teacher_share = 0.0", "teacher_share is 0; it must be in (0, 1]"),
            ("teacher_share = 1.5", "teacher_share is 1.5; it must be in (0, 1]"),
            (
                "teacher_temperature = 0.5",
                "teacher_temperature is 0.5; it must be a finite number of at least 1",
            ),
            ("teacher.width = 0", "teacher.width is 0; it must be a finite number above 0"),
            ("teacher.width = inf", "teacher.width is inf; it must be a finite number above 0"),
            ("teacher = {width=4, epochs=0}", "teacher.epochs is 0; it must be from 1 to 1000000000"),
            (
                "teachers = ['a']\nteacher.width = 4",
                "teacher.width is 4; it must be left out if teachers are named",
            ),
            ("ema = 1.0", "ema is 1; it must be in (0, 1)"),
            ("patience = 0", "patience is 0; it must be from 1 to 1000000000"),
            ("threads = 0", "threads is 0; it must be at least 1"),
            ("model = ' '", "model is empty; it must be a preset's name, a file or a run"),
            (
                "data.mean = [0.5, nan, 0.5]",
                "data.mean is 0.5,NaN,0.5; it must be a finite number for each channel",
            ),
            ("data.std = [0.0]", "data.std is 0; it must be a finite number above 0 for each channel"),
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
            ("optimizer.betas = [0.9, 1.0]", "optimizer.betas is 0.9,1; it must be two numbers in [0, 1)"),
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
