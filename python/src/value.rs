//! Python's values as JSON's and TOML's, and plain results as Python's.

use numpy::PyArray1;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString, PyTuple};
use serde::Serialize;
use serde_json::{Map, Value};

/// A value of plain Python: `None`, booleans, numbers (NumPy's too), strings, lists, tuples, dicts.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(value.is_true().into());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.into());
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return Ok(Value::Object(map_from(dict)?));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| from_python(&item?));
        return Ok(Value::Array(items.collect::<PyResult<_>>()?));
    }
    // `__index__` accepts NumPy's integers and refuses floats.
    if !value.is_instance_of::<PyFloat>()
        && let Ok(whole) = value.extract::<i64>()
    {
        return Ok(whole.into());
    }
    if let Ok(number) = value.extract::<f64>() {
        let finite = serde_json::Number::from_f64(number);
        return finite
            .map(Value::Number)
            .ok_or_else(|| PyValueError::new_err(format!("{number} is not finite")));
    }
    if value.hasattr("__fspath__")? {
        return from_python(&value.call_method0("__fspath__")?);
    }
    let kind = value.get_type().name()?.to_string();
    Err(PyTypeError::new_err(format!("a value of type {kind} is no argument: {}", value.repr()?)))
}

/// A dict with strings as keys.
pub(crate) fn map_from(dict: &Bound<'_, PyDict>) -> PyResult<Map<String, Value>> {
    dict.iter().map(|(key, value)| Ok((key.extract()?, from_python(&value)?))).collect()
}

/// A plain result in Python's values.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into_pyobject(py)?.into_any(),
            None => number.as_f64().unwrap_or(f64::NAN).into_pyobject(py)?.into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let items = items.iter().map(|item| to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// A serializable result in Python's values.
pub(crate) fn plain<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_python(py, &value)
}

/// A table by columns, as pandas and polars take it: arrays of numbers, lists of names.
pub(crate) struct Columns<'py>(Bound<'py, PyDict>);

impl<'py> Columns<'py> {
    pub(crate) fn new(py: Python<'py>) -> Columns<'py> {
        Columns(PyDict::new(py))
    }

    /// A column of numbers; NaN where there is none.
    pub(crate) fn numbers(
        self,
        name: &str,
        values: impl Iterator<Item = Option<f64>>,
    ) -> PyResult<Columns<'py>> {
        let values = values.map(|value| value.unwrap_or(f64::NAN)).collect();
        self.0.set_item(name, PyArray1::from_vec(self.0.py(), values))?;
        Ok(self)
    }

    /// A column of whole numbers.
    pub(crate) fn counts(self, name: &str, values: impl Iterator<Item = u64>) -> PyResult<Columns<'py>> {
        let values = values.map(|value| i64::try_from(value).unwrap_or(i64::MAX)).collect();
        self.0.set_item(name, PyArray1::from_vec(self.0.py(), values))?;
        Ok(self)
    }

    /// A column of anything else.
    pub(crate) fn items<T: IntoPyObject<'py>>(
        self,
        name: &str,
        values: impl ExactSizeIterator<Item = T>,
    ) -> PyResult<Columns<'py>> {
        self.0.set_item(name, PyList::new(self.0.py(), values)?)?;
        Ok(self)
    }

    pub(crate) fn done(self) -> Bound<'py, PyDict> {
        self.0
    }
}
