//! A partial configuration: a user's file or the flags of a command line.

use std::path::Path;

use convscope_data::{Augmentation, Background, BadImages, Channels, ImageSize, Normalize, Resize};
use convscope_ops::Precision;
use serde::{Deserialize, Serialize};

use super::teacher::merge_teachers;
use super::{FeatureCache, Freeze, Initializer, ModelOptions, PartialTeacher, TrainConfig, syntax_error};
use crate::class_weights::ClassWeights;
use crate::error::TrainError;
use crate::onnx::ChannelOrder;
use crate::optimizer::{DecayScope, OptimizerConfig};
use crate::schedule::ScheduleConfig;

/// Some of the values of a [`TrainConfig`]; missing ones leave those that they are merged into unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialConfig {
    /// Accepted so that a run's own `config.toml` can be used, but otherwise ignored.
    pub version: Option<String>,
    /// As `version`.
    pub arithmetic: Option<u32>,
    /// See [`TrainConfig::model`].
    pub model: Option<String>,
    /// See [`TrainConfig::channel_order`].
    pub channel_order: Option<ChannelOrder>,
    /// See [`TrainConfig::output`].
    pub output: Option<String>,
    /// See [`TrainConfig::initializer`].
    pub initializer: Option<Initializer>,
    /// See [`TrainConfig::weights`].
    pub weights: Option<String>,
    /// See [`TrainConfig::weights_map`].
    pub weights_map: Option<String>,
    /// See [`TrainConfig::weights_partial`].
    pub weights_partial: Option<bool>,
    /// See [`TrainConfig::freeze`].
    pub freeze: Option<Freeze>,
    /// See [`TrainConfig::unfreeze_at`].
    pub unfreeze_at: Option<u64>,
    /// See [`TrainConfig::lr_body`].
    pub lr_body: Option<f64>,
    /// See [`TrainConfig::cached_views`].
    pub cached_views: Option<u64>,
    /// See [`TrainConfig::feature_cache`].
    pub feature_cache: Option<FeatureCache>,
    /// See [`TrainConfig::epochs`].
    pub epochs: Option<u64>,
    /// See [`TrainConfig::batch_size`].
    pub batch_size: Option<usize>,
    /// See [`TrainConfig::lr`].
    pub lr: Option<f64>,
    /// See [`TrainConfig::augment`].
    pub augment: Option<Augmentation>,
    /// See [`TrainConfig::clip_norm`].
    pub clip_norm: Option<f64>,
    /// See [`TrainConfig::sam`].
    pub sam: Option<f64>,
    /// See [`TrainConfig::teachers`].
    pub teachers: Option<Vec<String>>,
    /// See [`TrainConfig::teacher_share`].
    pub teacher_share: Option<f64>,
    /// See [`TrainConfig::teacher_temperature`].
    pub teacher_temperature: Option<f64>,
    /// See [`TrainConfig::label_smoothing`].
    pub label_smoothing: Option<f64>,
    /// See [`TrainConfig::class_weights`].
    pub class_weights: Option<ClassWeights>,
    /// See [`TrainConfig::ema`].
    pub ema: Option<f64>,
    /// See [`TrainConfig::weight_decay_on`].
    pub weight_decay_on: Option<DecayScope>,
    /// See [`TrainConfig::patience`].
    pub patience: Option<u64>,
    /// See [`TrainConfig::seed`].
    pub seed: Option<u64>,
    /// See [`TrainConfig::precision`].
    pub precision: Option<Precision>,
    /// See [`TrainConfig::threads`].
    pub threads: Option<usize>,
    /// See [`TrainConfig::data`].
    pub data: PartialData,
    /// See [`TrainConfig::model_options`]; each key individually replaces the one that it is merged into.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    pub model_options: ModelOptions,
    /// See [`TrainConfig::teacher`]. It and `teachers` replace each other.
    pub teacher: PartialTeacher,
    /// See [`TrainConfig::optimizer`].
    pub optimizer: PartialOptimizer,
    /// See [`TrainConfig::schedule`].
    pub schedule: PartialSchedule,
}

