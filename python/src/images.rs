//! Data sets: named ones and folders, opened as the command opens them, and arrays.

use std::sync::Arc;

use convscope::data::{Arrays, ImageSize, Pixels, Source, Split};
use convscope::pool;
use convscope::train::RunDir;
use convscope_cli::{Console, open_for, open_recorded};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray4};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::Path;

use crate::error::raised;
use crate::settings::Settings;

/// Images and their classes, in splits.
#[pyclass(frozen)]
pub(crate) struct Images {
    pub(crate) source: Arc<dyn Source>,
    /// Whether they are arrays of the caller's.
    pub(crate) kind: Kind,
}

/// Where images come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Opened,
    Arrays,
}

/// The share of arrays that becomes validation images.
const VAL_FRACTION: f64 = 0.2;

#[pymethods]
impl Images {
    /// Opens what `data` in the settings names.
    #[staticmethod]
    fn open(py: Python<'_>, settings: &Bound<'_, PyDict>) -> PyResult<Images> {
        let config = Settings::of(settings)?.config;
        // Reading starts threads of its own, which a forked process cannot share.
        let pool = pool(config.threads.unwrap_or(0)).map_err(raised)?;
        let source = py.detach(|| pool.install(|| open_for(&config, Console::new(true))));
        Ok(Images { source: source.map_err(raised)?, kind: Kind::Opened })
    }

    /// Opens the images of a run.
    #[staticmethod]
    #[pyo3(signature = (run, data=None))]
    fn of_run(py: Python<'_>, run: &str, data: Option<&str>) -> PyResult<Images> {
        let run = RunDir::open(Path::new(run)).map_err(raised)?;
        let pool = pool(0).map_err(raised)?;
        let source = py.detach(|| pool.install(|| open_recorded(&run, data, Console::new(true))));
        Ok(Images { source: source.map_err(raised)?, kind: Kind::Opened })
    }

    /// Arrays `[N, C, H, W]` of bytes or float32, and labels, by the names of their splits.
    #[staticmethod]
    fn of_arrays(
        splits: &Bound<'_, PyDict>,
        classes: Option<Vec<String>>,
        val_fraction: Option<f64>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Images> {
        let mut parts: [Option<(Pixels, Vec<usize>)>; 3] = Default::default();
        for (name, part) in splits.iter() {
            let name: String = name.extract()?;
            let Some(split) = Split::ALL.into_iter().find(|split| split.name() == name) else {
                return Err(PyValueError::new_err(format!(
                    "data has a split {name}; there are train, val, test"
                )));
            };
            let (images, labels): (Bound<'_, PyAny>, Vec<i64>) = part.extract()?;
            parts[split as usize] = Some((pixels(&images)?, whole(&labels)?));
        }
        let [train, val, test] = parts;
        // Only images to look at may come without any to train on.
        let (first, rest) = match (train, val, test) {
            (Some(train), val, test) => (train, [val, test]),
            (None, ..) => return Err(PyValueError::new_err("data has no split train")),
        };
        let [val, test] = rest;
        let has_validation = val.is_some();
        let largest = [&val, &test].into_iter().flatten().flat_map(|(_, labels)| labels).max().copied();
        let mut source = Arrays::new(first.0, first.1).map_err(raised)?;
        let classes = match (classes, largest) {
            (Some(classes), _) => Some(classes),
            (None, Some(largest)) if largest >= source.classes().len() => {
                Some((0..=largest).map(|class| class.to_string()).collect())
            }
            _ => None,
        };
        if let Some(classes) = classes {
            source = source.with_classes(classes).map_err(raised)?;
        }
        if let Some((images, labels)) = val {
            source = source.with_validation(images, labels).map_err(raised)?;
        }
        if let Some((images, labels)) = test {
            source = source.with_test(images, labels).map_err(raised)?;
        }
        let share = val_fraction.unwrap_or(VAL_FRACTION);
        if !has_validation && share > 0.0 {
            let seed = Settings::of(settings)?.config.data.split_seed.unwrap_or_default();
            source = source.with_validation_share(share, seed).map_err(raised)?;
        }
        Ok(Images { source: Arc::new(source), kind: Kind::Arrays })
    }

    /// What reports call it.
    #[getter]
    fn name(&self) -> &str {
        self.source.name()
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.source.classes().to_vec()
    }

    /// Channels, rows, columns.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        let ImageSize { height, width } = self.source.image_size();
        (self.source.channels(), height, width)
    }

    /// The number of images of a split.
    fn count(&self, split: &str) -> PyResult<usize> {
        Ok(self.source.len(split_of(split)?))
    }

    /// The labels of a split.
    fn labels<'py>(&self, py: Python<'py>, split: &str) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let split = split_of(split)?;
        let label = |index| self.source.label(split, index) as i64;
        Ok(PyArray1::from_iter(py, (0..self.source.len(split)).map(label)))
    }

    /// An image for display, `[H, W, 3]` of bytes.
    fn picture<'py>(&self, py: Python<'py>, split: &str, index: usize) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let split = split_of(split)?;
        if index >= self.source.len(split) {
            let count = self.source.len(split);
            return Err(PyIndexError::new_err(format!(
                "{split} has {count} images, there is no image {index}"
            )));
        }
        let size = self.source.image_size();
        let mut rgb = vec![0; size.bytes()];
        self.source.read_rgb(split, index, &mut rgb).map_err(raised)?;
        PyArray1::from_vec(py, rgb).reshape([size.height, size.width, 3])
    }
}

/// A split by its name.
pub(crate) fn split_of(name: &str) -> PyResult<Split> {
    Split::ALL
        .into_iter()
        .find(|split| split.name() == name)
        .ok_or_else(|| PyValueError::new_err(format!("split is {name}, must be one of train, val, test")))
}

/// A copy of images.
fn pixels(images: &Bound<'_, PyAny>) -> PyResult<Pixels> {
    if let Ok(images) = images.extract::<PyReadonlyArray4<'_, u8>>() {
        return Ok(images.as_array().as_standard_layout().into_owned().into());
    }
    let images: PyReadonlyArray4<'_, f32> = images
        .extract()
        .map_err(|_| PyTypeError::new_err("images must be an array [N, C, H, W] of uint8 or float32"))?;
    Ok(images.as_array().as_standard_layout().into_owned().into())
}

fn whole(labels: &[i64]) -> PyResult<Vec<usize>> {
    let label = |&label: &i64| {
        usize::try_from(label).map_err(|_| PyValueError::new_err(format!("label {label} is negative")))
    };
    labels.iter().map(label).collect()
}
