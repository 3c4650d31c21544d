//! What happens inside a network: its layers over many images, and one image in detail.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope::data::Split;
use convscope::inspect::{
    Choice, Course, ExampleImage, Finding, HeatMap, HeatMapMethod, InspectError, Inspector, Question, Survey,
    SurveyOptions,
};
use convscope::ndarray::Array3;
use convscope::report::heat_map::heat_map_sheet;
use convscope::report::html::{
    CloseupSection, DataOrigin, EvaluationSection, KeyFigure, ReportPage, RunSection, settings,
};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray3};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::raised;
use crate::images::{Images, split_of};
use crate::model::{History, Model};
use crate::tables;

/// An image to look at in detail.
enum Shown {
    Array(Array3<f32>),
    File(PathBuf),
    Of(Split, usize),
}

impl Shown {
    fn of(image: &Bound<'_, PyAny>) -> PyResult<Shown> {
        if let Ok(image) = image.extract::<PyReadonlyArray3<'_, f32>>() {
            return Ok(Shown::Array(image.as_array().to_owned()));
        }
        if image.is_instance_of::<PyString>() {
            return Ok(Shown::File(image.extract()?));
        }
        if let Ok((split, index)) = image.extract::<(String, usize)>() {
            return Ok(Shown::Of(split_of(&split)?, index));
        }
        Err(PyTypeError::new_err(
            "an image must be an array [C, H, W] of float32, a path, or a split and an index",
        ))
    }

    fn example(
        &self,
        inspector: &mut Inspector,
        images: Option<&Images>,
    ) -> Result<ExampleImage, InspectError> {
        let source = images.map(|images| &images.source);
        match self {
            Shown::Array(image) => inspector.example_of("image", image.view()),
            Shown::File(path) => inspector.example(None, &Choice::File(path.clone())),
            &Shown::Of(split, index) => inspector.example(source, &Choice::Index(split, index)),
        }
    }
}

/// The layer table, its meaning, and how well the network does, over a split.
#[pyfunction]
#[pyo3(signature = (model, images, split, limit=None))]
pub(crate) fn survey<'py>(
    py: Python<'py>,
    model: &Model,
    images: &Images,
    split: &str,
    limit: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let survey = model.surveyed(py, images, split_of(split)?, limit)?;
    let found = PyDict::new(py);
    found.set_item("images", survey.images)?;
    found.set_item("loss", survey.loss)?;
    found.set_item("accuracy", survey.accuracy)?;
    found.set_item("confusion", tables::confusion(py, &survey.confusion)?)?;
    found.set_item("layers", tables::layers(py, &survey.layers)?)?;
    found.set_item("channels", tables::channels(py, &survey.layers)?)?;
    found.set_item("findings", tables::findings(py, &survey.findings)?)?;
    Ok(found)
}

/// Each layer's values for an image, `[C, H, W]`.
#[pyfunction]
#[pyo3(signature = (model, image, images=None))]
pub(crate) fn feature_maps<'py>(
    py: Python<'py>,
    model: &Model,
    image: &Bound<'py, PyAny>,
    images: Option<&Images>,
) -> PyResult<Bound<'py, PyDict>> {
    let shown = Shown::of(image)?;
    let maps = model
        .inspected(py, |inspector| {
            let example = shown.example(inspector, images)?;
            inspector.feature_maps(&example)
        })?
        .map_err(raised)?;
    let found = PyDict::new(py);
    for layer in &maps.layers {
        let values = layer.channels.iter().flat_map(|channel| channel.values.iter().copied());
        let array = PyArray1::from_iter(py, values);
        let array = array.reshape([layer.channels.len(), layer.height, layer.width])?;
        found.set_item(&layer.name, array)?;
    }
    Ok(found)
}

/// Where the network looks in an image: `grad_cam`, `saliency` or `occlusion`.
#[pyfunction]
#[pyo3(signature = (model, method, image, target=None, layer=None, images=None))]
pub(crate) fn heat_map<'py>(
    py: Python<'py>,
    model: &Model,
    method: &str,
    image: &Bound<'py, PyAny>,
    target: Option<usize>,
    layer: Option<String>,
    images: Option<&Images>,
) -> PyResult<Bound<'py, PyDict>> {
    let method = match method {
        "grad_cam" => HeatMapMethod::GradCam,
        "saliency" => HeatMapMethod::Saliency,
        "occlusion" => HeatMapMethod::Occlusion,
        other => return Err(PyValueError::new_err(format!("no heat map is called {other}"))),
    };
    let shown = Shown::of(image)?;
    let question = Question { class: target, node: layer };
    let (example, map) = model
        .inspected(py, |inspector| {
            let example = shown.example(inspector, images)?;
            let map = inspector.attention(&example, method, &question)?;
            Ok((example, map))
        })?
        .map_err(|error: InspectError| raised(error))?;
    described(py, &example, &map)
}