/// Some of the values of a [`DataConfig`](super::DataConfig).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialData {
    /// See [`DataConfig::source`](super::DataConfig::source).
    pub source: Option<String>,
    /// See [`DataConfig::image_size`](super::DataConfig::image_size).
    #[serde(with = "super::image_size")]
    pub image_size: Option<ImageSize>,
    /// See [`DataConfig::channels`](super::DataConfig::channels).
    pub channels: Option<Channels>,
    /// See [`DataConfig::resize`](super::DataConfig::resize).
    pub resize: Option<Resize>,
    /// See [`DataConfig::background`](super::DataConfig::background).
    pub background: Option<Background>,
    /// See [`DataConfig::val_fraction`](super::DataConfig::val_fraction).
    pub val_fraction: Option<f64>,
    /// See [`DataConfig::split_seed`](super::DataConfig::split_seed).
    pub split_seed: Option<u64>,
    /// See [`DataConfig::train_on_val`](super::DataConfig::train_on_val).
    pub train_on_val: Option<bool>,
    /// See [`DataConfig::normalize`](super::DataConfig::normalize).
    pub normalize: Option<Normalize>,
    /// See [`DataConfig::mean`](super::DataConfig::mean); implies `normalize = "unit"`, and another `normalize` removes it.
    pub mean: Option<Vec<f64>>,
    /// See [`DataConfig::std`](super::DataConfig::std); as `mean`.
    pub std: Option<Vec<f64>>,
    /// See [`DataConfig::bad_images`](super::DataConfig::bad_images).
    pub bad_images: Option<BadImages>,
    /// See [`DataConfig::max_pixels`](super::DataConfig::max_pixels).
    pub max_pixels: Option<u64>,
}

/// Some of the settings of an optimizer. A `name` that differs from the optimizer it is merged into starts from the
/// named optimizer's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialOptimizer {
    /// Which optimizer.
    pub name: Option<OptimizerName>,
    /// Of `adam`, `adamw` and `muon`.
    pub betas: Option<[f64; 2]>,
    /// Of `adam`, `adamw` and `muon`.
    pub eps: Option<f64>,
    /// Of all.
    pub weight_decay: Option<f64>,
    /// Of `sgd` and `muon`.
    pub momentum: Option<f64>,
    /// Of `sgd` and `muon`.
    pub nesterov: Option<bool>,
}

/// The optimizers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// [`OptimizerConfig::Adam`].
    Adam,
    /// [`OptimizerConfig::AdamW`].
    AdamW,
    /// [`OptimizerConfig::Sgd`].
    Sgd,
    /// [`OptimizerConfig::Muon`].
    Muon,
}

/// Some of the settings of a schedule. A `name` that differs from the schedule it is merged into starts from the named
/// schedule's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialSchedule {
    /// Which schedule.
    pub name: Option<ScheduleName>,
    /// Of `step`.
    pub step_size: Option<u64>,
    /// Of `step`.
    pub gamma: Option<f64>,
    /// Of `cosine`.
    pub warmup_epochs: Option<f64>,
    /// Of `cosine`.
    pub final_lr: Option<f64>,
    /// Of `one-cycle`.
    pub pct_start: Option<f64>,
    /// Of `one-cycle`.
    pub div_factor: Option<f64>,
    /// Of `one-cycle`.
    pub final_div_factor: Option<f64>,
}

/// The schedules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// [`ScheduleConfig::Constant`].
    Constant,
    /// [`ScheduleConfig::Step`].
    Step,
    /// [`ScheduleConfig::Cosine`].
    Cosine,
    /// [`ScheduleConfig::OneCycle`].
    OneCycle,
}

impl PartialConfig {
    /// Reads a TOML file with any of the keys.
    ///
    /// # Errors
    /// [`TrainError::Io`], and [`TrainError::ConfigSyntax`] for a key that does not exist or has the wrong kind of value.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        toml::from_str(&text).map_err(|error| syntax_error(path, &error))
    }
}

