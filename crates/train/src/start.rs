//! The weights that training starts from, if they are not random.

use std::path::Path;

use convscope_graph::{ArraysFile, Graph, KeyMap, Parameters};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::model::weights_path;
use crate::onnx::{is_onnx, start_from_onnx};

/// The weights of a file in the network of a configuration.
pub(crate) struct Start {
    pub(crate) parameters: Parameters,
    /// Keys of the file that the network has no array for.
    pub(crate) surplus: Vec<String>,
    /// Keys of the network that keep their initial values.
    pub(crate) kept: Vec<String>,
}

impl Start {
    /// The weights that the configuration names, otherwise those of its ONNX file, or none.
    ///
    /// # Errors
    /// As for [`of_weights`](Self::of_weights); an ONNX file that cannot be read.
    pub(crate) fn open(config: &TrainConfig, graph: &Graph) -> Result<Option<Start>, TrainError> {
        let path = Path::new(&config.model);
        if config.weights.is_some() || !is_onnx(path) {
            return Start::of_weights(config, graph);
        }
        let parameters = start_from_onnx(path, config.output.as_deref(), graph, config.seed)?;
        Ok(Some(Start { parameters, surplus: Vec::new(), kept: Vec::new() }))
    }

    /// The weights that the configuration names, or none.
    ///
    /// # Errors
    /// A file or map that cannot be read, arrays that are not those of the network.
    pub(crate) fn of_weights(config: &TrainConfig, graph: &Graph) -> Result<Option<Start>, TrainError> {
        let Some(weights) = &config.weights else { return Ok(None) };
        let names = match &config.weights_map {
            Some(path) => key_map(Path::new(path))?,
            None => KeyMap::default(),
        };
        let file = ArraysFile::read(&weights_path(Path::new(weights))?)?;
        let loaded = if config.weights_partial {
            file.load_part(graph, &names, &Parameters::new(graph, config.seed)?)?
        } else {
            file.load(graph, &names)?
        };
        Ok(Some(Start { parameters: loaded.parameters, surplus: loaded.surplus, kept: loaded.kept }))
    }
}

/// The names in a file of lines `ours = theirs`.
///
/// # Errors
/// The file cannot be read, or a line makes no sense.
pub fn key_map(path: &Path) -> Result<KeyMap, TrainError> {
    let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
    KeyMap::parse(&text).map_err(|problem| TrainError::KeyMap { path: path.to_owned(), problem })
}
