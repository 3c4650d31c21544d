//! Normalisation within an image: of rows of values that lie side by side, in PyTorch's order or channels-last.
//!
//! `y = (x - mean) / sqrt(var + eps) * weight + bias` with mean and variance of each row; the variance is the biased one.

use convscope_kernels::layout;
use convscope_kernels::rows::{Columns, add_row_gradients, normalize_rows, normalize_rows_backward};

use crate::summing::add;
use crate::{Backward, Bound, Forward, Parameter, ParameterSpec, Reads, Role, Shape};

/// In which order of a value its rows lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// PyTorch's.
    Planes,
    /// As values are stored: the first axis last.
    ChannelsLast,
}

/// Which weight belongs to which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// One for each element of a row.
    OfColumn,
    /// One for each stretch of so many elements of an image.
    OfStretch(usize),
}

/// A normalisation with everything settled.
#[derive(Debug)]
pub(crate) struct BoundNormalize {
    pub(crate) shape: Shape,
    pub(crate) order: Order,
    /// Elements of a row; the rows fill an image.
    pub(crate) row: usize,
    pub(crate) eps: f64,
    /// Whether a weight and a bias follow, and which element has which.
    pub(crate) weights: Option<Weights>,
    /// Whether the bias is there.
    pub(crate) has_bias: bool,
}

/// The weight and the bias of a normalisation.
pub(crate) fn parameters(shape: &[usize], affine: bool, bias: bool) -> Vec<ParameterSpec> {
    let weight = ParameterSpec { name: "weight", shape: shape.to_vec(), role: Role::Scale };
    let shift = ParameterSpec { name: "bias", shape: shape.to_vec(), role: Role::Shift };
    match (affine, bias) {
        (false, _) => Vec::new(),
        (true, false) => vec![weight],
        (true, true) => vec![weight, shift],
    }
}

/// Mean and inverse deviation of a row.
struct Moments {
    mean: f64,
    inv_std: f64,
}

impl BoundNormalize {
    fn moments(&self, row: &[f32]) -> Moments {
        let count = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let var = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        Moments { mean, inv_std: 1.0 / (var + self.eps).sqrt() }
    }

    /// The number of weights.
    fn count(&self) -> usize {
        match self.weights {
            None => 0,
            Some(Weights::OfColumn) => self.row,
            Some(Weights::OfStretch(len)) => self.shape.len() / len,
        }
    }

    /// The weight's index of an element of an image.
    fn weight_of(&self, row: usize, column: usize) -> usize {
        match self.weights {
            Some(Weights::OfStretch(len)) => (row * self.row + column) / len,
            _ => column,
        }
    }

    /// Whether rows are stored as such, with a weight and a bias for each of their columns: the kernels do it all.
    fn is_plain(&self) -> bool {
        self.is_stored_so() && self.weights == Some(Weights::OfColumn)
    }

    fn is_stored_so(&self) -> bool {
        self.order == Order::ChannelsLast || self.shape.rank() < 2 || self.shape.channels() == 1
    }

    /// The values in the order of the rows; `space` is where they are turned.
    fn rows<'a>(&self, values: &'a [f32], space: &'a mut [f32]) -> &'a [f32] {
        if self.is_stored_so() {
            return values;
        }
        layout::to_planes(values, self.shape.channels(), self.shape.len(), space);
        space
    }

    /// Lets `fill` write rows, and puts them in the order in which values are stored; `space` is where they are turned.
    fn store(&self, values: &mut [f32], space: &mut [f32], fill: impl FnOnce(&mut [f32])) {
        if self.is_stored_so() {
            fill(values);
            return;
        }
        fill(space);
        layout::to_channels_last(space, self.shape.channels(), self.shape.len(), values);
    }

    /// Places for `N` values of so many images.
    fn spaces<'a, const N: usize>(&self, scratch: &'a mut [f32], images: usize) -> [&'a mut [f32]; N] {
        let len = if self.is_stored_so() { 0 } else { images * self.shape.len() };
        let mut rest = scratch;
        std::array::from_fn(|_| {
            let (first, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            first
        })
    }
}

impl Bound for BoundNormalize {
    fn packed_len(&self) -> usize {
        2 * self.count()
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        let (weight, bias) = packed.split_at_mut(self.count());
        if let Some(given) = parameters.first() {
            weight.copy_from_slice(given.slice());
        }
        match parameters.get(1) {
            Some(given) => bias.copy_from_slice(given.slice()),
            None => bias.fill(0.0),
        }
    }

