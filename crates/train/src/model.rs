//! A trained network, ready to use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{
    Channels, Framing, ImageSize, Loader, Normalization, Order, PixelLimit, Source, Split, decode_image,
};
use convscope_graph::{
    DataDescription, Graph, GraphError, InputDescription, ModelDescription, ModelFile, ModelOptions,
    Predictor, WeightsFile, preset_file,
};
use convscope_kernels::elementwise::softmax;
use convscope_kernels::threads;
use convscope_ops::Precision;
use ndarray::{Array2, Array4, ArrayView4, Axis};
use rayon::prelude::*;

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, evaluate_loader};
use crate::foreign::{describe_trained, is_trained};
use crate::onnx::{self, OnnxUse, describe_onnx, is_onnx};
use crate::run_dir::write_atomic;
pub use crate::trained_weights::{read_weights, weights_path};
use crate::views::Views;

/// The description of a preset (`plain8`), a model file (`net.toml`), an ONNX file or a trained network, changed by `options`, for images of this shape
/// and this many classes.
///
/// # Errors
/// An unknown preset, a file that is not a model or asks for other images, options that do not fit it.
pub fn resolve_model(
    spec: &str,
    input: [usize; 3],
    classes: usize,
    options: &ModelOptions,
) -> Result<ModelDescription, TrainError> {
    if is_onnx(Path::new(spec)) {
        return resolve_onnx(spec, OnnxUse::default(), input, classes, options);
    }
    if is_trained(spec) {
        if !options.is_empty() {
            return Err(TrainError::TrainedOptions { path: spec.into() });
        }
        return describe_trained(Path::new(spec), input, classes);
    }
    Ok(model_file(spec)?.with_options(options).resolve(input, classes)?)
}

/// The network that a configuration names, for images of this shape and this many classes; otherwise as [`resolve_model`].
///
/// # Errors
/// As for [`resolve_model`]; an output that an ONNX file does not have.
pub fn configured_model(
    config: &TrainConfig,
    input: [usize; 3],
    classes: usize,
) -> Result<ModelDescription, TrainError> {
    let TrainConfig { model, channel_order, output, model_options, .. } = config;
    if is_onnx(Path::new(model)) {
        let how = OnnxUse { output: output.clone(), channel_order: *channel_order, ..OnnxUse::default() };
        return resolve_onnx(model, how, input, classes, model_options);
    }
    resolve_model(model, input, classes, model_options)
}

fn resolve_onnx(
    spec: &str,
    how: OnnxUse,
    input: [usize; 3],
    classes: usize,
    options: &ModelOptions,
) -> Result<ModelDescription, TrainError> {
    if !options.is_empty() {
        return Err(TrainError::OnnxOptions { path: spec.into() });
    }
    let how = OnnxUse { size: Some([input[1], input[2]]), ..how };
    let model = describe_onnx(Path::new(spec), &how, Some(classes))?;
    match model.image() {
        Some(expected) if expected != input => {
            Err(GraphError::OtherInput { file: spec.to_owned(), expected, found: input }.into())
        }
        _ => Ok(model),
    }
}

/// How many times as wide a model is, changed by `options`, as its file says without `width`.
pub(crate) fn model_width(spec: &str, options: &ModelOptions) -> Result<f64, TrainError> {
    if is_onnx(Path::new(spec)) {
        return Err(TrainError::OnnxOptions { path: spec.into() });
    }
    Ok(model_file(spec)?.with_options(options).width()?)
}

/// The model file at a path that ends in `.toml`, otherwise that of a preset.
fn model_file(spec: &str) -> Result<ModelFile, TrainError> {
    let path = Path::new(spec);
    if path.extension().is_some_and(|extension| extension == "toml") {
        Ok(ModelFile::read(path)?)
    } else {
        Ok(ModelFile::parse(spec, preset_file(spec)?)?)
    }
}

/// The image size that a model file asks for, if any; presets take any size.
///
/// # Errors
/// A model file that cannot be read.
pub fn image_size_of(spec: &str) -> Result<Option<ImageSize>, TrainError> {
    let path = Path::new(spec);
    if is_trained(spec) {
        let [height, width] = read_weights(path)?.input.size;
        return Ok(Some(ImageSize { height, width }));
    }
    if is_onnx(path) {
        let size = onnx::image_size(path)?;
        return Ok(size.map(|[height, width]| ImageSize { height, width }));
    }
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(None);
    }
    let input = ModelFile::read(path)?.input();
    let size = input.map(|[_, height, width]| ImageSize { height, width });
    Ok(size.filter(|size| size.pixels() > 0))
}

