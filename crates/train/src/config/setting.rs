//! A single setting by name, as in a flag, a search over settings or a `key=value`.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::declare::{Setting, as_typed};
use super::merge::{from_table, table_of};
use super::value::NONE;
use super::{
    ModelOptions, PartialConfig, PartialData, PartialOptimizer, PartialSchedule, PartialTeacher, TrainConfig,
    setting_value,
};
use crate::error::TrainError;

impl Setting {
    /// All settings, in the order of help; [`ModelOptions`] have others.
    pub fn all() -> impl Iterator<Item = &'static Setting> {
        let tables = [
            PartialData::SETTINGS,
            PartialConfig::SETTINGS,
            PartialTeacher::SETTINGS,
            PartialOptimizer::SETTINGS,
            PartialSchedule::SETTINGS,
        ];
        tables.into_iter().flatten()
    }

    /// The setting with this key, the name of its flag, or the last part of its key: `optimizer.weight_decay`, `weight-decay`.
    pub fn find(name: &str) -> Option<&'static Setting> {
        let key = name.replace('-', "_");
        let is_flag =
            |setting: &&Setting| setting.flag_name().is_some_and(|flag| flag.replace('-', "_") == key);
        let is_last = |setting: &&Setting| setting.key.rsplit('.').next() == Some(key.as_str());
        Setting::all()
            .find(|setting| setting.key == key)
            .or_else(|| Setting::all().find(is_flag))
            .or_else(|| Setting::all().find(is_last))
    }

    /// The whole key of the setting with this name; that of `model.width` is `model_options.width`.
    pub fn key_of(name: &str) -> Option<String> {
        match name.strip_prefix("model.").or_else(|| name.strip_prefix("model_options.")) {
            Some(option) => Some(format!("model_options.{option}")),
            None => Setting::find(name).map(|setting| setting.key.to_owned()),
        }
    }

    /// What it does, in one line.
    pub fn description(&self) -> String {
        self.help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether `none` takes its value away.
    pub fn may_be_none(&self) -> bool {
        !self.names.contains(&NONE) && matches!((self.parse)(NONE), Ok(Value::String(text)) if text == NONE)
    }

    /// Checks that a text is a value of its type.
    ///
    /// # Errors
    /// What it must be instead, as in "a whole number".
    pub fn check(&self, text: &str) -> Result<(), String> {
        (self.parse)(text).map(drop)
    }

    /// A text as the value that a file has.
    fn parse_text(&self, text: &str) -> Result<Value, TrainError> {
        (self.parse)(text).map_err(|wanted| self.wrong(text.to_owned(), wanted))
    }

    /// A value as a file has it.
    fn read_value(&self, value: &Value) -> Result<Value, TrainError> {
        // A number may be a name, such as that of a folder.
        let as_text = |wanted| match value {
            Value::Integer(_) | Value::Float(_) => (self.parse)(&value.to_string()).map_err(|_| wanted),
            _ => Err(wanted),
        };
        (self.read)(value).or_else(as_text).map_err(|wanted| self.wrong(as_typed(value), wanted))
    }

    fn wrong(&self, value: String, wanted: String) -> TrainError {
        TrainError::SettingValue { name: self.key.to_owned(), value, wanted }
    }
}

impl PartialConfig {
    /// A configuration with this one setting. `name` is the name of a flag of `convscope train` (`batch-size`,
    /// `momentum`, `schedule`), a key of the configuration file (`optimizer.eps`), or `model.` and a key of
    /// [`ModelOptions`] (`model.width`); `text` is its value as one would type it.
    ///
    /// ```
    /// use convscope_train::PartialConfig;
    /// let flag = PartialConfig::setting("weight-decay", "5e-4")?;
    /// assert_eq!(flag, PartialConfig::setting("optimizer.weight_decay", "0.0005")?);
    /// assert_eq!(flag.optimizer.weight_decay, Some(5e-4));
    /// # Ok::<(), convscope_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::UnknownSetting`]; [`TrainError::SettingValue`] for a value of the wrong kind.
    pub fn setting(name: &str, text: &str) -> Result<PartialConfig, TrainError> {
        if let Some(key) = name.strip_prefix("model.") {
            let mut model_options = ModelOptions::default();
            model_options.set(key, setting_value(text))?;
            return Ok(PartialConfig { model_options, ..PartialConfig::default() });
        }
        PartialConfig::of_settings([(known(name)?, text)])
    }

    /// A configuration with these values of TOML, by names as in [`setting`](Self::setting). A table is several settings, with
    /// the name of a table of the configuration file: `optimizer`, `data`, `model_options`.
    ///
    /// ```
    /// use convscope_train::PartialConfig;
    /// let given = PartialConfig::of_values([("optimizer", "sgd".into()), ("momentum", 0.5.into())])?;
    /// assert_eq!(given.optimizer.momentum, Some(0.5));
    /// # Ok::<(), convscope_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`setting`](Self::setting).
    pub fn of_values<N: Into<String>>(
        values: impl IntoIterator<Item = (N, Value)>,
    ) -> Result<PartialConfig, TrainError> {
        let mut settings = Vec::new();
        let mut model_options = ModelOptions::default();
        for (name, value) in values.into_iter().flat_map(|(name, value)| flat(name.into(), value)) {
            match name.strip_prefix("model.").or_else(|| name.strip_prefix("model_options.")) {
                Some(key) => model_options.set(key, value)?,
                None => {
                    let setting = known(&name)?;
                    settings.push((setting, setting.read_value(&value)?));
                }
            }
        }
        Ok(PartialConfig { model_options, ..from_table(placed(settings)) })
    }