    fn gradient_len(&self) -> usize {
        2 * self.count()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        let (weight, bias) = packed.split_at(self.count());
        if let Some(gradient) = gradients.first_mut() {
            gradient.copy_from_slice(weight);
        }
        if let Some(gradient) = gradients.get_mut(1).filter(|_| self.has_bias) {
            gradient.copy_from_slice(bias);
        }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn scratch_len(&self, images: usize) -> usize {
        let turned = if self.is_stored_so() { 0 } else { 3 * images * self.shape.len() };
        turned + 2 * self.count()
    }

    fn forward(&self, call: Forward<'_>) {
        if self.is_plain() {
            let (weight, bias) = call.packed.split_at(self.count());
            let columns = Columns { weight, bias };
            return normalize_rows(call.isa, call.inputs.get(0), columns, self.eps, call.output);
        }
        let [from, to] = self.spaces(call.scratch, call.images);
        let input = self.rows(call.inputs.get(0), from);
        let (weight, bias) = call.packed.split_at(self.count());
        let rows = self.shape.len() / self.row;
        self.store(call.output, to, |output| {
            let each = input.chunks_exact(self.row).zip(output.chunks_exact_mut(self.row));
            for (index, (x, y)) in each.enumerate() {
                let Moments { mean, inv_std } = self.moments(x);
                for (column, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                    let normalized = (f64::from(x) - mean) * inv_std;
                    *y = match self.weights {
                        None => normalized as f32,
                        Some(_) => {
                            let at = self.weight_of(index % rows, column);
                            (normalized * f64::from(weight[at]) + f64::from(bias[at])) as f32
                        }
                    };
                }
            }
        });
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        if self.is_plain() {
            let weight = &call.packed[..self.count()];
            let input = call.inputs.get(0);
            return normalize_rows_backward(call.isa, input, call.d_output, weight, self.eps, d_input);
        }
        let [from, of_output, to] = self.spaces(call.scratch, call.images);
        let (input, d_output) = (self.rows(call.inputs.get(0), from), self.rows(call.d_output, of_output));
        let weight = &call.packed[..self.count()];
        let rows = self.shape.len() / self.row;
        self.store(d_input, to, |d_input| {
            let each = input.chunks_exact(self.row).zip(d_output.chunks_exact(self.row));
            for (index, ((x, dy), dx)) in each.zip(d_input.chunks_exact_mut(self.row)).enumerate() {
                let Moments { mean, inv_std } = self.moments(x);
                let gradient = |column: usize| match self.weights {
                    None => f64::from(dy[column]),
                    Some(_) => {
                        f64::from(dy[column]) * f64::from(weight[self.weight_of(index % rows, column)])
                    }
                };
                let normalized = |column: usize| (f64::from(x[column]) - mean) * inv_std;
                let count = self.row as f64;
                let sum = (0..self.row).map(gradient).sum::<f64>() / count;
                let slope = (0..self.row).map(|column| gradient(column) * normalized(column)).sum::<f64>();
                let slope = slope / count;
                for (column, dx) in dx.iter_mut().enumerate() {
                    *dx = (inv_std * (gradient(column) - sum - normalized(column) * slope)) as f32;
                }
            }
        });
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        if self.weights.is_none() {
            return;
        }
        if self.is_plain() {
            let (weight, bias) = d_packed.split_at_mut(self.count());
            return add_row_gradients(call.isa, call.inputs.get(0), call.d_output, self.eps, weight, bias);
        }
        let turned = call.scratch.len() - 2 * self.count();
        let (spaces, lost) = call.scratch.split_at_mut(turned);
        let [from, of_output] = self.spaces(spaces, call.images);
        let (input, d_output) = (self.rows(call.inputs.get(0), from), self.rows(call.d_output, of_output));
        let rows = self.shape.len() / self.row;
        let (weight, bias) = d_packed.split_at_mut(self.count());
        let lost = &mut lost[..2 * self.count()];
        lost.fill(0.0);
        let (lost_weight, lost_bias) = lost.split_at_mut(self.count());
        for (index, (x, dy)) in input.chunks_exact(self.row).zip(d_output.chunks_exact(self.row)).enumerate()
        {
            let Moments { mean, inv_std } = self.moments(x);
            for (column, (&x, &d)) in x.iter().zip(dy).enumerate() {
                let at = self.weight_of(index % rows, column);
                let d = f64::from(d);
                add(&mut weight[at], &mut lost_weight[at], d * (f64::from(x) - mean) * inv_std);
                add(&mut bias[at], &mut lost_bias[at], d);
            }
        }
    }
}

/// Fails where `eps` is not a number that can be added to a variance.
pub(crate) fn check_eps(operator: &'static str, eps: f64) -> Result<(), crate::OpError> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    Err(crate::OpError::argument(operator, "eps", format!("is {eps}, must be at least 0")))
}

/// PyTorch's default of `eps`.
pub(crate) fn default_eps() -> f64 {
    1e-5
}
pub(crate) fn is_default_eps(eps: &f64) -> bool {
    *eps == default_eps()
}
