//! A network that is looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{Source, Split};
use convscope_graph::{Graph, WeightsFile};

use crate::attention::{HeatMap, HeatMapMethod};
use crate::{FeatureMaps, InspectError, Survey, SurveyOptions, SurveyProgress};

/// Which image to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first image of the split (the first split that has images, of test, val, train) that the network gets
    /// right; the very first where it gets none right.
    #[default]
    CorrectlyClassified,
    /// The image at this position of a split.
    Index(Split, usize),
    /// A picture file, resized to the network's input.
    File(PathBuf),
}

/// A network with its weights, ready to be looked at.
pub struct Inspector {
    weights: WeightsFile,
    graph: Arc<Graph>,
}

impl Inspector {
    /// Opens a weights file, or a run directory as [`TrainedModel::open`](convscope_train::TrainedModel::open) does.
    /// Reading a run that is still training takes the weights of its last finished epoch and changes nothing.
    ///
    /// # Errors
    /// There are no weights, or the file is damaged.
    pub fn open(run_or_weights_file: &Path) -> Result<Inspector, InspectError> {
        let weights = WeightsFile::read(run_or_weights_file)?;
        Inspector::new(weights)
    }

    /// Looks at these weights.
    ///
    /// # Errors
    /// A description that is no network.
    pub fn new(weights: WeightsFile) -> Result<Inspector, InspectError> {
        let graph = Arc::new(Graph::new(weights.model.clone())?);
        Ok(Inspector { weights, graph })
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.weights.classes
    }

    /// Walks over a split once, in fixed memory, and gathers the layer table, the accuracy and the worst mistakes.
    ///
    /// # Errors
    /// Data of another size or with other classes, an empty split, an image that cannot be read.
    pub fn survey(
        &mut self,
        _source: Arc<dyn Source>,
        _options: SurveyOptions,
        _progress: &mut dyn FnMut(SurveyProgress),
    ) -> Result<Survey, InspectError> {
        Err(InspectError::NoPictures)
    }

    /// Every node's channels for one image. `source` is needed for all choices but a file.
    ///
    /// # Errors
    /// An image that does not exist or cannot be read.
    pub fn feature_maps(
        &mut self,
        _source: Option<&Arc<dyn Source>>,
        _choice: &Choice,
    ) -> Result<FeatureMaps, InspectError> {
        Err(InspectError::NoPictures)
    }

    /// Where the network looks in one image, for a class (default: the most probable one). Grad-CAM looks at `node`
    /// (default: the last convolution).
    ///
    /// # Errors
    /// An image, class or node that does not exist; a node without rows and columns.
    pub fn attention(
        &mut self,
        _image: &crate::ExampleImage,
        _method: HeatMapMethod,
        _class: Option<usize>,
        _node: Option<&str>,
    ) -> Result<HeatMap, InspectError> {
        Err(InspectError::NoPictures)
    }

    /// Writes every node's values for the first `images` images of a split to `activations.npz` in `folder`, one
    /// float32 array `[N, C, H, W]` or `[N, F]` under each node's name, with `input` and `labels`; returns the file.
    ///
    /// # Errors
    /// As [`Inspector::survey`]; a folder that cannot be written to.
    pub fn export_activations(
        &mut self,
        _source: &Arc<dyn Source>,
        _split: Split,
        _images: usize,
        _folder: &Path,
    ) -> Result<PathBuf, InspectError> {
        Err(InspectError::NoPictures)
    }
}
