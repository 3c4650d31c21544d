//! Checks that a resumed run has the same images as before.

use convscope_data::{Framing, Source};
use convscope_files::listed;
use convscope_graph::WeightsFile;

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::run_dir::{DataPlace, DataRecord, RunDir, Treatment};

/// Checks a source against the run's record of its images, and returns the record. If the folder has moved, its new
/// path is recorded.
pub(super) fn check(
    run: &RunDir,
    config: &TrainConfig,
    source: &dyn Source,
) -> Result<Option<DataRecord>, TrainError> {
    let other = |what: &'static str, recorded: String, found: String| {
        Err(TrainError::OtherData { run: run.path().to_owned(), what, recorded, found })
    };
    let Some(mut record) = run.data()? else {
        // All that such a run knows about its images is in its weights.
        if run.last_weights_path().is_file() {
            let weights = WeightsFile::read(&run.last_weights_path())?;
            if weights.classes != source.classes() {
                return other("classes", listed(&weights.classes), listed(source.classes()));
            }
        }
        return Ok(None);
    };
    if let Some(manifest) = &record.manifest {
        if manifest.classes() != source.classes() {
            return other("classes", manifest.classes().join(", "), source.classes().join(", "));
        }
        let found = source.manifest().map_or("none", |manifest| manifest.digest());
        if manifest.digest() != found {
            return other("digest of the images", manifest.digest().to_owned(), found.to_owned());
        }
    }
    let (recorded, found) = (record.treatment.image_size, source.image_size());
    if recorded != found {
        return other("image size", recorded.to_string(), found.to_string());
    }
    let (recorded, found) = (record.treatment.mean.len(), source.channels());
    if recorded != found {
        return other("number of channels", recorded.to_string(), found.to_string());
    }
    if record.treatment.framing() != config.data.framing() {
        let name = |framing: Framing| format!("{} over {}", framing.resize, framing.background);
        return other("resizing", name(record.treatment.framing()), name(config.data.framing()));
    }
    let name = |kind| format!("{kind:?}").to_lowercase();
    if record.treatment.normalize != config.data.normalize {
        return other("normalisation", name(record.treatment.normalize), name(config.data.normalize));
    }
    let given = |numbers: &Option<Vec<f64>>, recorded: &[f32]| {
        numbers
            .as_ref()
            .is_none_or(|numbers| numbers.iter().map(|&value| value as f32).eq(recorded.iter().copied()))
    };
    let Treatment { mean, std, .. } = &record.treatment;
    if !given(&config.data.mean, mean) || !given(&config.data.std, std) {
        let found = format!("{:?} and {:?}", config.data.mean, config.data.std);
        return other("means and deviations", format!("{mean:?} and {std:?}"), found);
    }
    if record.train_on_val != config.data.train_on_val {
        let (recorded, found) = (record.train_on_val, config.data.train_on_val);
        return other("training on validation images", recorded.to_string(), found.to_string());
    }
    let place = DataPlace::of(source.name(), run.path());
    if place.absolute.is_some() && place.absolute != record.place.absolute {
        record.place = place;
        record.write(&run.data_path())?;
    }
    Ok(Some(record))
}
