//! How configurations override each other, and how they are read and written.

use std::path::Path;

use convscope_data::{Framing, Normalize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::teacher::merge_teachers;
use super::{DataConfig, PartialConfig, PartialData, PartialTeacher, TrainConfig, syntax_error};
use crate::error::TrainError;
use crate::optimizer::OptimizerConfig;
use crate::schedule::ScheduleConfig;

impl PartialConfig {
    /// Reads a TOML file with any of the keys.
    ///
    /// # Errors
    /// [`TrainError::Io`], and [`TrainError::ConfigSyntax`] for a key that does not exist or has the wrong kind of value.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        toml::from_str(&text).map_err(|error| syntax_error(path, &text, &error))
    }
}

impl TrainConfig {
    /// This configuration, overridden by the values in `over`.
    ///
    /// # Errors
    /// [`TrainError::SettingNotApplicable`] for a setting that the chosen optimizer or schedule does not have, or of a
    /// teacher that is not trained.
    pub fn merged(mut self, over: &PartialConfig) -> Result<Self, TrainError> {
        self.set(over);
        self.data = self.data.merged(&over.data);
        self.model_options = self.model_options.merged(&over.model_options);
        merge_teachers(&mut self, over)?;
        self.optimizer = merged(&self.optimizer, &over.optimizer, "optimizer", &OptimizerConfig::ALL)?;
        self.schedule = merged(&self.schedule, &over.schedule, "schedule", &ScheduleConfig::ALL)?;
        Ok(self)
    }
}

impl DataConfig {
    /// A named scaling takes numbers away, and numbers imply `unit`.
    fn merged(mut self, over: &PartialData) -> DataConfig {
        if over.normalize.is_some_and(|normalize| normalize != Normalize::Unit) {
            (self.mean, self.std) = (None, None);
        } else if matches!(over.mean, Some(Some(_))) || matches!(over.std, Some(Some(_))) {
            self.normalize = Normalize::Unit;
        }
        self.set(over);
        self
    }
}

impl From<TrainConfig> for PartialConfig {
    fn from(config: TrainConfig) -> PartialConfig {
        let mut given = PartialConfig {
            version: Some(config.version.clone()),
            arithmetic: Some(config.arithmetic),
            model_options: config.model_options.clone(),
            teacher: config.teacher.as_ref().map(PartialTeacher::from).unwrap_or_default(),
            optimizer: (&config.optimizer).into(),
            schedule: (&config.schedule).into(),
            ..PartialConfig::default()
        };
        config.give(&mut given);
        config.data.give(&mut given.data);
        given
    }
}

/// The configuration that a run has recorded. Settings that are newer than the run have the values that it trained with.
impl TryFrom<PartialConfig> for TrainConfig {
    type Error = TrainError;

    fn try_from(recorded: PartialConfig) -> Result<TrainConfig, TrainError> {
        let data = DataConfig {
            background: Framing::UNRECORDED.background,
            split_seed: None,
            ..DataConfig::default()
        };
        let config = TrainConfig {
            version: recorded.version.clone().unwrap_or_default(),
            arithmetic: recorded.arithmetic.unwrap_or(1),
            data,
            ..TrainConfig::default()
        };
        config.merged(&recorded)
    }
}

/// An optimizer or a schedule with other settings; one of another name starts from that one's defaults, which are among `all`.
fn merged<T: Serialize + DeserializeOwned>(
    config: &T,
    over: &impl Serialize,
    kind: &'static str,
    all: &[fn() -> T],
) -> Result<T, TrainError> {
    let (mut table, over) = (table_of(config), table_of(over));
    let all: Vec<Table> = all.iter().map(|default| table_of(&default())).collect();
    if over.get("name").is_some_and(|name| Some(name) != table.get("name")) {
        table = all.iter().find(|one| one.get("name") == over.get("name")).cloned().unwrap_or(table);
    }
    for (key, value) in over {
        if !table.contains_key(&key) {
            let owners = all.iter().filter(|one| one.contains_key(&key)).map(name_of).collect();
            return Err(TrainError::SettingNotApplicable {
                field: format!("{kind}.{key}"),
                name: name_of(&table),
                owners: listed(owners),
            });
        }
        table.insert(key, value);
    }
    Ok(from_table(table))
}

fn name_of(table: &Table) -> String {
    table.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// `adam, adamw or muon`.
fn listed(mut names: Vec<String>) -> String {
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}

/// The settings as a table.
pub(super) fn table_of(settings: &impl Serialize) -> Table {
    Table::try_from(settings).expect("settings have a TOML form")
}

/// The settings of such a table, which has their keys and types.
pub(super) fn from_table<T: DeserializeOwned>(table: Table) -> T {
    table.try_into().expect("the settings have these keys")
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
                    weight_decay_on = 'weights'\nclip_norm = 2.0\nsam = 0.5\nweights = 'a.pth'\nweights_map = 'map'\nweights_partial = true\nfreeze = 'node 1'\nunfreeze_at = 3\nlr_body = 0.25\ncached_views = 0\nfeature_cache = 'off'\nteachers = ['a', 'b']\nteacher_share = 0.25\nteacher_temperature = 2.0\nlabel_smoothing = 0.1\nclass_weights = 'balanced'\nema = 0.9\npatience = 4\nmin_delta = 0.01\nseed = 9\nprecision = 'bf16'\nthreads = 5\n\
                    [data]\nsource = 'cats'\nimage_size = '48x32'\nchannels = 1\nresize = 'pad'\nbackground = '#102030'\nval_fraction = 0.3\nsplit_seed = 5\ntrain_on_val = true\nnormalize = 'unit'\nmean = [0.25, 0.5, 0.75]\nstd = [0.5, 0.25, 1.0]\nbad_images = 'skip'\nmax_pixels = 5000\n\
                    [model_options]\nwidth = 0.5\ndropout = {p=0.25}\n\
                    [optimizer]\nname = 'sgd'\nmomentum = 0.8\nnesterov = true\nweight_decay = 0.25\n\
                    [schedule]\nname = 'cosine'\nwarmup_epochs = 1.5\nfinal_lr = 0.125\n";
        let config = TrainConfig::default().merged(&partial(over)).unwrap();
        let text = config.to_toml().unwrap();
        let expected: Table = toml::from_str(over).unwrap();
        let mut ours: Table = toml::from_str(&text).unwrap();
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