impl TrainConfig {
    /// This configuration, overridden by the values in `over`.
    ///
    /// # Errors
    /// [`TrainError::SettingNotApplicable`] for a setting that the chosen optimizer or schedule does not have, or of a
    /// teacher that is not trained.
    pub fn merged(mut self, over: &PartialConfig) -> Result<Self, TrainError> {
        let PartialConfig { version: _, arithmetic: _, model, initializer, epochs, batch_size, lr, .. } =
            over.clone();
        let PartialConfig { weights, weights_map, weights_partial, .. } = over.clone();
        let PartialConfig {
            clip_norm,
            sam,
            teacher_share,
            teacher_temperature,
            label_smoothing,
            ema,
            patience,
            seed,
            precision,
            threads,
            data,
            ..
        } = over.clone();
        set(&mut self.augment, over.augment);
        set(&mut self.weight_decay_on, over.weight_decay_on);
        set(&mut self.class_weights, over.class_weights);
        set(&mut self.model, model);
        set(&mut self.channel_order, over.channel_order);
        self.output = over.output.clone().or(self.output);
        self.initializer = initializer.or(self.initializer);
        self.weights = weights.or(self.weights);
        self.weights_map = weights_map.or(self.weights_map);
        set(&mut self.weights_partial, weights_partial);
        set(&mut self.freeze, over.freeze.clone());
        self.unfreeze_at = over.unfreeze_at.or(self.unfreeze_at);
        self.lr_body = over.lr_body.or(self.lr_body);
        self.cached_views = over.cached_views.or(self.cached_views);
        set(&mut self.feature_cache, over.feature_cache);
        set(&mut self.epochs, epochs);
        set(&mut self.batch_size, batch_size);
        set(&mut self.lr, lr);
        self.clip_norm = clip_norm.or(self.clip_norm);
        set(&mut self.sam, sam);
        set(&mut self.teacher_share, teacher_share);
        set(&mut self.teacher_temperature, teacher_temperature);
        set(&mut self.label_smoothing, label_smoothing);
        self.ema = ema.or(self.ema);
        self.patience = patience.or(self.patience);
        set(&mut self.seed, seed);
        set(&mut self.precision, precision);
        self.threads = threads.or(self.threads);
        set(&mut self.data.source, data.source);
        self.data.image_size = data.image_size.or(self.data.image_size);
        set(&mut self.data.channels, data.channels);
        set(&mut self.data.resize, data.resize);
        set(&mut self.data.background, data.background);
        self.data.val_fraction = data.val_fraction.or(self.data.val_fraction);
        self.data.split_seed = data.split_seed.or(self.data.split_seed);
        set(&mut self.data.train_on_val, data.train_on_val);
        let has_numbers = data.mean.is_some() || data.std.is_some();
        let normalize = data.normalize.or(has_numbers.then_some(Normalize::Unit));
        if normalize.is_some_and(|normalize| normalize != Normalize::Unit) {
            (self.data.mean, self.data.std) = (None, None);
        }
        set(&mut self.data.normalize, normalize);
        self.data.mean = data.mean.or(self.data.mean);
        self.data.std = data.std.or(self.data.std);
        set(&mut self.data.bad_images, data.bad_images);
        self.data.max_pixels = data.max_pixels.or(self.data.max_pixels);
        self.model_options = self.model_options.merged(&over.model_options);
        merge_teachers(&mut self, over)?;
        merge_optimizer(&mut self.optimizer, &over.optimizer)?;
        merge_schedule(&mut self.schedule, &over.schedule)?;
        Ok(self)
    }
}

fn set<T>(value: &mut T, over: Option<T>) {
    if let Some(over) = over {
        *value = over;
    }
}

