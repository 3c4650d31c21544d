//! Trained networks: predictions, what happens inside them, and files for other programs.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use convscope::data::{Normalization, Normalize, Resize};
use convscope::graph::{Executor, Graph, Observation, Observer, WeightsFile};
use convscope::inspect::Inspector;
use convscope::ndarray::{Array4, ArrayD, ArrayView4, Axis, IxDyn};
use convscope::ops::{Mode, Role};
use convscope::train::metrics::EpochMetrics;
use convscope::train::model::{normalization_of, read_weights};
use convscope::train::onnx::{ChannelOrder, InputTreatment, OnnxUse, read_onnx};
use convscope::train::run_dir::{Summary, read_layer_metrics, read_metrics};
use convscope::train::{Ending, Evaluation, LayerMetrics, RunDir, TrainConfig, TrainedModel};
use convscope_kernels::layout;
use convscope_kernels::threads::in_pool;
use convscope_onnx::OnnxFile;
use convscope_onnx::export::{ExportOptions, export};
use numpy::{PyArray2, PyArrayDyn, PyReadonlyArray4};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::raised;
use crate::images::{Images, split_of};
use crate::network::Network;
use crate::tables;
use crate::value::plain;

/// Images that are predicted together.
const BATCH: usize = 32;

/// A network with its weights, class names and the preparation of its images.
#[pyclass(frozen)]
pub(crate) struct Model {
    weights: WeightsFile,
    /// The process that made it.
    process: u32,
    tools: Mutex<Tools>,
}

/// What is made from the weights when it is first needed.
#[derive(Default)]
struct Tools {
    trained: Option<TrainedModel>,
    inspector: Option<Inspector>,
}

#[pymethods]
impl Model {
    /// From a run directory, a weights file or an ONNX file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Model> {
        py.detach(|| read_weights(&path)).map(Model::new).map_err(raised)
    }

    /// From an ONNX file, which may not say how its images are prepared.
    #[staticmethod]
    #[pyo3(signature = (path, *, size=None, output=None, classes=None, normalize=None, mean=None, std=None, resize=None, bgr=false))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments")]
    fn of_onnx(
        py: Python<'_>,
        path: PathBuf,
        size: Option<[usize; 2]>,
        output: Option<String>,
        classes: Option<Vec<String>>,
        normalize: Option<&str>,
        mean: Option<Vec<f32>>,
        std: Option<Vec<f32>>,
        resize: Option<&str>,
        bgr: bool,
    ) -> PyResult<Model> {
        let is_given = normalize.is_some() || mean.is_some() || std.is_some() || resize.is_some();
        let treatment = if is_given {
            let [channels, ..] = OnnxFile::read(&path).and_then(|file| file.image()).map_err(raised)?;
            Some(treatment(channels.unwrap_or(3), normalize, mean, std, resize)?)
        } else {
            None
        };
        let channel_order = if bgr { ChannelOrder::Bgr } else { ChannelOrder::Rgb };
        let how = OnnxUse { size, output, classes, treatment, channel_order };
        py.detach(|| read_onnx(&path, &how)).map(Model::new).map_err(raised)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.weights.model.name
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.weights.classes.clone()
    }

    /// Channels, rows, columns of its images.
    #[getter]
    fn shape(&self) -> Option<[usize; 3]> {
        self.weights.model.image()
    }

    /// Whether its images are bytes.
    #[getter]
    fn takes_bytes(&self) -> bool {
        self.weights.input.scale != 1.0
    }

    /// Its description.
    fn network(&self) -> Network {
        Network { description: self.weights.model.clone() }
    }

    /// The probabilities `[N, classes]` of images `[N, C, H, W]`.
    fn predict_images<'py>(
        &self,
        py: Python<'py>,
        images: PyReadonlyArray4<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let images = images.as_array().to_owned();
        let found = self.trained(py, |model| model.predict_images(images.view()))?.map_err(raised)?;
        Ok(PyArray2::from_owned_array(py, found))
    }

    /// The probabilities of each picture file.
    fn predict_files(&self, py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<Vec<f32>>> {
        let found = self.trained(py, |model| model.predict(&paths))?;
        found.into_iter().map(|found| Ok(found.map_err(raised)?.probabilities)).collect()
    }

    /// Loss, accuracy and confusion on a split.
    fn evaluate<'py>(&self, py: Python<'py>, images: &Images, split: &str) -> PyResult<Bound<'py, PyDict>> {
        let (source, split) = (Arc::clone(&images.source), split_of(split)?);
        let found = self.trained(py, |model| model.evaluate(source, split))?.map_err(raised)?;
        tables::evaluation(py, &found)
    }

    /// What a layer computes for images `[N, C, H, W]`: an array `[N, ...]`.
    fn activations<'py>(
        &self,
        py: Python<'py>,
        images: PyReadonlyArray4<'py, f32>,
        layer: &str,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let images = images.as_array().to_owned();
        let found = py.detach(|| in_pool(|| self.values_of(images, layer)))?;
        Ok(PyArrayDyn::from_owned_array(py, found))
    }

    /// Its arrays by PyTorch's keys.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for tensor in self.weights.parameters.tensors() {
            if tensor.role == Role::BatchesTracked {
                let count = ArrayD::from_elem(IxDyn(&[]), tensor.batches as i64);
                dict.set_item(&tensor.key, PyArrayDyn::from_owned_array(py, count))?;
            } else {
                dict.set_item(&tensor.key, PyArrayDyn::from_owned_array(py, tensor.values.clone()))?;
            }
        }
        Ok(dict)
    }

    /// Writes an ONNX file.
    fn export_onnx(&self, py: Python<'_>, path: PathBuf, normalization: bool, softmax: bool) -> PyResult<()> {
        let bytes =
            py.detach(|| export(&self.weights, ExportOptions { normalization, softmax })).map_err(raised)?;
        write(&path, &bytes)
    }

    /// Writes a weights file, which PyTorch can read.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write(&path, &self.weights.to_bytes())
    }
}

