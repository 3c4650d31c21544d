//! Python's values as JSON's.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString, PyTuple};
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