/// The size to which images of the size `own` are enlarged for a network that is made for larger ones, as its model file
/// says (see [`ModelFile::smallest_side`]); `own` if they are large enough. The ratio of the sides stays the same.
///
/// # Errors
/// A model file that cannot be read, an unknown preset.
///
/// ```
/// use convscope_data::ImageSize;
/// use convscope_train::model::enlarged_for;
/// let own = ImageSize { height: 32, width: 48 };
/// assert_eq!(enlarged_for("resnet18", own)?, ImageSize { height: 64, width: 96 });
/// assert_eq!(enlarged_for("plain8", own)?, own);
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
pub fn enlarged_for(spec: &str, own: ImageSize) -> Result<ImageSize, TrainError> {
    if is_onnx(Path::new(spec)) || is_trained(spec) {
        return Ok(own);
    }
    let shorter = own.height.min(own.width);
    let Some(smallest) = model_file(spec)?.smallest_side().filter(|&side| side > shorter) else {
        return Ok(own);
    };
    let scaled = |side: usize| side.saturating_mul(smallest).saturating_add(shorter / 2) / shorter;
    Ok(ImageSize { height: scaled(own.height), width: scaled(own.width) })
}

/// How pictures are resized for a network, and their background, from its weights file.
///
/// # Errors
/// [`TrainError::Framing`] for values that this version does not know.
pub fn framing_of(input: &InputDescription) -> Result<Framing, TrainError> {
    let unknown = |value: &str| TrainError::Framing { value: value.to_owned() };
    Ok(Framing {
        resize: input.resize.parse().map_err(|_| unknown(&input.resize))?,
        background: input.background.parse().map_err(|_| unknown(&input.background))?,
    })
}

/// How pixel values are scaled for a network, from its weights file.
pub fn normalization_of(input: &InputDescription) -> Normalization {
    Normalization { mean: input.mean.clone(), std: input.std.clone() }
}

/// A network with its weights, its class names and the preprocessing of its input, all from one weights file.
pub struct TrainedModel {
    weights: WeightsFile,
    framing: Framing,
    normalization: Normalization,
    predictor: Predictor,
    views: Views,
    pixel_limit: PixelLimit,
}

/// A network's prediction for a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The picture's file.
    pub path: PathBuf,
    /// The probability of each class, in the order of [`TrainedModel::classes`].
    pub probabilities: Vec<f32>,
}

impl TrainedModel {
    /// Opens a weights file, or a run directory: its best weights if the run could stop early, otherwise its last.
    /// [`evaluate`](Self::evaluate) and [`predict`](Self::predict) process `batch_size` images at a time.
    ///
    /// # Errors
    /// There are no weights, or the file is damaged.
    pub fn open(run_or_weights_file: &Path, batch_size: usize) -> Result<TrainedModel, TrainError> {
        TrainedModel::new(read_weights(run_or_weights_file)?, batch_size)
    }

    /// The network of a weights file in memory; otherwise as [`open`](Self::open).
    ///
    /// # Errors
    /// A network that does not fit into memory, or preprocessing that this version does not know.
    pub fn new(weights: WeightsFile, batch_size: usize) -> Result<TrainedModel, TrainError> {
        let graph = Arc::new(Graph::new(weights.model.clone())?);
        let mut predictor = Predictor::new(graph, Precision::F32, batch_size)?;
        predictor.load(&weights.parameters);
        let normalization = normalization_of(&weights.input);
        let framing = framing_of(&weights.input)?;
        let (views, pixel_limit) = (Views::None, PixelLimit::default());
        Ok(TrainedModel { weights, framing, normalization, predictor, views, pixel_limit })
    }

    /// The same network, predicting from these views of each image. Default the image alone.
    pub fn with_views(self, views: Views) -> TrainedModel {
        TrainedModel { views, ..self }
    }

    /// The same network, accepting picture files of at most this many pixels. Default 100 million.
    pub fn with_pixel_limit(self, pixel_limit: PixelLimit) -> TrainedModel {
        TrainedModel { pixel_limit, ..self }
    }

