//! A single setting by name, as in a search over settings or a `key=value`.

use toml::{Table, Value};

use super::{ModelOptions, PartialConfig};
use crate::error::TrainError;

/// Tables in which a name without a table is looked up, in this order.
const TABLES: [&str; 3] = ["data", "optimizer", "schedule"];

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
        // Text that parses as a number may be a name, such as that of a folder.
        Self::first_that_fits(name, text, &[setting_value(text), Value::String(text.to_owned())])
    }

    /// [`setting`](Self::setting) with a value of TOML, which may be an array or a table.
    ///
    /// # Errors
    /// Those of [`setting`](Self::setting).
    pub fn setting_of(name: &str, value: Value) -> Result<PartialConfig, TrainError> {
        Self::first_that_fits(name, &value.to_string(), &[value])
    }

    fn first_that_fits(name: &str, text: &str, values: &[Value]) -> Result<PartialConfig, TrainError> {
        if let Some(key) = name.strip_prefix("model.") {
            let mut model_options = ModelOptions::default();
            model_options.set(key, values[0].clone())?;
            return Ok(PartialConfig { model_options, ..PartialConfig::default() });
        }
        let key = name.replace('-', "_");
        let is_table = values[0].is_table();
        let places: Vec<String> = match key.as_str() {
            "data" => vec!["data.source".to_owned()],
            "optimizer" | "schedule" if !is_table => vec![format!("{key}.name")],
            _ if key.contains('.') => vec![key.clone()],
            _ => std::iter::once(key.clone()).chain(TABLES.map(|table| format!("{table}.{key}"))).collect(),
        };
        let mut wrong = None;
        for place in places {
            for value in values {
                match nested(&place, value.clone()).try_into::<PartialConfig>() {
                    Ok(config) => return Ok(config),
                    Err(error) if error.message().starts_with("unknown field") => {}
                    Err(error) => {
                        wrong.get_or_insert_with(|| error.message().to_owned());
                    }
                }
            }
        }
        Err(match wrong {
            Some(reason) => {
                TrainError::SettingValue { name: name.to_owned(), value: text.to_owned(), reason }
            }
            None => TrainError::UnknownSetting { name: name.to_owned() },
        })
    }
}

/// The value of a text: a whole number, a number, true or false, otherwise the text itself.
pub fn setting_value(text: &str) -> Value {
    let whole = text.parse().map(Value::Integer).ok();
    let number = || text.parse().map(Value::Float).ok();
    let switch = || text.parse().map(Value::Boolean).ok();
    whole.or_else(number).or_else(switch).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `a.b = value` as a table.
fn nested(place: &str, value: Value) -> Table {
    match place.split_once('.') {
        None => Table::from_iter([(place.to_owned(), value)]),
        Some((table, rest)) => Table::from_iter([(table.to_owned(), Value::Table(nested(rest, value)))]),
    }
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
            ("data", "'7'", "data.source = '7'"),
        ] {
            let value = format!("v = {value}").parse::<Table>().unwrap()["v"].clone();
            let expected: PartialConfig = toml::from_str(expected).unwrap();
            assert_eq!(PartialConfig::setting_of(name, value).unwrap(), expected, "{name}");
        }
        let error = PartialConfig::setting_of("epochs", Value::Boolean(true)).unwrap_err().to_string();
        assert!(error.starts_with("epochs cannot be true: "), "{error}");
    }

    #[test]
    fn what_is_no_setting_or_no_value_of_it_is_named() {
        let error = |name, text| PartialConfig::setting(name, text).unwrap_err().to_string();
        assert!(error("learning-rate", "1").starts_with("learning-rate is not a training setting"));
        assert!(error("data.batch_size", "1").starts_with("data.batch_size is not a training setting"));
        assert!(
            error("epochs", "many").starts_with("epochs cannot be many: "),
            "{}",
            error("epochs", "many")
        );
        let sgd = error("optimizer", "rmsprop");
        assert!(sgd.starts_with("optimizer cannot be rmsprop: ") && sgd.contains("adamw"), "{sgd}");
        assert!(error("model.depth", "3").starts_with("model option depth is not an option"));
    }
}
