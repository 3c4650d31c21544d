//! Operators that map each value by itself.

use std::fmt::Debug;

use convscope_kernels::pointwise::Function;

use crate::layer::one_input;
use crate::{Argument, Backward, BindOptions, Bound, Forward, Layer, Onnx, OpError, Reads, Shape, Torch};

/// An operator that maps each value by itself: its formula and its slope are all there is to it. Each is a [`Layer`].
///
/// Those of this crate also name a [`Function`] of the kernels, which is much faster and agrees with the formulas to single
/// precision.
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

    /// The same as loops over vectors, if there are.
    fn function(&self) -> Option<Function> {
        None
    }

    /// What PyTorch calls it.
    fn torch(&self) -> Option<Torch>;

    /// What ONNX calls it; none where it has no counterpart.
    fn onnx(&self) -> Option<Onnx> {
        None
    }
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

    fn function(&self) -> Option<Function> {
        Pointwise::function(self)
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Pointwise::torch(self)
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Pointwise::onnx(self)
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.check()?;
        one_input(P::NAME, inputs)
    }

    fn bind(&self, _inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundPointwise(*self))
    }
}

#[derive(Debug)]
struct BoundPointwise<P>(P);

impl<P: Pointwise> Bound for BoundPointwise<P> {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn is_cheap(&self) -> bool {
        self.0.function().is_some()
    }

    fn forward(&self, call: Forward<'_>) {
        if let Some(function) = self.0.function() {
            return function.apply(call.isa, call.inputs.get(0), call.output);
        }
        for (y, &x) in call.output.iter_mut().zip(call.inputs.get(0)) {
            *y = self.0.value(f64::from(x)) as f32;
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        if let Some(function) = self.0.function() {
            return function.backward(call.isa, call.inputs.get(0), call.d_output, d_input);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Elu, Gelu, GeluForm, Hardsigmoid, Hardswish, Hardtanh, Isa, LeakyRelu, Mish, Relu6, Silu, Softplus,
        Tanh,
    };

    /// Values and slopes of the vectors are those of the formulas.
    fn check(operator: impl Pointwise, tolerance: f64) {
        let dense = (-30_000..=30_000).map(|i| i as f32 / 1000.0);
        let x: Vec<f32> = dense.chain([-1e30, -200.0, -88.5, 1e-30, 88.5, 200.0, 1e30]).collect();
        let (mut y, mut d) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let function = operator.function().unwrap();
        function.apply(Isa::best(), &x, &mut y);
        function.backward(Isa::best(), &x, &vec![1.0; x.len()], &mut d);
        for (&x, (&y, &d)) in x.iter().zip(y.iter().zip(&d)) {
            for (found, exact) in [(y, operator.value(f64::from(x))), (d, operator.slope(f64::from(x)))] {
                let off = (f64::from(found) - exact).abs() / exact.abs().max(1.0);
                assert!(off <= tolerance, "{operator:?} at {x}: {found}, exactly {exact}");
            }
        }
        let mut in_place = x.clone();
        function.apply_in_place(Isa::best(), &mut in_place);
        assert!(in_place.iter().zip(&y).all(|(a, b)| a.to_bits() == b.to_bits()), "{operator:?}");
    }

    #[test]
    fn vectors_agree_with_the_formulas() {
        check(Relu6 {}, 0.0);
        check(Hardtanh { min_val: -0.5, max_val: 2.0 }, 0.0);
        check(LeakyRelu { negative_slope: 0.125 }, 0.0);
        check(Hardsigmoid {}, 2e-7);
        check(Hardswish {}, 2e-7);
        check(Elu { alpha: 1.5 }, 3e-7);
        check(Silu {}, 3e-7);
        check(Tanh {}, 2e-7);
        check(Gelu { approximate: GeluForm::None }, 5e-7);
        check(Gelu { approximate: GeluForm::Tanh }, 6e-7);
        check(Mish {}, 5e-7);
        check(Softplus { beta: 2.0, threshold: 15.0 }, 3e-7);
    }
}
