//! The search space: parameters and the values that each may take.

use convscope_train::{PartialConfig, TrainConfig, TrainError};

use crate::distribution::{Distribution, Scale};
use crate::{TuneError, Value};

/// A setting of training and the values to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name of the setting, see [`PartialConfig::setting`].
    pub name: String,
    /// Its values.
    pub distribution: Distribution,
}

/// The parameters of a search, in the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
}

/// A point in a [`Space`]: for each of its parameters a number, which is the value for a range and the index, from 0,
/// for one of several choices. Optuna calls this the internal representation.
pub type Point = Vec<f64>;

impl Parameter {
    /// A list of values, written as `lr=0.1,0.01`. A value of `augment` is itself a list, whose parts are joined by
    /// `+`: `augment=none,flip+shift=0.1`.
    ///
    /// # Errors
    /// [`TuneError::Parameter`] for any other form or a duplicate value.
    pub fn grid(text: &str) -> Result<Parameter, TuneError> {
        let form = "it must have the form NAME=VALUE,VALUE, such as lr=0.1,0.01";
        let (name, list) = text.split_once('=').ok_or_else(|| TuneError::parameter(text, form))?;
        let values: Vec<Value> = list.split(',').map(|item| Value::parse(item.trim())).collect();
        if name.trim().is_empty() || values.contains(&Value::Text(String::new())) {
            return Err(TuneError::parameter(text, form));
        }
        if let Some(part) = list.split(',').map(str::trim).find(|item| is_part_of_number(item)) {
            return Err(TuneError::parameter(
                text,
                format!(
                    "{part} is not a number; commas separate values, and decimals need a point, as in 0.{part}"
                ),
            ));
        }
        if let Some(twice) = (1..values.len()).find(|&last| values[..last].contains(&values[last])) {
            return Err(TuneError::parameter(text, format!("{} is given twice", values[twice])));
        }
        Ok(Parameter { name: name.trim().to_owned(), distribution: Distribution::Choices(values) })
    }

    /// A range, written as `lr=1e-4..1e-1:log` or `momentum=0.5..0.99`. If both bounds are whole numbers, it has only
    /// whole numbers: `batch-size=16..256:log`.
    ///
    /// # Errors
    /// [`TuneError::Parameter`] for any other form, or bounds that are not a range.
    pub fn range(text: &str) -> Result<Parameter, TuneError> {
        let form = "it must have the form NAME=LOW..HIGH or NAME=LOW..HIGH:log, such as lr=1e-4..1e-1:log";
        let wrong = || TuneError::parameter(text, form);
        let (name, range) = text.split_once('=').ok_or_else(wrong)?;
        let (bounds, scale) = match range.split_once(':') {
            None => (range, Scale::Linear),
            Some((bounds, "log")) => (bounds, Scale::Logarithm),
            Some(_) => return Err(wrong()),
        };
        let (low, high) = bounds.split_once("..").ok_or_else(wrong)?;
        let distribution = match (Value::parse(low.trim()), Value::parse(high.trim())) {
            (Value::Int(low), Value::Int(high)) => Distribution::Int { low, high, scale },
            (low, high) => match (low.number(), high.number()) {
                (Some(low), Some(high)) => Distribution::Float { low, high, scale },
                _ => return Err(wrong()),
            },
        };
        let (low, high) = distribution.bounds();
        if name.trim().is_empty() {
            return Err(wrong());
        }
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(TuneError::parameter(text, "the first bound must be below the second"));
        }
        if scale == Scale::Logarithm && low <= 0.0 {
            return Err(TuneError::parameter(text, ":log needs bounds above 0"));
        }
        Ok(Parameter { name: name.trim().to_owned(), distribution })
    }

    /// The value for this internal value.
    pub fn value(&self, place: f64) -> Value {
        self.distribution.value(place)
    }
}

impl Space {
    /// A space of these parameters.
    ///
    /// # Errors
    /// [`TuneError::NothingToSearch`] if there are none, [`TuneError::Parameter`] if two have the same name.
    pub fn new(parameters: Vec<Parameter>) -> Result<Space, TuneError> {
        if parameters.is_empty() {
            return Err(TuneError::NothingToSearch);
        }
        for (index, parameter) in parameters.iter().enumerate() {
            if parameters[..index].iter().any(|other| other.name == parameter.name) {
                return Err(TuneError::parameter(&parameter.name, "is named twice"));
            }
        }
        Ok(Space { parameters })
    }

    /// The parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many points there are; `None` if a range of numbers has infinitely many.
    pub fn len(&self) -> Option<usize> {
        self.parameters.iter().try_fold(1_usize, |points, parameter| match &parameter.distribution {
            Distribution::Choices(values) => points.checked_mul(values.len()),
            Distribution::Int { low, high, .. } => {
                points.checked_mul(usize::try_from(high.checked_sub(*low)?).ok()?.checked_add(1)?)
            }
            Distribution::Float { .. } => None,
        })
    }