impl Model {
    pub(crate) fn new(weights: WeightsFile) -> Model {
        Model { weights, process: process::id(), tools: Mutex::default() }
    }

    /// Predicts.
    fn trained<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut TrainedModel) -> R + Send) -> PyResult<R> {
        self.with_tools(py, |tools| {
            let trained = match tools.trained.take() {
                Some(trained) => trained,
                None => TrainedModel::new(self.weights.clone(), BATCH).map_err(raised)?,
            };
            Ok(f(tools.trained.insert(trained)))
        })
    }

    /// Looks inside.
    pub(crate) fn inspected<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Inspector) -> R + Send,
    ) -> PyResult<R> {
        self.with_tools(py, |tools| {
            let inspector = match tools.inspector.take() {
                Some(inspector) => inspector,
                None => Inspector::new(self.weights.clone()).map_err(raised)?,
            };
            Ok(f(tools.inspector.insert(inspector)))
        })
    }

    /// The lock is taken before work is spread, so that no worker waits for it. A forked process cannot know whether it
    /// is free, and makes what it needs anew.
    fn with_tools<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Tools) -> PyResult<R> + Send,
    ) -> PyResult<R> {
        py.detach(|| {
            if process::id() != self.process {
                return in_pool(|| f(&mut Tools::default()));
            }
            let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
            let tools = &mut *tools;
            in_pool(|| f(tools))
        })
    }

    fn values_of(&self, mut images: Array4<f32>, layer: &str) -> PyResult<ArrayD<f32>> {
        let graph = Arc::new(Graph::new(self.weights.model.clone()).map_err(raised)?);
        let (_, channels, height, width) = images.dim();
        if graph.image() != [channels, height, width] {
            let (expected, found) = (graph.image(), [channels, height, width]);
            let problem = format!("the images have the shape {found:?}, the network takes {expected:?}");
            return Err(PyValueError::new_err(problem));
        }
        let Some(node) = graph.nodes().iter().position(|node| node.name == layer) else {
            let names: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
            let problem = format!("no layer is called {layer}; there are {}", names.join(", "));
            return Err(PyValueError::new_err(problem));
        };
        let normalization = normalization_of(&self.weights.input);
        for mut image in images.outer_iter_mut() {
            normalization.apply_f32(image.as_slice_mut().expect("a copy is contiguous")).map_err(raised)?;
        }
        let shape = graph.nodes()[node].shape;
        let count = images.len_of(Axis(0));
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, BATCH).map_err(raised)?;
        executor.load(&self.weights.parameters);
        let kept = Kept { node, first: 0, values: Mutex::new(vec![0.0; count * shape.len()]) };
        let mut kept = kept;
        for batch in images.axis_chunks_iter(Axis(0), BATCH) {
            let view: ArrayView4<'_, f32> = batch;
            executor.logits(view, Some(&kept)).map_err(raised)?;
            kept.first += view.len_of(Axis(0));
        }
        let values = kept.values.into_inner().unwrap_or_else(PoisonError::into_inner);
        let axes = [&[count], shape.axes()].concat();
        Ok(ArrayD::from_shape_vec(IxDyn(&axes), values).expect("a value for each element"))
    }
}

/// Keeps the values of one node.
struct Kept {
    node: usize,
    /// Images before this batch.
    first: usize,
    values: Mutex<Vec<f32>>,
}

