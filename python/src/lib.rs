//! The Python package `convscope`: operators, training and looking inside, on NumPy's arrays.
//!
//! This crate has what needs Rust; names, defaults and documentation are those of the Python modules beside it. A call
//! copies what it takes from arrays before it lets other threads of the interpreter run, and locks nothing of its own
//! while it holds the interpreter.

mod command;
mod error;
mod images;
mod look;
mod model;
mod network;
mod operators;
mod settings;
mod tables;
mod training;
mod value;

use pyo3::prelude::*;

#[pymodule(name = "_convscope")]
mod extension {
    use convscope_kernels::Isa;
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::command::command_line;
    #[pymodule_export]
    use crate::images::Images;
    #[pymodule_export]
    use crate::look::{course_findings, feature_maps, heat_map, report, survey};
    #[pymodule_export]
    use crate::model::{History, Model};
    #[pymodule_export]
    use crate::network::Network;
    #[pymodule_export]
    use crate::operators::{operators, run};
    #[pymodule_export]
    use crate::settings::settings_text;
    #[pymodule_export]
    use crate::training::train;
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// Chooses the instructions before anyone can fork: a child would wait for a thread that was in the middle of it.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        // A wrong name in the environment would otherwise be ignored silently.
        Isa::asked().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Isa::best();
        Ok(())
    }
}