    /// Always false: a space has a parameter.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The values at a point.
    pub fn values<'a>(&'a self, point: &'a [f64]) -> impl Iterator<Item = (&'a str, Value)> {
        self.parameters
            .iter()
            .zip(point)
            .map(|(parameter, &place)| (parameter.name.as_str(), parameter.value(place)))
    }

    /// The point in words: `lr=0.1 batch-size=64`.
    pub fn describe(&self, point: &[f64]) -> String {
        let parts: Vec<String> = self.values(point).map(|(name, value)| format!("{name}={value}")).collect();
        parts.join(" ")
    }

    /// The configuration at a point.
    ///
    /// # Errors
    /// Settings that do not exist, cannot be combined, or are out of range.
    pub fn configure(&self, base: &TrainConfig, point: &[f64]) -> Result<TrainConfig, TuneError> {
        let config = self.overlay(base, point)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks each value by itself before the first trial, and, if it is wrong that way, together with the first values
    /// of the other parameters. Combinations that are only wrong together are left to the trial.
    ///
    /// # Errors
    /// A setting that does not exist, or an invalid value.
    pub fn check(&self, base: &TrainConfig) -> Result<(), TuneError> {
        let known: Vec<String> = base.problems().iter().map(ToString::to_string).collect();
        let first: Vec<f64> = self.parameters.iter().map(|parameter| parameter.places()[0]).collect();
        for (index, parameter) in self.parameters.iter().enumerate() {
            for place in parameter.places() {
                let setting = PartialConfig::of_values([parameter.setting(place)])?;
                let Ok(config) = base.clone().merged(&setting) else { continue };
                let mut point = first.clone();
                point[index] = place;
                let beside = self.overlay(base, &point).map(|config| config.problems());
                let is_mended = |problem: &str| {
                    beside
                        .as_ref()
                        .is_ok_and(|beside| beside.iter().all(|other| other.to_string() != problem))
                };
                let is_new = |problem: &TrainError| {
                    let problem = problem.to_string();
                    !known.contains(&problem) && !is_mended(&problem)
                };
                if let Some(problem) = config.problems().into_iter().find(is_new) {
                    return Err(problem.into());
                }
            }
        }
        Ok(())
    }

    /// The base with each value by itself (for a range, its bounds), and the name of the parameter. Values that cannot
    /// be combined with the base are left out.
    ///
    /// # Errors
    /// A setting that does not exist, a value of the wrong kind.
    pub fn one_by_one(&self, base: &TrainConfig) -> Result<Vec<(&str, TrainConfig)>, TuneError> {
        let mut configs = Vec::new();
        for parameter in &self.parameters {
            for place in parameter.places() {
                let setting = PartialConfig::of_values([parameter.setting(place)])?;
                configs.extend(base.clone().merged(&setting).map(|config| (parameter.name.as_str(), config)));
            }
        }
        Ok(configs)
    }

    fn overlay(&self, base: &TrainConfig, point: &[f64]) -> Result<TrainConfig, TuneError> {
        // All at once, because a setting may belong to an optimizer that another parameter chooses.
        let values = self.parameters.iter().zip(point).map(|(parameter, &place)| parameter.setting(place));
        let all = PartialConfig::of_values(values)?;
        Ok(base.clone().merged(&all)?)
    }
}

impl Parameter {
    /// Every choice, or the bounds of a range.
    fn places(&self) -> Vec<f64> {
        match &self.distribution {
            Distribution::Choices(values) => (0..values.len()).map(|index| index as f64).collect(),
            other => vec![other.bounds().0, other.bounds().1],
        }
    }

    fn setting(&self, place: f64) -> (&str, toml::Value) {
        (&self.name, self.value(place).to_toml())
    }
}

