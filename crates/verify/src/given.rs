//! The inputs of a call, looked up by name and checked for their type.

use crate::{OperatorCall, Tensor, VerifyError};
use convscope_ops::{Mode, Sample, read_arguments};
use ndarray::{Array4, ArrayD, ArrayView, ArrayView1, ArrayView4, ArrayViewD, Axis, Dimension};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A call as seen by an operator.
pub(crate) struct Given<'a> {
    operator: &'static str,
    call: &'a OperatorCall,
    how: How<'a>,
}

/// How an operator is to be run.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    /// Of a layer; the others take it from their argument `training`.
    pub(crate) mode: Mode,
    /// What is drawn at random.
    pub(crate) sample: Sample,
    pub(crate) wanted: Wanted<'a>,
}

/// What is to be computed.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The output.
    Output,
    /// The gradients, from that by the output.
    Gradients(&'a ArrayD<f32>),
    /// Both.
    Both(&'a ArrayD<f32>),
}

impl<'a> Wanted<'a> {
    pub(crate) fn output(self) -> bool {
        !matches!(self, Wanted::Gradients(_))
    }

    /// The gradient with respect to the output, if gradients are wanted.
    pub(crate) fn d_output(self) -> Option<&'a ArrayD<f32>> {
        match self {
            Wanted::Output => None,
            Wanted::Gradients(d_output) | Wanted::Both(d_output) => Some(d_output),
        }
    }
}

/// Images, and whether the call gave a single one without its batch axis.
pub(crate) struct Images<'a> {
    pub(crate) array: ArrayView4<'a, f32>,
    pub(crate) is_single: bool,
}

impl Images<'_> {
    /// An array of images in the form of the call: without the batch axis if the call had none.
    pub(crate) fn like<T: Clone>(&self, array: Array4<T>) -> ArrayD<T> {
        if self.is_single { array.index_axis_move(Axis(0), 0).into_dyn() } else { array.into_dyn() }
    }
}

impl<'a> Given<'a> {
    pub(crate) fn new(operator: &'static str, call: &'a OperatorCall, how: How<'a>) -> Given<'a> {
        Given { operator, call, how }
    }

    /// What is drawn at random.
    pub(crate) fn sample(&self) -> Sample {
        self.how.sample
    }

    /// Whether the output is wanted.
    pub(crate) fn wants_output(&self) -> bool {
        self.how.wanted.output()
    }

    /// The arguments except those in `without`, which the caller handles.
    pub(crate) fn arguments<T: DeserializeOwned>(&self, without: &[&str]) -> Result<T, VerifyError> {
        let given = self.call.arguments.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let given: Map<String, Value> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        read_arguments(given).map_err(|error| VerifyError::arguments(self.operator, &error))
    }

    pub(crate) fn has(&self, tensor: &str) -> bool {
        self.call.tensors.contains_key(tensor)
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<&'a Tensor, VerifyError> {
        self.call.tensors.get(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(crate) fn values(&self, name: &str) -> Result<&'a ArrayD<f32>, VerifyError> {
        match self.tensor(name)? {
            Tensor::F32(array) => Ok(array),
            other => Err(self.wrong(name, format!("has type {}, must have F32", other.dtype()))),
        }
    }

    pub(crate) fn integers(&self, name: &str) -> Result<&'a ArrayD<i64>, VerifyError> {
        match self.tensor(name)? {
            Tensor::I64(array) => Ok(array),
            other => Err(self.wrong(name, format!("has type {}, must have I64", other.dtype()))),
        }
    }

    /// Values with a fixed number of axes.
    pub(crate) fn axes<D: Dimension>(&self, name: &str) -> Result<ArrayView<'a, f32, D>, VerifyError> {
        self.with_axes(name, self.values(name)?.view())
    }

    /// [`Given::axes`] with one axis, if the tensor is given.
    pub(crate) fn vector(&self, name: &str) -> Result<Option<ArrayView1<'a, f32>>, VerifyError> {
        if self.has(name) { self.axes(name).map(Some) } else { Ok(None) }
    }

    /// Images, with or without a batch axis.
    pub(crate) fn images(&self, name: &str) -> Result<Images<'a>, VerifyError> {
        let values = self.values(name)?.view();
        let is_single = values.ndim() == 3;
        let values = if is_single { values.insert_axis(Axis(0)) } else { values };
        Ok(Images { array: self.with_axes(name, values)?, is_single })
    }

    /// The gradient with respect to the output, if gradients are requested.
    pub(crate) fn d_output(&self) -> Option<&'a ArrayD<f32>> {
        self.how.wanted.d_output()
    }

    /// [`Given::d_output`] with a fixed number of axes.
    pub(crate) fn d_axes<D: Dimension>(&self) -> Result<Option<ArrayView<'a, f32, D>>, VerifyError> {
        let d_output = self.d_output().map(|d_output| d_output.view());
        d_output.map(|d_output| self.with_axes("grad_output", d_output)).transpose()
    }

    /// The gradient with respect to an output of images.
    pub(crate) fn d_images(&self, input: &Images<'_>) -> Result<Option<ArrayView4<'a, f32>>, VerifyError> {
        let Some(d_output) = self.d_output().map(|d_output| d_output.view()) else { return Ok(None) };
        let d_output = if input.is_single { d_output.insert_axis(Axis(0)) } else { d_output };
        self.with_axes("grad_output", d_output).map(Some)
    }

    fn with_axes<D: Dimension>(
        &self,
        name: &str,
        values: ArrayViewD<'a, f32>,
    ) -> Result<ArrayView<'a, f32, D>, VerifyError> {
        let shape = values.shape().to_vec();
        values.into_dimensionality().map_err(|_| {
            let axes = D::NDIM.unwrap_or_default();
            self.wrong(name, format!("has shape {shape:?}, must have {axes} axes"))
        })
    }

    fn wrong(&self, tensor: &str, problem: impl Into<String>) -> VerifyError {
        VerifyError::tensor(self.operator, tensor, problem)
    }
}