fn merge_optimizer(config: &mut OptimizerConfig, over: &PartialOptimizer) -> Result<(), TrainError> {
    if let Some(name) = over.name {
        let chosen = match name {
            OptimizerName::Adam => OptimizerConfig::adam(),
            OptimizerName::AdamW => OptimizerConfig::adamw(),
            OptimizerName::Sgd => OptimizerConfig::sgd(),
            OptimizerName::Muon => OptimizerConfig::muon(),
        };
        if chosen.name() != config.name() {
            *config = chosen;
        }
    }
    let name = config.name();
    match config {
        OptimizerConfig::Adam { betas, eps, weight_decay }
        | OptimizerConfig::AdamW { betas, eps, weight_decay } => {
            refuse("optimizer.momentum", name, over.momentum.is_some(), "sgd or muon")?;
            refuse("optimizer.nesterov", name, over.nesterov.is_some(), "sgd or muon")?;
            set(betas, over.betas);
            set(eps, over.eps);
            set(weight_decay, over.weight_decay);
        }
        OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
            refuse("optimizer.betas", name, over.betas.is_some(), "adam, adamw or muon")?;
            refuse("optimizer.eps", name, over.eps.is_some(), "adam, adamw or muon")?;
            set(momentum, over.momentum);
            set(nesterov, over.nesterov);
            set(weight_decay, over.weight_decay);
        }
        OptimizerConfig::Muon { momentum, nesterov, betas, eps, weight_decay } => {
            set(momentum, over.momentum);
            set(nesterov, over.nesterov);
            set(betas, over.betas);
            set(eps, over.eps);
            set(weight_decay, over.weight_decay);
        }
    }
    Ok(())
}

fn merge_schedule(config: &mut ScheduleConfig, over: &PartialSchedule) -> Result<(), TrainError> {
    if let Some(name) = over.name {
        let chosen = match name {
            ScheduleName::Constant => ScheduleConfig::Constant,
            ScheduleName::Step => ScheduleConfig::step(),
            ScheduleName::Cosine => ScheduleConfig::cosine(),
            ScheduleName::OneCycle => ScheduleConfig::one_cycle(),
        };
        if chosen.name() != config.name() {
            *config = chosen;
        }
    }
    let name = config.name();
    for (field, given, owner) in [
        ("schedule.step_size", over.step_size.is_some(), "step"),
        ("schedule.gamma", over.gamma.is_some(), "step"),
        ("schedule.warmup_epochs", over.warmup_epochs.is_some(), "cosine"),
        ("schedule.final_lr", over.final_lr.is_some(), "cosine"),
        ("schedule.pct_start", over.pct_start.is_some(), "one-cycle"),
        ("schedule.div_factor", over.div_factor.is_some(), "one-cycle"),
        ("schedule.final_div_factor", over.final_div_factor.is_some(), "one-cycle"),
    ] {
        refuse(field, name, given && owner != name, owner)?;
    }
    match config {
        ScheduleConfig::Constant => {}
        ScheduleConfig::Step { step_size, gamma } => {
            set(step_size, over.step_size);
            set(gamma, over.gamma);
        }
        ScheduleConfig::Cosine { warmup_epochs, final_lr } => {
            set(warmup_epochs, over.warmup_epochs);
            set(final_lr, over.final_lr);
        }
        ScheduleConfig::OneCycle { pct_start, div_factor, final_div_factor } => {
            set(pct_start, over.pct_start);
            set(div_factor, over.div_factor);
            set(final_div_factor, over.final_div_factor);
        }
    }
    Ok(())
}

