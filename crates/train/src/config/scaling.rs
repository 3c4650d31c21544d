//! How pixel values are scaled, and what applies to networks of ONNX files only.

use std::path::Path;

use convscope_data::{Normalization, Normalize, Source};

use super::{DataConfig, TrainConfig};
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

impl TrainConfig {
    /// The errors of the values that this file is about.
    pub(super) fn scaling_problems(&self) -> Vec<TrainError> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, field, value: String, accepted| {
            if !fits {
                problems.push(TrainError::InvalidValue { field, value, accepted });
            }
        };
        let DataConfig { mean, std, normalize, .. } = &self.data;
        let shown = |numbers: &Option<Vec<f64>>| format!("{:?}", numbers.as_deref().unwrap_or_default());
        let are = |numbers: &Option<Vec<f64>>, fit: fn(f32) -> bool| {
            numbers.as_ref().is_none_or(|numbers| {
                !numbers.is_empty()
                    && numbers.iter().all(|&value| (value as f32).is_finite() && fit(value as f32))
            })
        };
        check(are(mean, |_| true), "data.mean", shown(mean), "a finite number for each channel");
        check(
            are(std, |value| value > 0.0),
            "data.std",
            shown(std),
            "a finite number above 0 for each channel",
        );
        let fits = mean.is_none() && std.is_none() || *normalize == Normalize::Unit;
        let name = format!("{normalize:?}").to_lowercase();
        check(fits, "data.normalize", name, "unit if data.mean or data.std is given");
        let is_file = is_onnx(Path::new(&self.model));
        let fits = is_file || self.channel_order == ChannelOrder::Rgb;
        check(fits, "channel_order", "bgr".to_owned(), "rgb unless the model is an ONNX file");
        let fits = is_file || self.output.is_none();
        let name = self.output.clone().unwrap_or_default();
        check(fits, "output", name, "left out unless the model is an ONNX file");
        problems
    }
}
