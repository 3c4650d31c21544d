//! Settings of a training, by the names of the configuration's keys.

use std::path::Path;

use convscope::train::fine_tuning::FineTuning;
use convscope::train::recipes::recipe;
use convscope::train::{PartialConfig, TrainConfig};
use convscope_cli::suited;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, Value};

use crate::error::raised;
use crate::value::map_from;

/// A configuration, and what of it was asked for.
pub(crate) struct Settings {
    pub(crate) config: TrainConfig,
    pub(crate) batch_size: BatchSize,
    /// The names that were given.
    pub(crate) names: Vec<String>,
    /// A recipe, a file and everything else, the last overriding those before.
    given: Vec<PartialConfig>,
}

/// Where the number of images per step is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchSize {
    Default,
    Asked,
}

impl Settings {
    /// The defaults, or those of fine-tuning if training starts from weights, overridden by a `recipe`, overridden by a `config` file, overridden by everything else.
    pub(crate) fn of(given: &Bound<'_, PyDict>) -> PyResult<Settings> {
        let mut given = map_from(given)?;
        let mut parts = Vec::new();
        if let Some(name) = text(&mut given, "recipe")? {
            parts.push(recipe(&name).map_err(raised)?);
        }
        // A recipe's batches are made smaller for few images, those of a file or a setting are not.
        let recipes = parts.len();
        if let Some(path) = text(&mut given, "config")? {
            parts.push(PartialConfig::read(Path::new(&path)).map_err(raised)?);
        }
        given.retain(|_, value| !value.is_null());
        let names: Vec<String> = given.keys().cloned().collect();
        let values = given.into_iter().map(|(name, value)| match toml::Value::try_from(value) {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(PyValueError::new_err(error.to_string())),
        });
        parts.push(PartialConfig::of_values(values.collect::<PyResult<Vec<_>>>()?).map_err(raised)?);
        let is_asked = parts[recipes..].iter().any(|part| part.batch_size.is_some());
        let batch_size = if is_asked { BatchSize::Asked } else { BatchSize::Default };
        let over = |config: TrainConfig| parts.iter().try_fold(config, |config, part| config.merged(part));
        let mut config = over(TrainConfig::default()).map_err(raised)?;
        let all: Vec<&PartialConfig> = parts.iter().collect();
        if let Some(found) = FineTuning::of(&config, &all).map_err(raised)? {
            config = TrainConfig::default().merged(&found.settings).and_then(over).map_err(raised)?;
        }
        config.validate().map_err(raised)?;
        Ok(Settings { config, batch_size, names, given: parts })
    }

    /// The configuration for this many training images.
    pub(crate) fn fitted(self, images: usize) -> PyResult<TrainConfig> {
        let given: Vec<&PartialConfig> = self.given.iter().collect();
        let config = suited(self.config, &given, images).map_err(raised)?;
        Ok(match self.batch_size {
            BatchSize::Default => config.with_batch_within(images),
            BatchSize::Asked => config,
        })
    }
}

/// The configuration of these settings as the text of a configuration file.
#[pyfunction]
pub(crate) fn settings_text(given: &Bound<'_, PyDict>) -> PyResult<String> {
    Settings::of(given)?.config.to_toml().map_err(raised)
}

fn text(given: &mut Map<String, Value>, name: &str) -> PyResult<Option<String>> {
    match given.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(PyTypeError::new_err(format!("{name} is {other}, must be a string or a path"))),
    }
}