fn refuse(
    field: &'static str,
    name: &'static str,
    given: bool,
    owners: &'static str,
) -> Result<(), TrainError> {
    if given { Err(TrainError::SettingNotApplicable { field, name, owners }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(toml: &str) -> PartialConfig {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn every_key_overrides() {
        // Each value differs from the default, so that a key that is not merged is noticed.
        let over = "model = 'net.onnx'\nchannel_order = 'bgr'\noutput = 'logits'\ninitializer = 'he_normal'\nepochs = 3\nbatch_size = 7\nlr = 0.5\n\
                    augment = 'flip,mixup=0.3'\n\
                    weight_decay_on = 'weights'\nclip_norm = 2.0\nsam = 0.5\nweights = 'a.pth'\nweights_map = 'map'\nweights_partial = true\nteachers = ['a', 'b']\nteacher_share = 0.25\nteacher_temperature = 2.0\nlabel_smoothing = 0.1\nclass_weights = 'balanced'\nema = 0.9\npatience = 4\nseed = 9\nprecision = 'bf16'\nthreads = 5\n\
                    [data]\nsource = 'cats'\nimage_size = '48x32'\nchannels = 1\nresize = 'pad'\nbackground = '#102030'\nval_fraction = 0.3\nsplit_seed = 5\ntrain_on_val = true\nnormalize = 'unit'\nmean = [0.25, 0.5, 0.75]\nstd = [0.5, 0.25, 1.0]\nbad_images = 'skip'\nmax_pixels = 5000\n\
                    [model_options]\nwidth = 0.5\ndropout = {p=0.25}\n\
                    [optimizer]\nname = 'sgd'\nmomentum = 0.8\nnesterov = true\nweight_decay = 0.25\n\
                    [schedule]\nname = 'cosine'\nwarmup_epochs = 1.5\nfinal_lr = 0.125\n";
        let config = TrainConfig::default().merged(&partial(over)).unwrap();
        let text = config.to_toml().unwrap();
        let expected: toml::Table = toml::from_str(over).unwrap();
        let mut ours: toml::Table = toml::from_str(&text).unwrap();
        ours.remove("version");
        ours.remove("arithmetic");
        assert_eq!(ours, expected);
        let own = partial("teacher = {width=4.0, epochs=25, augment='flip'}");
        let ours = TrainConfig::default().merged(&own).unwrap().to_toml().unwrap();
        assert_eq!(partial(&ours).teacher, own.teacher);
        assert_eq!(TrainConfig::default().merged(&PartialConfig::default()).unwrap(), TrainConfig::default());
        assert_eq!(TrainConfig::default().merged(&partial(&text)).unwrap(), config);
    }

    #[test]
    fn the_same_name_keeps_settings_and_another_starts_from_its_defaults() {
        let config = TrainConfig::default().merged(&partial("optimizer = {name='adamw', eps=0.5}")).unwrap();
        let same = config.clone().merged(&partial("optimizer = {name='adamw', weight_decay=0.0}")).unwrap();
        assert_eq!(
            same.optimizer,
            OptimizerConfig::AdamW { betas: [0.9, 0.999], eps: 0.5, weight_decay: 0.0 }
        );
        let other = config.merged(&partial("optimizer.name = 'adam'\nschedule.name = 'step'")).unwrap();
        assert_eq!(other.optimizer, OptimizerConfig::adam());
        assert_eq!(other.schedule, ScheduleConfig::step());
    }

    #[test]
    fn numbers_of_a_scaling_give_way_to_a_named_one() {
        let config = TrainConfig::default().merged(&partial("data.std = [0.5]")).unwrap();
        assert_eq!(config.data.normalize, Normalize::Unit);
        let named = config.clone().merged(&partial("data.normalize = 'imagenet'")).unwrap();
        assert_eq!((named.data.normalize, named.data.std), (Normalize::Imagenet, None));
        let both = config.merged(&partial("data.mean = [0.25]")).unwrap();
        assert_eq!((both.data.mean, both.data.std), (Some(vec![0.25]), Some(vec![0.5])));
    }

    #[test]
    fn a_setting_of_another_optimizer_or_schedule_is_refused() {
        let error = |toml| TrainConfig::default().merged(&partial(toml)).unwrap_err().to_string();
        assert_eq!(
            error("optimizer.momentum = 0.9"),
            "optimizer.momentum does not apply to adam; leave it out or choose sgd or muon"
        );
        assert_eq!(
            error("optimizer = {name='sgd', eps=0.1}"),
            "optimizer.eps does not apply to sgd; leave it out or choose adam, adamw or muon"
        );
        assert_eq!(
            error("schedule = {name='cosine', gamma=0.1}"),
            "schedule.gamma does not apply to cosine; leave it out or choose step"
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_file_line_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "epochs = 3\nlearning_rate = 0.1\n").unwrap();
        let error = PartialConfig::read(&path).unwrap_err().to_string();
        for part in ["mine.toml", "line 2", "learning_rate"] {
            assert!(error.contains(part), "{error}");
        }
        std::fs::write(&path, "[optimizer]\nname = 'rmsprop'\n").unwrap();
        let error = PartialConfig::read(&path).unwrap_err().to_string();
        assert!(error.contains("rmsprop") && error.contains("adamw"), "{error}");
    }
}
