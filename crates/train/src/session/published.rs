//! The weights that a run shows and leaves behind.

use std::path::Path;

use convscope_data::{Framing, Normalization};
use convscope_graph::{InputDescription, Parameters, WeightsFile};

use super::Session;
use crate::error::TrainError;
use crate::run_dir::{DataRecord, write_atomic};

impl Session {
    /// The parameters that are evaluated and written: the moving average where there is one, with running statistics
    /// of its own.
    pub(super) fn published(&mut self) -> Result<Parameters, TrainError> {
        let mut published = self.parameters.clone();
        let Some(ema) = &self.ema else { return Ok(published) };
        let trained = published.tensors_mut().iter_mut().filter(|tensor| tensor.role.is_trained());
        trained
            .enumerate()
            .for_each(|(index, tensor)| tensor.slice_mut().copy_from_slice(ema.average(index)));
        if let Some(statistics) = &mut self.statistics {
            statistics.renew(&mut published)?;
        }
        Ok(published)
    }

    /// The parameters that the run ends with: the best ones where it could stop early, else the last.
    pub(super) fn final_weights(&mut self) -> Result<Parameters, TrainError> {
        if self.config.patience.is_some() {
            return Ok(WeightsFile::read(&self.run.best_weights_path())?.parameters);
        }
        self.published()
    }

    pub(super) fn write_weights(&self, path: &Path, parameters: &Parameters) -> Result<(), TrainError> {
        let size = self.source.image_size();
        let Normalization { mean, std } = self.normalization;
        let Framing { resize, background } = match &self.data {
            Some(data) => data.treatment.framing(),
            None => self.config.data.framing(),
        };
        let weights = WeightsFile {
            model: self.graph().description().clone(),
            classes: self.source.classes().to_vec(),
            input: InputDescription {
                size: [size.height, size.width],
                resize: resize.to_string(),
                background: background.to_string(),
                scale: 1.0 / 255.0,
                mean,
                std,
            },
            data: self.data.as_ref().and_then(DataRecord::description),
            parameters: parameters.clone(),
        };
        let bytes = weights.to_bytes();
        write_atomic(path, |file| file.write_all(&bytes))
    }
}