    /// A configuration with these settings, of which the last counts where there are several.
    ///
    /// # Errors
    /// [`TrainError::SettingValue`] for a text that is not a value of its setting.
    pub fn of_settings<'a>(
        settings: impl IntoIterator<Item = (&'a Setting, &'a str)>,
    ) -> Result<PartialConfig, TrainError> {
        let values = settings.into_iter().map(|(setting, text)| Ok((setting, setting.parse_text(text)?)));
        Ok(from_table(placed(values.collect::<Result<Vec<_>, TrainError>>()?)))
    }
}

fn known(name: &str) -> Result<&'static Setting, TrainError> {
    Setting::find(name).ok_or_else(|| TrainError::UnknownSetting { name: name.to_owned() })
}

impl TrainConfig {
    /// Every value by its whole key, such as `optimizer.momentum`, as text; keys without a value are left out.
    ///
    /// ```
    /// let texts = convscope_train::TrainConfig::default().texts();
    /// assert_eq!(texts["optimizer.betas"], "0.9,0.999");
    /// ```
    pub fn texts(&self) -> BTreeMap<String, String> {
        let values = table_of(self).into_iter().flat_map(|(key, value)| flat(key, value));
        values.map(|(key, value)| (key, as_typed(&value))).collect()
    }
}

/// The values of a table and of those in it, by their whole keys.
fn flat(name: String, value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(table) => {
            table.into_iter().flat_map(|(key, value)| flat(format!("{name}.{key}"), value)).collect()
        }
        value => vec![(name, value)],
    }
}

/// Values in the tables of a configuration file.
fn placed<'a>(values: impl IntoIterator<Item = (&'a Setting, Value)>) -> Table {
    let mut table = Table::new();
    for (setting, value) in values {
        match setting.key.split_once('.') {
            None => drop(table.insert(setting.key.to_owned(), value)),
            Some((name, key)) => {
                let inner = table.entry(name).or_insert_with(|| Table::new().into());
                if let Value::Table(inner) = inner {
                    inner.insert(key.to_owned(), value);
                }
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_flags_and_of_keys() {
        for (name, text, expected) in [
            ("lr", "1e-3", "lr = 0.001"),
            ("lr", "1", "lr = 1"),
            ("batch-size", "64", "batch_size = 64"),
            ("batch_size", "64", "batch_size = 64"),
            ("optimizer", "sgd", "optimizer.name = 'sgd'"),
            ("schedule", "one-cycle", "schedule.name = 'one-cycle'"),
            ("momentum", "0.9", "optimizer.momentum = 0.9"),
            ("nesterov", "true", "optimizer.nesterov = true"),
            ("schedule.pct_start", "0.2", "schedule.pct_start = 0.2"),
            ("image-size", "48", "data.image_size = 48"),
            ("normalize", "unit", "data.normalize = 'unit'"),
            ("data", "2024", "data.source = '2024'"),
            ("initializer", "he_normal", "initializer = 'he_normal'"),
            ("model", "resnet8", "model = 'resnet8'"),
            ("model.width", "2", "model_options.width = 2"),
            ("model.dropout.p", "0.25", "model_options.dropout.p = 0.25"),
        ] {
            let expected: PartialConfig = toml::from_str(expected).unwrap();
            assert_eq!(PartialConfig::setting(name, text).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn a_value_may_be_an_array_or_a_table() {
        for (name, value, expected) in [
            ("betas", "[0.8, 0.99]", "optimizer.betas = [0.8, 0.99]"),
            ("optimizer", "{name = 'sgd', momentum = 0.5}", "optimizer = {name = 'sgd', momentum = 0.5}"),
            ("teachers", "['a', 'b']", "teachers = ['a', 'b']"),
            ("model_options", "{width = 2}", "model_options = {width = 2}"),
            ("schedule", "'step'", "schedule.name = 'step'"),
            ("data", "7", "data.source = '7'"),
        ] {
            let value = format!("v = {value}").parse::<Table>().unwrap()["v"].clone();
            let expected: PartialConfig = toml::from_str(expected).unwrap();
            assert_eq!(PartialConfig::of_values([(name, value)]).unwrap(), expected, "{name}");
        }
        let error = PartialConfig::of_values([("epochs", Value::Boolean(true))]).unwrap_err().to_string();
        assert_eq!(error, "epochs cannot be true; it must be a whole number of at least 0");
        let error = PartialConfig::of_values([(
            "optimizer",
            Value::Table(Table::from_iter([("depth".to_owned(), 2.into())])),
        )]);
        assert!(error.unwrap_err().to_string().starts_with("optimizer.depth is not a training setting"));
    }

    #[test]
    fn what_is_no_setting_or_no_value_of_it_is_named() {
        let error = |name, text| PartialConfig::setting(name, text).unwrap_err().to_string();
        assert!(error("learning-rate", "1").starts_with("learning-rate is not a training setting"));
        assert!(error("data.batch_size", "1").starts_with("data.batch_size is not a training setting"));
        assert!(
            error("epochs", "many").starts_with("epochs cannot be many; it must be a whole number"),
            "{}",
            error("epochs", "many")
        );
        let sgd = error("optimizer", "rmsprop");
        assert!(sgd.starts_with("optimizer.name cannot be rmsprop; ") && sgd.contains("adamw"), "{sgd}");
        assert!(error("model.depth", "3").starts_with("model option depth is not an option"));
    }
}
