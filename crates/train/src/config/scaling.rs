//! How pixel values are scaled, and what applies to networks of ONNX files only.

use std::path::Path;

use convscope_data::{Normalization, Normalize, Source};

use super::declare::shown;
use super::{Check, DataConfig, TrainConfig};
use crate::error::TrainError;
use crate::onnx::{ChannelOrder, is_onnx};

impl DataConfig {
    /// How the images of a source are scaled: by [`mean`](Self::mean) and [`std`](Self::std) if there are such, otherwise as
    /// [`normalize`](Self::normalize) says.
    ///
    /// ```
    /// use convscope_data::{SourceOptions, open};
    /// use convscope_train::{PartialConfig, TrainConfig};
    /// let file: PartialConfig = toml::from_str("data.mean = [0.5, 0.5, 0.5]")?;
    /// let config = TrainConfig::default().merged(&file)?;
    /// let shapes = open("shapes", &SourceOptions::default())?;
    /// let normalization = config.data.normalization(&*shapes)?;
    /// assert_eq!((normalization.mean, normalization.std), (vec![0.5; 3], vec![1.0; 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::InvalidValue`] for another number of channels; images that cannot be read.
    pub fn normalization(&self, source: &dyn Source) -> Result<Normalization, TrainError> {
        if self.mean.is_none() && self.std.is_none() {
            return Ok(self.normalize.fit(source)?);
        }
        let channels = source.channels();
        let numbers = |field, given: &Option<Vec<f64>>, otherwise| match given {
            None => Ok(vec![otherwise; channels]),
            Some(given) if given.len() == channels => Ok(given.iter().map(|&value| value as f32).collect()),
            Some(given) => {
                let value = format!("{} numbers", given.len());
                let accepted = "one number for each channel of the images";
                Err(TrainError::InvalidValue { field, value, accepted })
            }
        };
        let (mean, std) = (numbers("data.mean", &self.mean, 0.0)?, numbers("data.std", &self.std, 1.0)?);
        Ok(Normalization { mean, std })
    }
}

/// Checks how pixel values are scaled, and what applies to networks of ONNX files only.
pub(super) fn check(config: &TrainConfig, check: &mut Check<'_>) {
    let DataConfig { mean, std, normalize, .. } = &config.data;
    let fits = mean.is_none() && std.is_none() || *normalize == Normalize::Unit;
    let name = shown(normalize);
    check(fits, "data.normalize", &name, "unit if data.mean or data.std is given");
    let is_file = is_onnx(Path::new(&config.model));
    let fits = is_file || config.channel_order == ChannelOrder::Rgb;
    check(fits, "channel_order", &"bgr", "rgb unless the model is an ONNX file");
    let fits = is_file || config.output.is_none();
    let name = config.output.clone().unwrap_or_default();
    check(fits, "output", &name, "left out unless the model is an ONNX file");
}