/// The page of this network on these images, as HTML.
#[pyfunction]
#[pyo3(signature = (model, images, history=None, split="train", limit=None, title=None))]
pub(crate) fn report(
    py: Python<'_>,
    model: &Model,
    images: &Images,
    history: Option<&History>,
    split: &str,
    limit: Option<usize>,
    title: Option<String>,
) -> PyResult<String> {
    let split = split_of(split)?;
    let survey = model.surveyed(py, images, split, limit)?;
    let source = Arc::clone(&images.source);
    let others = [Split::Test, Split::Val].into_iter().find(|&other| !source.is_empty(other));
    let judged = match others {
        Some(other) if split == Split::Train => Some(model.surveyed(py, images, other, limit)?),
        _ => None,
    };
    let judged = judged.as_ref().unwrap_or(&survey);
    let wrong = judged.mistakes.iter().take(CLOSEUPS).map(|mistake| (judged.split, mistake.index));
    let wrong: Vec<(Split, usize)> = wrong.collect();
    let closeups = model
        .inspected(py, |inspector| {
            let right = inspector.right_images(&*source, CLOSEUPS)?;
            let places = right.into_iter().chain(wrong);
            places.map(|(split, index)| closeup(inspector, images, split, index)).collect::<Result<_, _>>()
        })?
        .map_err(|error: InspectError| raised(error))?;
    let name = file_stem(history.map_or(&judged.model, |history| &history.config.model));
    let mut section = RunSection { name, ..RunSection::default() };
    section.evaluation = Some(EvaluationSection::from_survey(judged));
    section = section.with_survey(&survey);
    section.closeups = closeups;
    if let Some(history) = history {
        section.config = settings(&history.config);
        section.metrics.clone_from(&history.metrics);
        section.layer_metrics.clone_from(&history.layers);
        section.figures = figures(history);
        let mut found = section.findings.take().unwrap_or_default();
        found.extend(course(history, images));
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        section.findings = Some(found);
    }
    let data = file_stem(source.name());
    let page = ReportPage {
        title: title.unwrap_or_else(|| format!("{} on {data}", section.name)),
        subtitle: data,
        origin: if source.is_synthetic() { DataOrigin::Synthetic } else { DataOrigin::Pictures },
        generator: concat!("convscope ", env!("CARGO_PKG_VERSION")).to_owned(),
        runs: vec![section],
        ..ReportPage::default()
    };
    py.detach(|| page.render()).map_err(raised)
}

/// What the course of a training means.
#[pyfunction]
pub(crate) fn course_findings<'py>(
    py: Python<'py>,
    history: &History,
    images: &Images,
) -> PyResult<Bound<'py, PyDict>> {
    tables::findings(py, &course(history, images))
}

/// Images of each kind in a report.
const CLOSEUPS: usize = 4;

impl Model {
    fn surveyed(
        &self,
        py: Python<'_>,
        images: &Images,
        split: Split,
        limit: Option<usize>,
    ) -> PyResult<Survey> {
        let options = SurveyOptions { split, limit, ..SurveyOptions::default() };
        let source = Arc::clone(&images.source);
        self.inspected(py, |inspector| inspector.survey(source, options, &mut |_| ()))?.map_err(raised)
    }
}

fn closeup(
    inspector: &mut Inspector,
    images: &Images,
    split: Split,
    index: usize,
) -> Result<CloseupSection, InspectError> {
    let image = inspector.example(Some(&images.source), &Choice::Index(split, index))?;
    let grad_cams = inspector.grad_cams(&image, image.prediction)?;
    Ok(CloseupSection { maps: inspector.feature_maps(&image)?, heat_maps: Vec::new(), grad_cams })
}

/// Findings about the course of a training.
fn course(history: &History, images: &Images) -> Vec<Finding> {
    let Some(last) = history.metrics.last() else { return Vec::new() };
    let count = |split| images.source.len(split) as u64;
    let summary = history.summary.as_ref();
    let best = summary.and_then(|summary| summary.best_epoch);
    let test =
        summary.and_then(|summary| summary.test_accuracy).map(|accuracy| (accuracy, count(Split::Test)));
    let course = Course {
        metrics: &history.metrics,
        epoch: if history.config.patience.is_some() { best.unwrap_or(last.epoch) } else { last.epoch },
        classes: images.source.classes().len(),
        validation_images: count(Split::Val),
        test: test.filter(|(_, images)| *images > 0),
    };
    course.findings()
}

fn figures(history: &History) -> Vec<KeyFigure> {
    let Some(summary) = &history.summary else { return Vec::new() };
    let shares = [
        ("test accuracy", summary.test_accuracy),
        ("validation accuracy", summary.val_accuracy),
        ("training accuracy", summary.train_accuracy),
    ];
    let shares = shares.into_iter().filter_map(|(label, share)| Some(KeyFigure::percent(label, share?)));
    shares
        .chain([
            KeyFigure::count("parameters", summary.parameters),
            KeyFigure::count("epochs", summary.epochs),
        ])
        .collect()
}

/// The last part of a path, without its extension.
fn file_stem(name: &str) -> String {
    Path::new(name).file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn described<'py>(py: Python<'py>, image: &ExampleImage, map: &HeatMap) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    let values = PyArray1::from_slice(py, &map.values).reshape([map.height, map.width])?;
    found.set_item("values", values)?;
    found.set_item("layer", map.node.clone())?;
    found.set_item("target", map.class)?;
    found.set_item("class_name", &map.class_name)?;
    found.set_item("prediction", &image.classes[image.prediction])?;
    found.set_item("probability", image.probabilities[image.prediction])?;
    let picture = PyArray1::from_slice(py, &image.rgb).reshape([image.height, image.width, 3])?;
    let picture: Bound<'py, PyArray3<u8>> = picture;
    found.set_item("picture", picture)?;
    let sheet = heat_map_sheet(image, std::slice::from_ref(map)).map_err(raised)?;
    let size = [sheet.height() as usize, sheet.width() as usize, 3];
    found.set_item("sheet", PyArray1::from_vec(py, sheet.into_raw()).reshape(size)?)?;
    Ok(found)
}
