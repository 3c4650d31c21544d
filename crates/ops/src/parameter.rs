//! The arrays that belong to an operator: weights, and statistics that are not trained.

use convscope_kernels::memory::{self, OutOfMemory};
use ndarray::{ArrayD, IxDyn};

/// The purpose of an array, which initialisers and optimizers depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// A weight that sums `fan_in` inputs into each output; each input reaches `fan_out` outputs.
    Weight {
        /// Inputs per output.
        fan_in: usize,
        /// Outputs per input.
        fan_out: usize,
    },
    /// A bias next to a weight with this `fan_in`.
    Bias {
        /// Inputs per output.
        fan_in: usize,
    },
    /// The factor after a normalisation; starts at one.
    Scale,
    /// The offset after a normalisation; starts at zero.
    Shift,
    /// Running mean, updated by training, not by gradients; starts at zero.
    RunningMean,
    /// Running variance, updated by training, not by gradients; starts at one.
    RunningVar,
    /// Number of batches that a running statistic has seen; starts at zero.
    BatchesTracked,
    /// A trained value of any other kind.
    Value {
        /// Where it starts.
        start: f32,
    },
    /// Part of the network that nothing changes.
    Fixed {
        /// What it is without a weights file.
        start: f32,
    },
}

impl Role {
    /// Whether gradients change it.
    pub fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVar | Role::BatchesTracked | Role::Fixed { .. })
    }
}

/// Description of an array that an operator needs.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// PyTorch's name within the layer, empty where the array has the layer's own: `weight`, `bias`, `running_mean`, ...
    pub name: &'static str,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Its purpose.
    pub role: Role,
}

/// An array of an operator, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// PyTorch's key: `conv2d_1.weight`.
    pub key: String,
    /// Its purpose.
    pub role: Role,
    /// Its values, contiguous; empty for a [count of batches](Role::BatchesTracked).
    pub values: ArrayD<f32>,
    /// The value of a [count of batches](Role::BatchesTracked); 0 for other arrays.
    pub batches: u64,
}

impl Parameter {
    /// An array of zeros, or a count of 0.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn zeros(key: impl Into<String>, spec: &ParameterSpec) -> Result<Parameter, OutOfMemory> {
        let shape = if spec.role == Role::BatchesTracked { &[0] } else { spec.shape.as_slice() };
        let values = memory::zeros(shape.iter().product())?;
        let values = ArrayD::from_shape_vec(IxDyn(shape), values).expect("the values fill the shape");
        Ok(Parameter { key: key.into(), role: spec.role, values, batches: 0 })
    }

    /// The values in memory order.
    pub fn slice(&self) -> &[f32] {
        self.values.as_slice().expect("parameters are contiguous")
    }

    /// The values in memory order.
    pub fn slice_mut(&mut self) -> &mut [f32] {
        self.values.as_slice_mut().expect("parameters are contiguous")
    }
}
