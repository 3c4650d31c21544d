//! Operators on NumPy's arrays, by name.

use std::cell::Cell;
use std::collections::BTreeMap;

use convscope::ndarray::{ArrayD, ArrayViewD};
use convscope::ops::{Mode, Sample};
use convscope::verify::{self, OperatorCall, Tensor};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::raised_by_operator;
use crate::value::map_from;

/// The names of all operators.
#[pyfunction]
pub(crate) fn operators() -> Vec<&'static str> {
    verify::operators()
}

/// Runs an operator: its results by name, those of the backward pass if there is a gradient by the output.
#[pyfunction]
pub(crate) fn run<'py>(
    py: Python<'py>,
    operator: &str,
    tensors: &Bound<'py, PyDict>,
    arguments: &Bound<'py, PyDict>,
    grad_output: Option<&Bound<'py, PyAny>>,
    training: bool,
    seed: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let mut given = BTreeMap::new();
    for (name, array) in tensors.iter() {
        let name: String = name.extract()?;
        let tensor = tensor(operator, &name, &array)?;
        given.insert(name, tensor);
    }
    let d_output = grad_output.map(|array| floats(operator, "grad_output", array)).transpose()?;
    let call =
        OperatorCall { operator: operator.to_owned(), arguments: map_from(arguments)?, tensors: given };
    let mode = if training { Mode::Training } else { Mode::Inference };
    let sample = Sample { seed, ..Sample::default() };
    let compute = || match &d_output {
        None => call.forward(mode, sample),
        Some(d_output) => call.backward(d_output, mode, sample),
    };
    // The arrays are copies, so nothing that another thread does to the originals can be seen.
    let results = if is_long(&call) { py.detach(compute) } else { compute() };
    keep(call.tensors);
    let found = PyDict::new(py);
    for (name, result) in results.map_err(raised_by_operator)? {
        let array = match result {
            Tensor::F32(array) => PyArrayDyn::from_owned_array(py, array).into_any(),
            Tensor::F64(array) => PyArrayDyn::from_owned_array(py, array).into_any(),
            Tensor::I64(array) => PyArrayDyn::from_owned_array(py, array).into_any(),
        };
        found.set_item(name, array)?;
    }
    Ok(found)
}

/// Multiply-adds above which other threads of the interpreter may run meanwhile: some hundred microseconds.
const LONG: usize = 1 << 22;

/// Whether a call may take more than a few hundred microseconds.
fn is_long(call: &OperatorCall) -> bool {
    let elements: usize = call.tensors.values().map(|tensor| tensor.shape().iter().product::<usize>()).sum();
    // What each value of the input meets: a kernel, or the columns of a matrix.
    let meets = ["weight", "other"].iter().filter_map(|name| call.tensors.get(*name)).map(|tensor| {
        let shape = tensor.shape();
        let shortest = shape.iter().take(2).copied().min().unwrap_or(1).max(1);
        shape.iter().product::<usize>() / shortest
    });
    // A value alone takes longer than a product: it is converted, and perhaps its exponential is taken.
    elements.saturating_mul(meets.max().unwrap_or(1).max(8)) > LONG
}

fn tensor(operator: &str, name: &str, array: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    if let Ok(array) = array.extract::<PyReadonlyArrayDyn<'_, i64>>() {
        return Ok(Tensor::I64(copied(array.as_array())));
    }
    floats(operator, name, array).map(Tensor::F32)
}

/// A copy of the values in the order of their axes.
pub(crate) fn floats(operator: &str, name: &str, array: &Bound<'_, PyAny>) -> PyResult<ArrayD<f32>> {
    match array.extract::<PyReadonlyArrayDyn<'_, f32>>() {
        Ok(array) => Ok(copied_again(array.as_array())),
        Err(_) => {
            let found = match array.cast::<PyUntypedArray>() {
                Ok(array) => format!("dtype {}", array.dtype()),
                Err(_) => format!("type {}", array.get_type().name()?),
            };
            Err(PyTypeError::new_err(format!("{operator}: {name} has {found}, must be an array of float32")))
        }
    }
}

/// Bytes of the largest copy that a thread keeps for its next call.
const SPARE: usize = 64 << 20;

thread_local! {
    /// Memory of a copy that is not needed any more: fresh memory of this size costs more than the copy.
    static COPY: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// [`copied`], in the memory of a copy before if there is such.
fn copied_again(array: ArrayViewD<'_, f32>) -> ArrayD<f32> {
    let Some(values) = array.as_slice().filter(|values| values.len() >= 1 << 16) else {
        return copied(array);
    };
    let mut copy = COPY.take();
    copy.clear();
    copy.extend_from_slice(values);
    ArrayD::from_shape_vec(array.raw_dim(), copy).expect("a value for each place")
}

/// Keeps the memory of the largest copy.
fn keep(tensors: BTreeMap<String, Tensor>) {
    let copies = tensors.into_values().filter_map(|tensor| match tensor {
        Tensor::F32(array) => Some(array.into_raw_vec_and_offset().0),
        _ => None,
    });
    let largest = copies.chain([COPY.take()]).max_by_key(Vec::capacity);
    COPY.set(largest.filter(|copy| copy.capacity() * size_of::<f32>() <= SPARE).unwrap_or_default());
}

/// A copy in the order of the axes. NumPy's arrays without elements have strides that `ndarray` does not expect.
fn copied<T: Copy>(array: ArrayViewD<'_, T>) -> ArrayD<T> {
    if array.is_empty() {
        return ArrayD::from_shape_vec(array.raw_dim(), Vec::new()).expect("no elements for no places");
    }
    array.as_standard_layout().into_owned()
}