    /// The same network, scaling pixel values in this way instead of as its weights file says.
    pub fn with_normalization(mut self, normalization: Normalization) -> TrainedModel {
        let Normalization { mean, std } = normalization.clone();
        (self.weights.input.mean, self.weights.input.std) = (mean, std);
        TrainedModel { normalization, ..self }
    }

    /// The same network with convolution products in this precision. Default `f32`.
    ///
    /// # Errors
    /// The system cannot provide the memory.
    pub fn with_precision(self, precision: Precision) -> Result<TrainedModel, TrainError> {
        let (graph, batch) = (Arc::clone(self.predictor.graph()), self.predictor.plan().batch);
        let mut predictor = Predictor::new(graph, precision, batch)?;
        predictor.load(&self.weights.parameters);
        Ok(TrainedModel { predictor, ..self })
    }

    /// Names of the classes, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        &self.weights.classes
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        self.predictor.graph()
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

    /// Loss, accuracy and confusion on a split of a source.
    ///
    /// # Errors
    /// The source has different classes or images of a different size, the split is empty, or an image cannot be read.
    pub fn evaluate(&mut self, source: Arc<dyn Source>, split: Split) -> Result<Evaluation, TrainError> {
        if source.classes() != self.classes() {
            return Err(TrainError::OtherClasses {
                model: convscope_files::listed(self.classes()),
                data: convscope_files::listed(source.classes()),
            });
        }
        threads::in_pool(|| {
            let batch_size = self.batch_size();
            let loader = Loader::new(source, split, batch_size, Order::Sequential, &self.normalization)?;
            evaluate_loader(&mut self.predictor, &loader, split, self.views)
        })
    }

    /// The class probabilities of each picture, in the order of the paths; a picture that cannot be read, or for which an
    /// output is not finite, has its own error in the list.
    pub fn predict(&mut self, images: &[PathBuf]) -> Vec<Result<Prediction, TrainError>> {
        threads::in_pool(|| {
            images.chunks(self.batch_size()).flat_map(|paths| self.predict_batch(paths)).collect()
        })
    }

    /// The class probabilities `[N, classes]` of images `[N, C, H, W]`. Their values must be on the scale of the
    /// training images before normalisation: for a network trained on pictures, red, green and blue from 0 to 1.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use convscope_data::Arrays;
    /// use convscope_train::{Session, TrainConfig};
    /// use ndarray::Array4;
    ///
    /// // Bright and dark images.
    /// let images = Array4::from_shape_fn([40, 1, 8, 8], |(n, _, y, x)| (n % 2 * 5 + (y + x) % 3) as f32);
    /// let data = Arrays::new(images.clone(), (0..40).map(|n| n % 2).collect())?;
    /// let config = TrainConfig { epochs: 5, batch_size: 8, lr: 0.01, ..TrainConfig::default() };
    /// let mut session = Session::new(config, Arc::new(data))?;
    /// session.train()?;
    /// let probabilities = session.model()?.predict_images(images.view())?;
    /// assert!(probabilities[[0, 0]] > 0.5 && probabilities[[1, 1]] > 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::OtherShape`].
    pub fn predict_images(&mut self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, TrainError> {
        let (count, channels, height, width) = images.dim();
        let (expected, found) = (self.graph().image(), [channels, height, width]);
        if expected != found {
            return Err(TrainError::OtherShape { expected, found });
        }
        threads::in_pool(|| {
            let classes = self.classes().len();
            let mut probabilities = Array2::zeros((count, classes));
            let batches = images.axis_chunks_iter(Axis(0), self.batch_size());
            for (mut batch, mut rows) in batches
                .map(|batch| batch.to_owned())
                .zip(probabilities.axis_chunks_iter_mut(Axis(0), self.batch_size()))
            {
                for mut image in batch.outer_iter_mut() {
                    self.normalization.apply_f32(image.as_slice_mut().expect("a copy is contiguous"))?;
                }
                rows.assign(&self.views.logits(&mut self.predictor, batch.view())?);
            }
            softmax(probabilities.as_slice_mut().expect("a new array is contiguous"), classes);
            Ok(probabilities)
        })
    }

    /// Writes the network with its weights, class names and preprocessing to a file that [`open`](Self::open) and
    /// PyTorch can read.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let bytes = self.weights.to_bytes();
        write_atomic(path, |file| file.write_all(&bytes))
    }

    /// The weights file.
    pub fn weights(&self) -> &WeightsFile {
        &self.weights
    }

    /// Images that are processed together.
    fn batch_size(&self) -> usize {
        self.predictor.plan().batch
    }

