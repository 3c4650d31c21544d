//! The mean over windows as the executor runs it.

use crate::arrays::{channels_last, check_gradient, planes};
use crate::{Backward, Bound, Forward, Isa, OpError, Reads};
use convscope_kernels::pool::{self, Windows};
use ndarray::{Array4, ArrayView4};

/// Windows and the factors for their sums.
#[derive(Clone, Debug)]
pub(crate) struct Mean {
    pub(crate) windows: Windows,
    /// One for each output pixel.
    pub(crate) factors: Vec<f32>,
}

impl Mean {
    pub(crate) fn forward(&self, isa: Isa, input: &[f32], output: &mut [f32]) {
        pool::mean(isa, &self.windows, &self.factors, input, output);
    }

    pub(crate) fn backward(&self, isa: Isa, d_output: &[f32], d_input: &mut [f32]) {
        pool::mean_backward(isa, &self.windows, &self.factors, d_output, d_input);
    }
}

/// [`Mean`] for the executor.
#[derive(Debug)]
pub(crate) struct BoundMean(pub(crate) Mean);

impl Bound for BoundMean {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        self.0.forward(call.isa, call.inputs.get(0), call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        self.0.backward(call.isa, call.d_output, d_input);
    }
}

/// Computes windows and factors for the channels, rows and columns of an input.
type MeanFor<'a> = &'a dyn Fn(usize, [usize; 2]) -> Result<Mean, OpError>;

/// The means of an array's windows.
pub(crate) fn mean_of(
    operator: &'static str,
    input: ArrayView4<'_, f32>,
    mean: MeanFor<'_>,
) -> Result<Array4<f32>, OpError> {
    let (images, channels, height, width) = input.dim();
    let mean = checked(operator, channels, [height, width], mean)?;
    let mut output = vec![0.0; images * mean.windows.output_len()];
    mean.forward(Isa::best(), &channels_last(input), &mut output);
    Ok(planes(&output, images, channels, [mean.windows.rows.len(), mean.windows.columns.len()]))
}

/// The gradient of [`mean_of`].
pub(crate) fn mean_of_backward(
    operator: &'static str,
    d_output: ArrayView4<'_, f32>,
    [images, channels, height, width]: [usize; 4],
    mean: MeanFor<'_>,
) -> Result<Array4<f32>, OpError> {
    let mean = checked(operator, channels, [height, width], mean)?;
    let output = [images, channels, mean.windows.rows.len(), mean.windows.columns.len()];
    check_gradient(operator, &output, d_output.shape())?;
    let mut d_input = vec![0.0; images * mean.windows.input_len()];
    mean.backward(Isa::best(), &channels_last(d_output), &mut d_input);
    Ok(planes(&d_input, images, channels, [height, width]))
}

fn checked(
    operator: &'static str,
    channels: usize,
    size: [usize; 2],
    mean: MeanFor<'_>,
) -> Result<Mean, OpError> {
    if channels == 0 || size.contains(&0) {
        let [height, width] = size;
        let problem = format!("input has shape [N, {channels}, {height}, {width}], which has no pixels");
        return Err(OpError::shape(operator, problem));
    }
    mean(channels, size)
}