impl Observer for Kept {
    fn observe(&self, seen: &Observation<'_>) {
        if seen.node != self.node {
            return;
        }
        let len = seen.shape.len();
        let place = (self.first + seen.first_image) * len;
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let target = &mut values[place..place + seen.images * len];
        layout::to_planes(&seen.values[..seen.images * len], seen.shape.channels(), len, target);
    }
}

/// The course of a training.
#[pyclass(frozen)]
pub(crate) struct History {
    pub(crate) config: TrainConfig,
    pub(crate) metrics: Vec<EpochMetrics>,
    pub(crate) layers: Vec<LayerMetrics>,
    /// None of a run that is not over.
    pub(crate) summary: Option<Summary>,
    pub(crate) ending: Option<Ending>,
    pub(crate) val: Option<Evaluation>,
    pub(crate) test: Option<Evaluation>,
}

#[pymethods]
impl History {
    /// That of a run directory.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<History> {
        let read = || {
            let run = RunDir::open(&path)?;
            let has = |path: &Path| path.is_file();
            let metrics = run.metrics_path();
            let layers = run.layer_metrics_path();
            let summary = run.summary_path();
            Ok(History {
                config: run.config()?,
                metrics: if has(&metrics) { read_metrics(&metrics)? } else { Vec::new() },
                layers: if has(&layers) { read_layer_metrics(&layers)? } else { Vec::new() },
                summary: if has(&summary) { Some(Summary::read(&summary)?) } else { None },
                ending: None,
                val: None,
                test: None,
            })
        };
        read().map_err(|error: convscope::train::TrainError| raised(error))
    }

    /// A line for each epoch.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        tables::metrics(py, &self.metrics)
    }

    /// A line for each layer in each epoch.
    fn layer_metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        tables::layer_metrics(py, &self.layers)
    }

    /// The figures at the end.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.summary)
    }

    /// `completed`, `stopped_early` or `interrupted`.
    #[getter]
    fn ending(&self) -> &'static str {
        match self.ending {
            Some(Ending::Interrupted) => "interrupted",
            Some(Ending::StoppedEarly) => "stopped_early",
            Some(Ending::Completed) => "completed",
            None if self.summary.is_some() => "completed",
            None => "interrupted",
        }
    }

    /// The text of its configuration file.
    fn config(&self) -> PyResult<String> {
        self.config.to_toml().map_err(raised)
    }

    /// The evaluation at the end on `val` or `test`.
    fn evaluation<'py>(&self, py: Python<'py>, split: &str) -> PyResult<Option<Bound<'py, PyDict>>> {
        let found = if split == "test" { &self.test } else { &self.val };
        found.as_ref().map(|found| tables::evaluation(py, found)).transpose()
    }
}

/// How pictures of so many channels are prepared; what is not said is left as it is.
fn treatment(
    channels: usize,
    normalize: Option<&str>,
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
    resize: Option<&str>,
) -> PyResult<InputTreatment> {
    let fixed = match normalize {
        None => None,
        Some(_) if mean.is_some() || std.is_some() => {
            return Err(PyValueError::new_err(
                "normalize is given, and mean or std too; one of them is enough",
            ));
        }
        Some("unit") => Normalize::Unit.fixed(channels),
        Some("imagenet") => Normalize::Imagenet.fixed(channels),
        Some("tf") => Normalize::Tf.fixed(channels),
        Some(other) => {
            return Err(PyValueError::new_err(format!("normalize is {other}, must be unit, imagenet or tf")));
        }
    };
    let numbers = |name: &str, given: Option<Vec<f32>>, otherwise: f32| match given {
        None => Ok(vec![otherwise; channels]),
        Some(given) if given.len() == channels && given.iter().all(|value| value.is_finite()) => Ok(given),
        Some(given) => Err(PyValueError::new_err(format!(
            "{name} is {given:?}, must be {channels} finite numbers, one for each channel"
        ))),
    };
    let Normalization { mean, std } = match fixed {
        Some(fixed) => fixed,
        None => Normalization { mean: numbers("mean", mean, 0.0)?, std: numbers("std", std, 1.0)? },
    };
    if std.iter().any(|&std| std <= 0.0) {
        return Err(PyValueError::new_err(format!("std is {std:?}, must be above 0")));
    }
    let resize: Resize = match resize {
        Some(text) => {
            text.parse().map_err(|error| PyValueError::new_err(format!("resize is {text}: {error}")))?
        }
        None => Resize::default(),
    };
    Ok(InputTreatment { resize: resize.to_string(), background: "white".to_owned(), mean, std })
}

fn write(path: &Path, bytes: &[u8]) -> PyResult<()> {
    let written = convscope_files::write_whole(path, |file| std::io::Write::write_all(file, bytes));
    written.map_err(|error| {
        std::io::Error::new(error.kind(), format!("{}: cannot be written: {error}", path.display())).into()
    })
}
