//! The images that a trained network has learned from.

use std::collections::HashSet;
use std::path::Path;

use convscope_data::manifest::ImageId;
use convscope_data::{Source, Split};
use convscope_graph::DataDescription;

use crate::error::TrainError;
use crate::run_dir::RunDir;

/// The images that a trained network has learned from, as far as known.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainedOn {
    /// These.
    Images(HashSet<ImageId>),
    /// Those of the described data set.
    DataSet(DataDescription),
    /// Unknown.
    Unknown,
}

impl TrainedOn {
    /// From the record of the run that contains the weights, otherwise from the weights file itself, given as
    /// `description`.
    ///
    /// # Errors
    /// A record of the run that cannot be read.
    pub fn of(
        run_or_weights_file: &Path,
        description: Option<&DataDescription>,
    ) -> Result<TrainedOn, TrainError> {
        let record = RunDir::of(run_or_weights_file)?.map(|run| run.data()).transpose()?.flatten();
        let images = record.and_then(|record| record.trained_on()).map(TrainedOn::Images);
        let data_set = || description.cloned().map(TrainedOn::DataSet);
        Ok(images.or_else(data_set).unwrap_or(TrainedOn::Unknown))
    }

    /// For each image of a split, whether the network has learned from it; `None` if unknown.
    pub fn among(&self, source: &dyn Source, split: Split) -> Option<Vec<bool>> {
        let ids = source.image_ids(split)?;
        let learned = match self {
            TrainedOn::Images(images) => images.clone(),
            TrainedOn::DataSet(data) => {
                let manifest = source.manifest().filter(|manifest| manifest.digest() == data.digest)?;
                let mut images: HashSet<ImageId> = manifest.image_ids(Split::Train).into_iter().collect();
                if data.train_on_val {
                    images.extend(manifest.image_ids(Split::Val));
                }
                images
            }
            TrainedOn::Unknown => return None,
        };
        Some(ids.iter().map(|id| learned.contains(id)).collect())
    }
}