/// Whether these are the digits after a decimal comma, such as the 01 in `0,01`.
fn is_part_of_number(item: &str) -> bool {
    item.len() > 1 && item.starts_with('0') && item.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_and_ranges_are_read_as_they_are_typed() {
        let grid = Parameter::grid("augment=none,flip+shift=0.1").unwrap();
        assert_eq!(grid.name, "augment");
        assert_eq!(
            grid.distribution,
            Distribution::Choices(vec![Value::Text("none".into()), Value::Text("flip+shift=0.1".into())])
        );
        let range = Parameter::range("lr=1e-4..1e-1:log").unwrap();
        assert_eq!(range.distribution, Distribution::Float { low: 1e-4, high: 0.1, scale: Scale::Logarithm });
        let whole = Parameter::range("batch-size=16..256").unwrap();
        assert_eq!(whole.distribution, Distribution::Int { low: 16, high: 256, scale: Scale::Linear });
        let mixed = Parameter::range("lr=0.5..1").unwrap();
        assert_eq!(mixed.distribution, Distribution::Float { low: 0.5, high: 1.0, scale: Scale::Linear });
        for wrong in ["lr", "=1,2", "lr=", "lr=1,,2", "lr=1,2,1", "lr=0,01", "lr=1,005"] {
            assert!(Parameter::grid(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "lr",
            "lr=1",
            "lr=2..1",
            "lr=1..1",
            "lr=0..1:log",
            "lr=1..2:exp",
            "lr=a..b",
            "lr=nan..1",
            "=1..2",
        ] {
            assert!(Parameter::range(wrong).is_err(), "{wrong}");
        }
        let one = || Parameter::grid("lr=1").unwrap();
        assert!(Space::new(vec![one(), one()]).unwrap_err().to_string().contains("lr: is named twice"));
    }

    #[test]
    fn a_value_has_its_place_in_another_space() {
        let grid = Parameter::grid("lr=1,0.1,0.01").unwrap().distribution;
        let place = |distribution: &Distribution, value: Value| distribution.place(&value);
        assert_eq!(place(&grid, Value::Float(0.01)), Some(2.0));
        assert_eq!(place(&grid, Value::Float(1.0)), Some(0.0));
        assert_eq!(place(&grid, Value::Float(0.02)), None);
        let twice = Parameter::grid("lr=1,1.0").unwrap().distribution;
        assert_eq!(place(&twice, Value::Float(1.0)), Some(1.0));
        let range = Parameter::range("batch-size=16..64").unwrap().distribution;
        assert_eq!(place(&range, Value::Int(64)), Some(64.0));
        assert_eq!(place(&range, Value::Int(65)), None);
        assert_eq!(place(&range, Value::Float(16.5)), None);
        assert_eq!(place(&range, Value::Text("16".into())), None);
        let names = Parameter::grid("augment=none,flip+shift=0.1").unwrap().distribution;
        let log = Parameter::range("lr=1e-4..1e-1:log").unwrap().distribution;
        for distribution in [grid, range, names, log] {
            assert_eq!(Distribution::from_json(&distribution.to_json()), Some(distribution));
        }
    }

    #[test]
    fn a_point_is_a_configuration() {
        let space = Space::new(vec![
            Parameter::grid("momentum=0.5,0.9").unwrap(),
            Parameter::grid("optimizer=adam,sgd").unwrap(),
            Parameter::range("lr=1e-4..1e-1:log").unwrap(),
            Parameter::range("model.width=1..4").unwrap(),
            Parameter::grid("augment=none,flip+shift=0.1").unwrap(),
        ])
        .unwrap();
        let base = TrainConfig::default();
        space.check(&base).unwrap();
        let config = space.configure(&base, &[1.0, 1.0, 0.03, 2.0, 1.0]).unwrap();
        let expected: PartialConfig =
            toml::from_str("lr = 0.03\naugment = 'flip,shift=0.1'\noptimizer = {name='sgd', momentum=0.9}\nmodel_options.width = 2")
                .unwrap();
        assert_eq!(config, base.clone().merged(&expected).unwrap());
        // Adam has no momentum; the trial reports that.
        assert!(space.configure(&base, &[1.0, 0.0, 0.03, 2.0, 0.0]).is_err());
        assert_eq!(
            space.describe(&[0.0, 1.0, 2.5e-4, 3.0, 1.0]),
            "momentum=0.5 optimizer=sgd lr=2.5e-4 model.width=3 augment=flip+shift=0.1"
        );
        assert_eq!(space.len(), None);
    }

    #[test]
    fn a_value_that_needs_another_parameter_is_no_mistake() {
        let sgd: PartialConfig = toml::from_str("optimizer = {name = 'sgd'}").unwrap();
        let base = TrainConfig::default().merged(&sgd).unwrap();
        let nesterov = || Parameter::grid("nesterov=true").unwrap();
        let alone = Space::new(vec![nesterov()]).unwrap().check(&base).unwrap_err();
        assert!(alone.to_string().starts_with("optimizer.nesterov is true"), "{alone}");
        let momentum = |values: &str| Parameter::grid(&format!("momentum={values}")).unwrap();
        Space::new(vec![nesterov(), momentum("0.9,0")]).unwrap().check(&base).unwrap();
        assert!(Space::new(vec![nesterov(), momentum("0,0.0")]).unwrap().check(&base).is_err());
    }

    #[test]
    fn impossible_values_are_found_before_the_first_trial() {
        let check = |parameter: Parameter| {
            Space::new(vec![parameter]).unwrap().check(&TrainConfig::default()).unwrap_err().to_string()
        };
        assert!(check(Parameter::grid("learning=1").unwrap()).contains("is not a training setting"));
        assert!(check(Parameter::grid("epochs=3,0").unwrap()).starts_with("epochs is 0"));
        assert!(check(Parameter::range("lr=-1.0..1").unwrap()).starts_with("lr is -1"));
        assert!(
            check(Parameter::grid("schedule=cosine,linear").unwrap())
                .contains("schedule.name cannot be linear")
        );
    }
}