    fn predict_batch(&mut self, paths: &[PathBuf]) -> Vec<Result<Prediction, TrainError>> {
        let decoded: Vec<Result<Vec<f32>, TrainError>> =
            paths.par_iter().map(|path| self.planes(path)).collect();
        let readable: Vec<&[f32]> = decoded.iter().flatten().map(Vec::as_slice).collect();
        let mut rows = self.probabilities(&readable).into_iter();
        let prediction = |(planes, path): (Result<Vec<f32>, TrainError>, &PathBuf)| {
            planes?;
            let probabilities = rows.next().flatten();
            let probabilities = probabilities.ok_or_else(|| TrainError::NotFinite { path: path.clone() })?;
            Ok(Prediction { path: path.clone(), probabilities })
        };
        decoded.into_iter().zip(paths).map(prediction).collect()
    }

    /// The normalised picture, `[3, height, width]`.
    fn planes(&self, path: &Path) -> Result<Vec<f32>, TrainError> {
        let count = self.normalization.channels();
        let channels = Channels::try_from(count).ok().filter(|_| self.weights.input.scale != 1.0);
        let channels = channels.ok_or(TrainError::NotOfPictures { channels: count })?;
        let rgb = decode_image(path, self.image_size(), self.framing, self.pixel_limit)?;
        let pixels = channels.of_rgb(rgb);
        let mut planes = vec![0.0; pixels.len()];
        self.normalization.apply(&pixels, &mut planes)?;
        Ok(planes)
    }

    /// The class probabilities of each of these pictures; `None` if an output is not finite.
    fn probabilities(&mut self, pictures: &[&[f32]]) -> Vec<Option<Vec<f32>>> {
        if pictures.is_empty() {
            return Vec::new();
        }
        let size = self.image_size();
        let shape = (pictures.len(), self.normalization.channels(), size.height, size.width);
        let planes = Array4::from_shape_vec(shape, pictures.concat()).expect("each picture has this size");
        let logits = self.views.logits(&mut self.predictor, planes.view());
        let logits = logits.expect("the pictures have the network's shape");
        let classes = self.classes().len();
        let probabilities = |logits: &[f32]| {
            let mut probabilities = logits.to_vec();
            softmax(&mut probabilities, classes);
            logits.iter().all(|logit| logit.is_finite()).then_some(probabilities)
        };
        logits.into_raw_vec_and_offset().0.chunks_exact(classes).map(probabilities).collect()
    }
}

#[cfg(test)]
mod tests {
    use convscope_graph::{InputDescription, Parameters, preset};

    use super::*;

    #[test]
    fn pictures_are_asked_together_and_answered_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let model = preset("plain8", [3, 16, 16], 3).unwrap();
        let parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), 4).unwrap();
        let input = InputDescription {
            size: [16, 16],
            resize: "squash".into(),
            background: "white".into(),
            scale: 1.0 / 255.0,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
        };
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        let weights = folder.path().join("w.safetensors");
        std::fs::write(&weights, WeightsFile { model, classes, input, data: None, parameters }.to_bytes())
            .unwrap();
        let paths: Vec<PathBuf> = (0..7)
            .map(|index| {
                let path = folder.path().join(format!("{index}.png"));
                if index == 2 {
                    std::fs::write(&path, "text").unwrap();
                } else {
                    let colour = |x: u32, y: u32| [(x * 9) as u8, (y * 20) as u8, 40 * index as u8];
                    image::RgbImage::from_fn(16, 16, |x, y| image::Rgb(colour(x, y))).save(&path).unwrap();
                }
                path
            })
            .collect();
        let answers = |batch_size: usize| -> Vec<Option<Vec<f32>>> {
            let mut model =
                TrainedModel::open(&weights, batch_size).unwrap().with_precision(Precision::F32).unwrap();
            assert_eq!(model.batch_size(), batch_size);
            let predictions = model.predict(&paths);
            assert_eq!(predictions.len(), 7);
            predictions.into_iter().map(|found| found.ok().map(|found| found.probabilities)).collect()
        };
        let one_by_one = answers(1);
        assert!(one_by_one[2].is_none() && one_by_one[0] != one_by_one[1]);
        assert_eq!(one_by_one.iter().flatten().count(), 6);
        for batch_size in [3, 64] {
            assert_eq!(answers(batch_size), one_by_one, "{batch_size}");
        }
    }
}
