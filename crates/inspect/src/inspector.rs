//! A network to inspect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{Channels, Framing, ImageSize, Normalization, PixelLimit, Source};
use convscope_files::listed;
use convscope_graph::{DataDescription, Executor, Graph, Parameters, WeightsFile};
use convscope_kernels::elementwise::softmax;
use convscope_ops::Mode;
use convscope_train::model::{framing_of, normalization_of, read_weights};
use convscope_train::{RunDir, TrainError};

use crate::InspectError;

/// A network with its weights, ready for inspection.
///
/// Work is spread over the rayon pool of the caller; results do not depend on its size.
pub struct Inspector {
    path: Option<PathBuf>,
    weights: WeightsFile,
    normalization: Normalization,
    executor: Executor,
    /// Created on first use.
    attribution: Option<Executor>,
    batch: usize,
    framing: Framing,
    pixel_limit: PixelLimit,
}

/// Most images in a batch.
const LARGEST_BATCH: usize = 256;
/// Most values of a batch's images, unless a single image has more.
const BATCH_VALUES: usize = 1 << 22;

impl Inspector {
    /// Opens a weights file, or a run directory as [`TrainedModel::open`](convscope_train::TrainedModel::open) does.
    /// For a run that is still training, uses the weights of the last finished epoch and changes nothing.
    ///
    /// # Errors
    /// There are no weights, or the file is damaged.
    pub fn open(run_or_weights_file: &Path) -> Result<Inspector, InspectError> {
        let weights = read_weights(run_or_weights_file)?;
        Ok(Inspector::new(weights)?.opened_from(run_or_weights_file))
    }

    /// The same network, known to be that of a run directory or weights file.
    pub fn opened_from(self, run_or_weights_file: &Path) -> Inspector {
        Inspector { path: Some(run_or_weights_file.to_owned()), ..self }
    }

    /// An inspector for these weights.
    ///
    /// # Errors
    /// A description that is not a network.
    pub fn new(weights: WeightsFile) -> Result<Inspector, InspectError> {
        let graph = Arc::new(Graph::new(weights.model.clone())?);
        let input: usize = graph.image().iter().product();
        let batch = (BATCH_VALUES / input).clamp(1, LARGEST_BATCH);
        let mut executor = Executor::new(graph, Mode::Inference, batch)?;
        executor.load(&weights.parameters);
        let normalization = normalization_of(&weights.input);
        let (framing, pixel_limit) = (framing_of(&weights.input)?, PixelLimit::default());
        let (path, attribution) = (None, None);
        Ok(Inspector { path, weights, normalization, executor, attribution, batch, framing, pixel_limit })
    }

    /// The same network, accepting picture files of at most this many pixels. Default 100 million.
    pub fn with_pixel_limit(self, pixel_limit: PixelLimit) -> Inspector {
        Inspector { pixel_limit, ..self }
    }

    /// The same network, scaling pixel values in this way instead of as its weights file says.
    pub fn with_normalization(mut self, normalization: Normalization) -> Inspector {
        let Normalization { mean, std } = normalization.clone();
        (self.weights.input.mean, self.weights.input.std) = (mean, std);
        Inspector { normalization, ..self }
    }

    /// The run directory or weights file it was opened from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The run directory, if it was opened from one.
    pub fn run_dir(&self) -> Option<RunDir> {
        self.path.as_deref().filter(|path| path.is_dir()).and_then(|path| RunDir::open(path).ok())
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        self.executor.graph()
    }

    /// Its weights.
    pub fn parameters(&self) -> &Parameters {
        &self.weights.parameters
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.weights.classes
    }

    /// The weights file's description of the images that the network was trained on.
    pub fn data(&self) -> Option<&DataDescription> {
        self.weights.data.as_ref()
    }

    /// The size that pictures are resized to.
    pub fn image_size(&self) -> ImageSize {
        let [height, width] = self.weights.input.size;
        ImageSize { height, width }
    }

    /// Whether pictures become grey.
    pub fn channels(&self) -> Channels {
        Channels::try_from(self.normalization.channels()).unwrap_or_default()
    }

    /// How pictures are resized, and their background.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    pub(crate) fn pixel_limit(&self) -> PixelLimit {
        self.pixel_limit
    }

    pub(crate) fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    /// Images that are run together.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// An executor for the gradients of one image.
    pub(crate) fn attribution(&mut self) -> Result<&mut Executor, InspectError> {
        let executor = match self.attribution.take() {
            Some(executor) => executor,
            None => {
                let mut executor = Executor::new(Arc::clone(self.executor.graph()), Mode::Attribution, 1)?;
                executor.load(&self.weights.parameters);
                executor
            }
        };
        Ok(self.attribution.insert(executor))
    }

    /// Whether it was trained on bytes, as pictures are, rather than on numbers.
    pub(crate) fn takes_bytes(&self) -> bool {
        self.weights.input.scale != 1.0
    }

    /// Fails if the network was not trained on pictures.
    pub(crate) fn check_takes_pictures(&self) -> Result<(), InspectError> {
        let channels = self.normalization.channels();
        if self.takes_bytes() && Channels::try_from(channels).is_ok() {
            return Ok(());
        }
        Err(TrainError::NotOfPictures { channels }.into())
    }

    /// Fails for data that does not fit the network.
    pub(crate) fn check_source(&self, source: &dyn Source) -> Result<(), InspectError> {
        let (expected, found) = (self.image_size(), source.image_size());
        if expected != found {
            return Err(InspectError::OtherSize { expected: expected.to_string(), found: found.to_string() });
        }
        let (expected, found) = (self.normalization.channels(), source.channels());
        if expected != found {
            let channels = |count: usize| format!("{count} channels");
            return Err(InspectError::OtherSize { expected: channels(expected), found: channels(found) });
        }
        if source.classes() != self.classes() {
            let (model, data) = (listed(self.classes()), listed(source.classes()));
            return Err(InspectError::OtherClasses { model, data });
        }
        Ok(())
    }
}

/// The probabilities for a row of logits.
pub(crate) fn probabilities(logits: &[f32]) -> Vec<f32> {
    let mut probabilities = logits.to_vec();
    softmax(&mut probabilities, logits.len());
    probabilities
}
