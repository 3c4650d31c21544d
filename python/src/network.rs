//! Networks as descriptions.

use std::path::Path;

use convscope::graph::{Graph, ModelDescription, ModelFile, ModelOptions, ModelSummary};
use convscope::train::resolve_model;
use pyo3::prelude::*;

use crate::error::raised;
use crate::value::plain;

/// A network as it is described: its nodes, without weights.
#[pyclass(frozen)]
pub(crate) struct Network {
    pub(crate) description: ModelDescription,
}

#[pymethods]
impl Network {
    /// From the text of a model file, for images of this shape and as many classes, where the text leaves them open.
    #[staticmethod]
    fn parse(name: &str, text: &str, input: Option<[usize; 3]>, classes: usize) -> PyResult<Network> {
        let file = ModelFile::parse(name, text).map_err(raised)?;
        let input = input.or(file.input()).unwrap_or([3, 32, 32]);
        Network::checked(file.resolve(input, classes).map_err(raised)?)
    }

    /// A preset, a model file or an ONNX file.
    #[staticmethod]
    fn named(spec: &str, input: Option<[usize; 3]>, classes: usize) -> PyResult<Network> {
        let input = match input {
            Some(input) => input,
            None if spec.ends_with(".toml") => {
                ModelFile::read(Path::new(spec)).map_err(raised)?.input().unwrap_or([3, 32, 32])
            }
            None => [3, 32, 32],
        };
        Network::checked(resolve_model(spec, input, classes, &ModelOptions::default()).map_err(raised)?)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.description.name
    }

    /// The text of its model file.
    fn to_toml(&self) -> String {
        self.description.to_toml()
    }

    /// Its layers with shapes and sizes.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let graph = Graph::new(self.description.clone()).map_err(raised)?;
        plain(py, &ModelSummary::new(&graph))
    }
}

impl Network {
    fn checked(description: ModelDescription) -> PyResult<Network> {
        Graph::new(description.clone()).map_err(raised)?;
        Ok(Network { description })
    }
}
