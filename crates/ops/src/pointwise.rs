//! Operators that map each value by itself.

use std::fmt::Debug;

use crate::layer::one_input;
use crate::{Argument, Backward, Bound, Forward, Layer, Mode, OpError, Reads, Shape, Torch};

/// An operator that maps each value by itself: its formula and its slope are all there is to it. Each is a [`Layer`].
pub trait Pointwise: Copy + Debug + Send + Sync + 'static {
    /// PyTorch's functional name: `hardswish`.
    const NAME: &'static str;

    /// What help texts say of its arguments.
    const ARGUMENTS: &'static [Argument] = &[];

    /// Whether the arguments are possible ones.
    ///
    /// # Errors
    /// An argument that makes no sense.
    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }

    /// The output for an input.
    fn value(&self, x: f64) -> f64;

    /// The derivative of the output by the input; where there is none, what PyTorch takes for it.
    fn slope(&self, x: f64) -> f64;

    /// What PyTorch calls it.
    fn torch(&self) -> Option<Torch>;
}

impl<P: Pointwise> Layer for P {
    fn name() -> &'static str {
        P::NAME
    }

    fn described() -> &'static [Argument] {
        P::ARGUMENTS
    }

    fn keras_name(&self) -> &'static str {
        P::NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Pointwise::torch(self)
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.check()?;
        one_input(P::NAME, inputs)
    }

    fn bind(&self, _inputs: &[Shape], _mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundPointwise(*self))
    }
}

#[derive(Debug)]
struct BoundPointwise<P>(P);

impl<P: Pointwise> Bound for BoundPointwise<P> {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        for (y, &x) in call.output.iter_mut().zip(call.inputs.get(0)) {
            *y = self.0.value(f64::from(x)) as f32;
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        for ((d, &x), &d_output) in d_input.iter_mut().zip(call.inputs.get(0)).zip(call.d_output) {
            *d = (f64::from(d_output) * self.0.slope(f64::from(x))) as f32;
        }
    }
}

/// Fails where an argument is not a finite number.
pub(crate) fn finite(operator: &'static str, argument: &'static str, value: f64) -> Result<(), OpError> {
    if value.is_finite() {
        return Ok(());
    }
    Err(OpError::argument(operator, argument, format!("is {value}, must be a finite number")))
}
