//! The flags of `convscope train` that change its configuration.

use std::path::PathBuf;

use clap::Command;
use convscope_data::{
    Augmentation, Background, BadImages, Channels, ImageSize, Normalize, Resize, Source, Split, Splits,
};
use convscope_graph::Initializer;
use convscope_ops::Precision;
use convscope_train::class_weights::ClassWeights;
use convscope_train::config::{
    OptimizerName, PartialConfig, PartialData, PartialOptimizer, PartialSchedule, PartialTeacher,
    ScheduleName,
};
use convscope_train::fine_tuning::FineTuning;
use convscope_train::onnx::ChannelOrder;
use convscope_train::optimizer::DecayScope;
use convscope_train::recipes::recipe;
use convscope_train::{TrainConfig, TrainError};

use crate::console::Console;
use crate::exit::UsageError;
use crate::fine_tuning_flags::{FineTuningFlags, suited};
use crate::flags::{ModelOptionFlags, PRECISIONS, cropped, named};

/// A flag for each common setting; a configuration file has all settings.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct TrainFlags {
    /// Start from the settings of a recipe, `report`, `best` or `distilled`, or of a TOML file; --config overrides it, and
    /// flags both
    #[arg(long, value_name = "NAME|FILE.toml", help_heading = "Run")]
    recipe: Option<String>,

    /// Read settings from a TOML file with the keys of a run's config.toml; flags override it
    #[arg(long, value_name = "FILE.toml", help_heading = "Run")]
    config: Option<PathBuf>,

    /// `shapes` (synthetic), `cifar10` (downloaded once), a folder in CIFAR's binary layout, or an image
    /// folder DIR/<class>/* or DIR/{train,val,test}/<class>/*
    #[arg(long, value_name = "DATA", help_heading = DATA)]
    data: Option<String>,

    /// Resize images to this many pixels square, or to WIDTHxHEIGHT [default: the size in the model file if it has one,
    /// otherwise their own if all are equal, otherwise 64]
    #[arg(long, value_name = "PIXELS", help_heading = DATA)]
    image_size: Option<ImageSize>,

    /// Number of channels of pictures in the network: 1 makes them grey [default: 3]
    #[arg(long, value_name = "N", help_heading = DATA)]
    channels: Option<Channels>,

    /// How to resize images with a different aspect ratio: `squash` scales width and height independently, `pad` adds
    /// borders, `crop` cuts off the excess, a number is the length of the shorter side in pixels, of which the middle is
    /// kept [default: squash]
    #[arg(long, value_name = "NAME|PIXELS", help_heading = DATA)]
    resize: Option<Resize>,

    /// Keep this many pixels square, or WIDTHxHEIGHT, from the middle of images, after --resize PIXELS; it is --image-size
    #[arg(long, value_name = "PIXELS", help_heading = DATA, conflicts_with = "image_size")]
    crop: Option<ImageSize>,

    /// Colour of transparent pixels and added borders: white, black or #rrggbb [default: white]
    #[arg(long, value_name = "COLOUR", help_heading = DATA)]
    background: Option<Background>,

    /// The share of the training images used for validation, if the data has no validation folder [default: 0.2, or
    /// 0.1 for an image folder without a test folder]
    #[arg(long, value_name = "SHARE", help_heading = DATA, allow_negative_numbers = true)]
    val_fraction: Option<f64>,

    /// The seed for the split of each picture, if the data has no splits of its own, and for the built-in pictures;
    /// independent of --seed
    #[arg(long, value_name = "N", help_heading = DATA)]
    split_seed: Option<u64>,

    /// Train on the validation images too, once everything has been chosen; there is then no validation
    #[arg(long, help_heading = DATA)]
    train_on_val: bool,

    /// How pixel values are scaled: `unit` divides by 255, `standard` also normalises by mean and deviation of the
    /// training images, `imagenet` by those of ImageNet; `tf` scales to -1 to 1
    #[arg(long, value_name = "NAME", help_heading = DATA, value_parser = named::<Normalize>(NORMALIZE))]
    normalize: Option<Normalize>,

    /// Subtracted from each channel of the images, whose values are from 0 to 1, instead of --normalize [default: 0,0,0]
    #[arg(
        long,
        value_name = "R,G,B",
        help_heading = DATA,
        conflicts_with = "normalize",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    mean: Option<Vec<f64>>,

    /// Divides each channel after that [default: 1,1,1]
    #[arg(long, value_name = "R,G,B", help_heading = DATA, conflicts_with = "normalize", value_delimiter = ',')]
    std: Option<Vec<f64>>,

    /// Change training images at random: `none`, `auto`, or items such as flip,shift=0.1 from flip, vflip, shift, crop,
    /// resized-crop, rotate, zoom, brightness, contrast, color, cutout, mixup, cutmix, and fill=reflect|nearest|constant for the area
    /// beyond the border
    #[arg(long, value_name = "ITEMS", help_heading = DATA)]
    augment: Option<Augmentation>,

    /// Leave out images that cannot be read, instead of refusing to start
    #[arg(long, help_heading = DATA)]
    skip_bad: bool,

    /// Refuse picture files with more pixels, rows times columns [default: 100000000]
    #[arg(long, value_name = "N", help_heading = DATA)]
    max_pixels: Option<u64>,

    /// A preset, such as plain8 or mobilenet_v2 (docs/models.md lists them), a model file (.toml), or a network with weights
    /// to start from (.onnx)
    #[arg(long, value_name = "MODEL", help_heading = MODEL)]
    model: Option<String>,

    /// The order in which the network of an ONNX file takes red, green and blue: `rgb` or `bgr` [default: rgb]
    #[arg(long, value_name = "ORDER", help_heading = MODEL, value_parser = named::<ChannelOrder>(CHANNEL_ORDERS))]
    channel_order: Option<ChannelOrder>,

    /// The output of an ONNX file that classifies [default: the first]
    #[arg(long, value_name = "NAME", help_heading = MODEL)]
    output: Option<String>,

    /// How to initialise the weights [default: as in the model]
    #[arg(long, value_name = "NAME", help_heading = MODEL, value_parser = named::<Initializer>(INITIALIZERS))]
    initializer: Option<Initializer>,

    /// Start from these weights: a run, or a file of any origin, safetensors, torch.save's .pth or Keras' .h5, with the network's
    /// keys [default: random]
    #[arg(long, value_name = "RUN|FILE", help_heading = MODEL)]
    weights: Option<String>,

    /// Lines `ours = theirs` for keys, or names of nodes, that have another name in --weights
    #[arg(long, value_name = "FILE", help_heading = MODEL, requires = "weights")]
    weights_map: Option<String>,

    /// Start with random values wherever --weights has nothing or another shape, not only in a classifier for other classes
    #[arg(long, help_heading = MODEL)]
    weights_partial: bool,

    #[command(flatten)]
    model_options: ModelOptionFlags,

    /// How many times to go through the training images
    #[arg(long, value_name = "N", help_heading = TRAINING, value_parser = up_to_a_billion())]
    epochs: Option<u64>,

    /// Images per optimizer step; the default is at most the size of the training set
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    batch_size: Option<usize>,

    /// The optimizer
    #[arg(long, value_name = "NAME", help_heading = TRAINING, value_parser = named::<OptimizerName>(OPTIMIZERS))]
    optimizer: Option<OptimizerName>,

    #[command(flatten)]
    fine_tuning: FineTuningFlags,

    /// The learning rate, or its peak if the schedule changes it
    #[arg(long, value_name = "RATE", help_heading = TRAINING, allow_negative_numbers = true)]
    lr: Option<f64>,

    /// The learning rate schedule; its settings are keys of [schedule] in a --config file
    #[arg(long, value_name = "NAME", help_heading = TRAINING, value_parser = named::<ScheduleName>(SCHEDULES))]
    schedule: Option<ScheduleName>,

    /// Weight decay: an L2 term for adam and sgd, decoupled for adamw and muon [default: 0, adamw 0.01, muon 0.1]
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING, allow_negative_numbers = true)]
    weight_decay: Option<f64>,

    /// What weight decay applies to: `all` parameters, or only `weights`, not biases or batch norms
    #[arg(long, value_name = "NAME", help_heading = TRAINING, value_parser = named::<DecayScope>(DECAY_SCOPES))]
    weight_decay_on: Option<DecayScope>,

    /// The share of the last step that sgd and muon keep [default: 0, muon 0.95]
    #[arg(long, value_name = "SHARE", help_heading = TRAINING, allow_negative_numbers = true)]
    momentum: Option<f64>,

    /// Let sgd look ahead along its momentum, as muon does
    #[arg(long, help_heading = TRAINING)]
    nesterov: bool,

    /// Scale gradients down to this norm if theirs is larger [default: off]
    #[arg(long, value_name = "NORM", help_heading = TRAINING, allow_negative_numbers = true)]
    clip_norm: Option<f64>,

    /// Climb this far uphill before computing the gradient of a step, such as 0.5 (adaptive sharpness-aware
    /// minimization); takes twice the time; 0 is off
    #[arg(long, value_name = "RHO", help_heading = TRAINING, allow_negative_numbers = true)]
    sam: Option<f64>,

    /// Learn the average prediction of these trained networks for each training image, instead of its label
    /// (distillation); each is a run directory or a weights file [default: none]
    #[arg(long, value_name = "RUN,...", help_heading = TRAINING, value_delimiter = ',')]
    teachers: Option<Vec<String>>,

    /// Train a teacher first, in the folder `teacher` of the run: the same network, this many times as wide; --teachers
    /// takes its place [default: none]
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING, allow_negative_numbers = true)]
    teacher_width: Option<f64>,

    /// How many times that teacher goes through the training images [default: as --epochs]
    #[arg(long, value_name = "N", help_heading = TRAINING, value_parser = up_to_a_billion())]
    teacher_epochs: Option<u64>,

    /// How that teacher's training images are changed at random [default: as --augment]
    #[arg(long, value_name = "ITEMS", help_heading = TRAINING)]
    teacher_augment: Option<Augmentation>,

    /// The share of the teachers' answers in the loss; the labels have the rest
    #[arg(long, value_name = "SHARE", help_heading = TRAINING, allow_negative_numbers = true)]
    teacher_share: Option<f64>,

    /// Divides logits before those of teachers and learner are compared; the higher, the more the less probable classes
    /// count
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING, allow_negative_numbers = true)]
    teacher_temperature: Option<f64>,

    /// The share of the target that is spread over all classes
    #[arg(long, value_name = "SHARE", help_heading = TRAINING, allow_negative_numbers = true)]
    label_smoothing: Option<f64>,

    /// How much the images of each class count in the loss: with `none`, all equally; with `balanced`, those of small
    /// classes more, so that every class counts equally
    #[arg(long, value_name = "NAME", help_heading = TRAINING, value_parser = named::<ClassWeights>(CLASS_WEIGHTS))]
    class_weights: Option<ClassWeights>,

    /// Evaluate and save a moving average of the weights with this decay, such as 0.999 [default: off]
    #[arg(long, value_name = "DECAY", help_heading = TRAINING, allow_negative_numbers = true)]
    ema: Option<f64>,

    /// Stop after this many epochs without a lower validation loss, and use the best weights [default: off]
    #[arg(long, value_name = "EPOCHS", help_heading = TRAINING, value_parser = up_to_a_billion())]
    patience: Option<u64>,

    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor
    #[arg(long, value_name = "NAME", help_heading = TRAINING, value_parser = named::<Precision>(PRECISIONS))]
    precision: Option<Precision>,

    /// The seed for all randomness of training: initial weights, order, augmentation, dropout
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    seed: Option<u64>,
}

