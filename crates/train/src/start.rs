//! The weights that training starts from, if they are not random.

use std::path::Path;

use convscope_graph::{ArraysFile, Graph, GraphError, KeyMap, LoadedArrays, Mismatch, Parameters};

use crate::config::{Freeze, TrainConfig};
use crate::error::TrainError;
use crate::foreign::is_trained;
use crate::onnx::{is_onnx, start_from_onnx};
use crate::trained_weights::weights_path;

/// The weights of a file in the network of a configuration.
pub(crate) struct Start {
    pub(crate) parameters: Parameters,
    /// Keys of the file that the network has no array for.
    pub(crate) surplus: Vec<String>,
    /// Keys of the network that keep their initial values.
    pub(crate) kept: Vec<String>,
    /// Whether these belong to the classifier.
    pub(crate) is_new_head: bool,
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
        let (parameters, kept) = start_from_onnx(path, config.output.as_deref(), graph, config.seed)?;
        let is_new_head = are_of_head(graph, &kept);
        Ok(Some(Start { parameters, surplus: Vec::new(), kept, is_new_head }))
    }

    /// The weights that the configuration names, or none.
    ///
    /// # Errors
    /// A file or map that cannot be read, arrays that are not those of the network.
    pub(crate) fn of_weights(config: &TrainConfig, graph: &Graph) -> Result<Option<Start>, TrainError> {
        let trained = Some(&config.model).filter(|model| is_trained(model));
        let Some(weights) = config.weights.as_ref().or(trained) else { return Ok(None) };
        let names = match &config.weights_map {
            Some(path) => key_map(Path::new(path))?,
            None => KeyMap::default(),
        };
        let file = ArraysFile::read(&weights_path(Path::new(weights))?)?;
        let loaded = if config.weights_partial {
            file.load_part(graph, &names, &Parameters::new(graph, config.seed)?)?
        } else {
            match file.load(graph, &names) {
                // A classifier of other classes starts anew.
                Err(GraphError::Mismatch { mismatch, .. }) if is_of_head(graph, &mismatch) => {
                    file.load_part(graph, &names, &Parameters::new(graph, config.seed)?)?
                }
                loaded => loaded?,
            }
        };
        let is_new_head = are_of_head(graph, &loaded.kept);
        let LoadedArrays { parameters, surplus, kept } = loaded;
        Ok(Some(Start { parameters, surplus, kept, is_new_head }))
    }
}

/// Whether only arrays of the classifier do not fit.
fn is_of_head(graph: &Graph, mismatch: &Mismatch) -> bool {
    are_of_head(graph, mismatch.missing.iter().chain(mismatch.shapes.iter().map(|(key, ..)| key)))
}

/// Whether these keys belong to the classifier.
fn are_of_head<'a>(graph: &Graph, keys: impl IntoIterator<Item = &'a String>) -> bool {
    let Ok(Some(divided)) = Freeze::AllButHead.divide(graph) else { return false };
    let nodes = divided.head.nodes();
    let is_of_head = |key: &String| {
        nodes.iter().any(|node| key.strip_prefix(&node.name).is_some_and(|rest| rest.starts_with('.')))
    };
    keys.into_iter().all(is_of_head)
}

/// The names in a file of lines `ours = theirs`.
///
/// # Errors
/// The file cannot be read, or a line makes no sense.
pub fn key_map(path: &Path) -> Result<KeyMap, TrainError> {
    let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
    KeyMap::parse(&text).map_err(|problem| TrainError::KeyMap { path: path.to_owned(), problem })
}
