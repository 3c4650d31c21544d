//! Networks that were trained before, as the start of another training.

use std::path::Path;

use convscope_graph::{Graph, InputDescription, ModelDescription, ModelFile, PRESETS, preset_file};

use crate::error::TrainError;
use crate::trained_weights::read_weights;

/// Whether a model's name means a trained network, a run directory or a weights file of this program, rather than a preset or a
/// model file.
pub fn is_trained(model: &str) -> bool {
    let path = Path::new(model);
    let is_weights = path.extension().is_some_and(|extension| extension == "safetensors");
    !PRESETS.contains(&model) && (path.is_dir() || is_weights)
}

/// The network of a run directory or weights file, for images of this shape and so many classes.
///
/// # Errors
/// Weights that cannot be read; a network for images of other channels, or without a node that could be replaced.
pub(crate) fn describe_trained(
    path: &Path,
    input: [usize; 3],
    classes: usize,
) -> Result<ModelDescription, TrainError> {
    let model = read_weights(path)?.model;
    let no_head = || TrainError::NoClassifier { path: path.to_owned() };
    let graph = Graph::new(model)?;
    let mut model = match graph.classes() {
        own if own == classes => graph.description().clone(),
        _ => graph.with_classes(classes).ok_or_else(no_head)?,
    };
    if let [only] = model.inputs.as_mut_slice() {
        only.shape = input.to_vec();
    }
    Ok(model)
}

/// How pictures are prepared for the weights that are published for a preset, or for a model file that says it.
///
/// # Errors
/// A model file that cannot be read.
pub(crate) fn pretrained_of(model: &str) -> Result<Option<InputDescription>, TrainError> {
    let path = Path::new(model);
    let file = if path.extension().is_some_and(|extension| extension == "toml") {
        ModelFile::read(path)?
    } else if PRESETS.contains(&model) {
        ModelFile::parse(model, preset_file(model)?)?
    } else {
        return Ok(None);
    };
    let narrowed = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Ok(file.pretrained()?.map(|treated| InputDescription {
        size: [treated.size; 2],
        resize: treated.resize,
        background: "white".to_owned(),
        scale: 1.0 / 255.0,
        mean: narrowed(treated.mean),
        std: narrowed(treated.std),
    }))
}