const DATA: &str = "Data";
const MODEL: &str = "Model";
const TRAINING: &str = "Training";

const NORMALIZE: &[&str] = &["unit", "standard", "imagenet", "tf"];
const CHANNEL_ORDERS: &[&str] = &["rgb", "bgr"];
const INITIALIZERS: &[&str] =
    &["glorot_uniform", "he_normal", "he_normal_fan_out", "he_uniform", "small_normal", "pytorch"];
const OPTIMIZERS: &[&str] = &["adam", "adamw", "sgd", "muon"];
const DECAY_SCOPES: &[&str] = &["all", "weights"];
const CLASS_WEIGHTS: &[&str] = &["none", "balanced"];
const SCHEDULES: &[&str] = &["constant", "step", "cosine", "one-cycle"];

/// Every sensible number of epochs, and 0, which the configuration rejects with a better message.
fn up_to_a_billion() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=1_000_000_000)
}

/// The name of a value in configuration files.
fn name_of(value: &impl serde::Serialize) -> String {
    let value = toml::Value::try_from(value).expect("the value has a TOML form");
    value.as_str().expect("the value is a name").to_owned()
}

/// The command with the configuration's defaults in the help of its flags.
pub(crate) fn show_defaults(command: Command) -> Command {
    let config = TrainConfig::default();
    let defaults = [
        ("data", config.data.source),
        ("augment", config.augment.to_string()),
        ("weight_decay_on", name_of(&config.weight_decay_on)),
        ("normalize", name_of(&config.data.normalize)),
        ("model", config.model),
        ("epochs", config.epochs.to_string()),
        ("batch_size", config.batch_size.to_string()),
        ("optimizer", config.optimizer.name().to_owned()),
        ("lr", config.lr.to_string()),
        ("schedule", config.schedule.name().to_owned()),
        ("sam", config.sam.to_string()),
        ("teacher_share", config.teacher_share.to_string()),
        ("teacher_temperature", config.teacher_temperature.to_string()),
        ("class_weights", name_of(&config.class_weights)),
        ("label_smoothing", config.label_smoothing.to_string()),
        ("precision", name_of(&config.precision)),
        ("seed", config.seed.to_string()),
        ("split_seed", Splits::DEFAULT_SEED.to_string()),
    ];
    defaults.into_iter().fold(command, |command, (flag, default)| {
        command.mut_arg(flag, |arg| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.help(format!("{help} [default: {default}]"))
        })
    })
}

