//! The flags of `convscope train` that change its configuration.

use std::path::PathBuf;

use convscope_data::{ImageSize, Resize, Source, Split};
use convscope_train::config::{Group, PartialConfig, PartialData};
use convscope_train::fine_tuning::FineTuning;
use convscope_train::recipes::recipe;
use convscope_train::{TrainConfig, TrainError};

use crate::console::Console;
use crate::exit::UsageError;
use crate::fine_tuning::suited;
use crate::flags::{ModelOptionFlags, cropped};
use crate::setting_flags::SettingFlags;

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

    #[command(flatten)]
    settings: SettingFlags,

    /// Keep this many pixels square, or WIDTHxHEIGHT, from the middle of images, after --resize PIXELS; it is --image-size
    #[arg(long, value_name = "PIXELS", help_heading = Group::Data.title(), conflicts_with = "data.image_size")]
    crop: Option<ImageSize>,

    #[command(flatten)]
    model_options: ModelOptionFlags,
}

impl TrainFlags {
    /// The data set, if given.
    pub(crate) fn data(&self) -> Option<&str> {
        self.settings.given.data.source.as_deref()
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
        cropped(self.crop, None, self.settings.given.data.resize)?;
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
        if self.settings.given.batch_size.or(file.batch_size).is_some() {
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
        let given = self.settings.given.clone();
        let (image_size, resize): (Option<ImageSize>, Option<Resize>) =
            cropped(self.crop, None, given.data.resize).unwrap_or_default();
        let data = PartialData {
            image_size: image_size.map(Some).or(given.data.image_size),
            resize: resize.or(given.data.resize),
            ..given.data
        };
        PartialConfig { data, model_options: self.model_options.merged(), ..given }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use convscope_data::Normalize;
    use convscope_train::config::{Flag, Form, Setting};
    use convscope_train::onnx::ChannelOrder;

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
        for setting in Setting::all().filter(|setting| !setting.names.is_empty()) {
            let Some(Flag { form: Form::Value(_), .. }) = setting.flag else { continue };
            for name in setting.names {
                let line = format!("--model net.onnx --{} {name}", setting.flag_name().unwrap());
                let text = config(&line).to_toml().unwrap();
                assert!(text.contains(&format!("\"{name}\"")), "{name}: {text}");
            }
        }
    }
}