impl TrainFlags {
    /// The data set, if given.
    pub(crate) fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// `base`, overridden by the `--recipe`, overridden by the `--config` file, overridden by the flags.
    ///
    /// # Errors
    /// An unknown recipe, a file that cannot be read or has unknown keys, a setting that the optimizer or schedule does not have.
    pub(crate) fn over(&self, base: TrainConfig) -> Result<TrainConfig, TrainError> {
        let recipe = self.recipe.as_deref().map(recipe).transpose()?.unwrap_or_default();
        let file = self.config.as_deref().map(PartialConfig::read).transpose()?.unwrap_or_default();
        base.merged(&recipe)?.merged(&file)?.merged(&self.partial())
    }

    /// The defaults, overridden as by [`over`](Self::over), with every value checked.
    ///
    /// # Errors
    /// As for [`over`](Self::over), and a usage error that lists all values that are out of range.
    pub(crate) fn checked(&self) -> anyhow::Result<TrainConfig> {
        cropped(self.crop, None, self.resize)?;
        let config = self.over_fitting_defaults()?;
        let problems: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            return Err(UsageError(problems.join("; ")).into());
        }
        Ok(config)
    }

    /// The defaults, or those of fine-tuning if training starts from weights, overridden as by [`over`](Self::over).
    fn over_fitting_defaults(&self) -> Result<TrainConfig, TrainError> {
        let config = self.over(TrainConfig::default())?;
        let recipe = self.recipe.as_deref().map(recipe).transpose()?.unwrap_or_default();
        let file = self.config.as_deref().map(PartialConfig::read).transpose()?.unwrap_or_default();
        match FineTuning::of(&config, &[&recipe, &file, &self.partial()])? {
            Some(found) => self.over(TrainConfig::default().merged(&found.settings)?),
            None => Ok(config),
        }
    }

    /// The configuration for these images: unless a flag or a file sets the batch size, it is at most the size of the
    /// training set.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn fitted(
        &self,
        config: TrainConfig,
        source: &dyn Source,
        console: Console,
    ) -> Result<TrainConfig, TrainError> {
        let recipe = self.recipe.as_deref().map(recipe).transpose()?.unwrap_or_default();
        let file = self.config.as_deref().map(PartialConfig::read).transpose()?.unwrap_or_default();
        let config = suited(config, &[&recipe, &file, &self.partial()], source.len(Split::Train))?;
        if self.batch_size.or(file.batch_size).is_some() {
            return Ok(config);
        }
        let before = config.batch_size;
        let config = config.with_batch_within(source.len(Split::Train));
        if config.batch_size < before {
            let (images, smaller) = (source.len(Split::Train), config.batch_size);
            console.note(&format!(
                "batches of {smaller} images instead of {before}: there are {images} training images"
            ));
        }
        Ok(config)
    }

    fn partial(&self) -> PartialConfig {
        let (image_size, resize) =
            cropped(self.crop, self.image_size, self.resize).unwrap_or((self.image_size, self.resize));
        PartialConfig {
            version: None,
            arithmetic: None,
            model: self.model.clone(),
            channel_order: self.channel_order,
            output: self.output.clone(),
            initializer: self.initializer,
            epochs: self.epochs,
            batch_size: self.batch_size,
            lr: self.lr,
            augment: self.augment,
            clip_norm: self.clip_norm,
            sam: self.sam,
            weights: self.weights.clone(),
            weights_map: self.weights_map.clone(),
            weights_partial: self.weights_partial.then_some(true),
            teachers: self.teachers.clone(),
            teacher_share: self.teacher_share,
            teacher_temperature: self.teacher_temperature,
            label_smoothing: self.label_smoothing,
            class_weights: self.class_weights,
            ema: self.ema,
            weight_decay_on: self.weight_decay_on,
            patience: self.patience,
            seed: self.seed,
            precision: self.precision,
            threads: None,
            data: PartialData {
                source: self.data.clone(),
                image_size,
                channels: self.channels,
                resize,
                background: self.background,
                val_fraction: self.val_fraction,
                split_seed: self.split_seed,
                train_on_val: self.train_on_val.then_some(true),
                normalize: self.normalize,
                mean: self.mean.clone(),
                std: self.std.clone(),
                bad_images: self.skip_bad.then_some(BadImages::Skip),
                max_pixels: self.max_pixels,
            },
            teacher: PartialTeacher {
                width: self.teacher_width,
                epochs: self.teacher_epochs,
                augment: self.teacher_augment,
            },
            optimizer: PartialOptimizer {
                name: self.optimizer,
                weight_decay: self.weight_decay,
                momentum: self.momentum,
                nesterov: self.nesterov.then_some(true),
                ..PartialOptimizer::default()
            },
            model_options: self.model_options.merged(),
            schedule: PartialSchedule { name: self.schedule, ..PartialSchedule::default() },
            ..self.fine_tuning.partial()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        flags: TrainFlags,
    }

    fn config(line: &str) -> TrainConfig {
        let cli = Cli::try_parse_from(["train"].into_iter().chain(line.split_whitespace())).unwrap();
        cli.flags.over(TrainConfig::default()).unwrap()
    }

    #[test]
    fn every_flag_reaches_the_key_of_its_name() {
        let text = config(
            "--data cats --image-size 48x32 --channels 1 --resize crop --background #102030 --val-fraction 0.3 --split-seed 5 --train-on-val --normalize unit --skip-bad --max-pixels 5000 --model net.toml \
             --model-option width=2 --model-option dropout.p=0.25 --initializer he_uniform --epochs 3 --batch-size 7 --optimizer sgd --lr 0.5 --schedule one-cycle \
             --weight-decay 0.25 --momentum 0.75 --nesterov --clip-norm 2 --sam 0.5 --weights a.pth --weights-map map --weights-partial --freeze layer4.1 --unfreeze-at 2 --lr-body 0.25 --cached-views 0 --feature-cache 50 --teachers runs/a,b.safetensors --teacher-share 0.25 --teacher-temperature 2 --label-smoothing 0.125 --class-weights balanced --ema 0.875 \
             --patience 4 --precision bf16 --seed 9 --augment flip+crop=2,fill=nearest --weight-decay-on weights",
        )
        .to_toml()
        .unwrap();
        let ours: toml::Table = text.parse().unwrap();
        let expected = "model = 'net.toml'\ninitializer = 'he_uniform'\nepochs = 3\nbatch_size = 7\nlr = 0.5\n\
             clip_norm = 2.0\nsam = 0.5\nweights = 'a.pth'\nweights_map = 'map'\nweights_partial = true\nfreeze = 'layer4.1'\nunfreeze_at = 2\nlr_body = 0.25\ncached_views = 0\nfeature_cache = '50'\nteachers = ['runs/a', 'b.safetensors']\nteacher_share = 0.25\nteacher_temperature = 2.0\nlabel_smoothing = 0.125\nclass_weights = 'balanced'\nema = 0.875\npatience = 4\nprecision = 'bf16'\nseed = 9\n\
             augment = 'flip,crop=2,fill=nearest'\nweight_decay_on = 'weights'\n\
             data = {source='cats', image_size='48x32', channels=1, resize='crop', background='#102030', val_fraction=0.3, split_seed=5, train_on_val=true, normalize='unit', bad_images='skip', max_pixels=5000}\n\
             model_options = {width=2, dropout={p=0.25}}\n\
             optimizer = {name='sgd', momentum=0.75, nesterov=true, weight_decay=0.25}\n";
        for (key, value) in expected.parse::<toml::Table>().unwrap() {
            assert_eq!(ours[&key], value, "{key}");
        }
        assert_eq!(ours["schedule"]["name"].as_str(), Some("one-cycle"));
    }

    #[test]
    fn cropping_is_the_size_of_the_images_and_how_they_are_resized() {
        let of = |line: &str| {
            let data = config(line).data;
            (data.image_size, data.resize)
        };
        let size = Some(ImageSize { height: 128, width: 224 });
        assert_eq!(of("--resize 256 --crop 224x128"), (size, Resize::ShorterSide(256)));
        assert_eq!(of("--crop 224x128"), (size, Resize::Crop));
        assert_eq!(of("--resize 256"), (None, Resize::ShorterSide(256)));
        let cli = Cli::try_parse_from(["train", "--crop", "8", "--resize", "pad"]).unwrap();
        assert!(cli.flags.checked().unwrap_err().to_string().contains("--resize"));
    }

    #[test]
    fn the_treatment_of_an_onnx_file_is_in_the_configuration() {
        let config =
            config("--model net.onnx --channel-order bgr --output b --mean 0.25,-0.5,0 --std 0.5,1,2");
        assert_eq!((config.channel_order, config.output.as_deref()), (ChannelOrder::Bgr, Some("b")));
        assert_eq!(config.data.mean, Some(vec![0.25, -0.5, 0.0]));
        assert_eq!(
            (config.data.std.clone(), config.data.normalize),
            (Some(vec![0.5, 1.0, 2.0]), Normalize::Unit)
        );
        assert!(config.problems().is_empty());
    }

    #[test]
    fn flags_override_the_file_and_the_file_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        std::fs::write(&file, "epochs = 30\nbatch_size = 16\n[optimizer]\nname = 'sgd'\nmomentum = 0.9\n")
            .unwrap();
        let config = config(&format!("--config {} --epochs 2 --weight-decay 0.5", file.display()));
        assert_eq!((config.epochs, config.batch_size, config.lr), (2, 16, TrainConfig::default().lr));
        let text = config.to_toml().unwrap();
        assert!(text.contains("momentum = 0.9") && text.contains("weight_decay = 0.5"), "{text}");
    }

    #[test]
    fn a_recipe_is_overridden_by_the_file_and_both_by_flags() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        std::fs::write(&file, "batch_size = 16\nlr = 0.5\n").unwrap();
        let config = config(&format!("--config {} --recipe report --augment none --lr 0.25", file.display()));
        assert_eq!((config.epochs, config.batch_size, config.lr), (30, 16, 0.25));
        assert!(config.augment.is_none());
        assert_eq!(config.schedule.name(), "constant");
    }

    #[test]
    fn flags_of_a_teacher_reach_its_table_and_teachers_replace_it() {
        let own = config("--recipe distilled --teacher-epochs 3 --teacher-augment flip").teacher.unwrap();
        assert_eq!((own.width, own.epochs), (4.0, Some(3)));
        assert_eq!(own.augment.unwrap().to_string(), "flip");
        assert_eq!(config("--recipe distilled --teacher-width 2").teacher.unwrap().width, 2.0);
        let named = config("--recipe distilled --teachers runs/a");
        assert_eq!((named.teachers, named.teacher), (vec!["runs/a".to_owned()], None));
    }

    #[test]
    fn all_names_are_known_to_the_configuration() {
        for (flag, names) in [
            ("--resize", &["squash", "pad", "crop", "256"][..]),
            ("--normalize", NORMALIZE),
            ("--model net.onnx --channel-order", &CHANNEL_ORDERS[1..]),
            ("--initializer", INITIALIZERS),
            ("--optimizer", OPTIMIZERS),
            ("--schedule", SCHEDULES),
            ("--precision", PRECISIONS),
            ("--weight-decay-on", DECAY_SCOPES),
        ] {
            for name in names {
                let text = config(&format!("{flag} {name}")).to_toml().unwrap();
                assert!(text.contains(&format!("\"{name}\"")), "{name}: {text}");
            }
        }
    }
}
