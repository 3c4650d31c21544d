//! Sums and products of two values.

use std::rc::Rc;

use convscope_ops::{Add, Mul, Operator};

use super::{Computed, Done, Given, Importer, Stop, Value, unsupported};
use crate::tensor::{Data, Tensor};

impl<'a> Importer<'a> {
    pub(super) fn add(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if let [Some(a), Some(b)] = given.inputs {
            for (a, b, index) in [(a, b, 0), (b, a, 1)] {
                if let (Value::Computed(computed), Value::Constant(bias)) = (a, b)
                    && let Some(joined) = self.bias_of_linear(&given.node.input[index], computed, bias)?
                {
                    return Ok(joined);
                }
            }
        }
        if given.inputs.len() == 1 {
            return Ok(given.computed(0)?.clone());
        }
        let operands = self.operands(given, &|value| value)?;
        self.join(Add {}, &operands)
    }

    pub(super) fn sub(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let [Some(first), Some(second)] = given.inputs else { return unsupported("an input is missing") };
        let rank = rank_of(given)?;
        let first = self.operand(first, rank, &|value| value)?;
        let second = match second {
            Value::Constant(_) => self.operand(second, rank, &|value| -value)?,
            Value::Computed(second) => {
                let minus = self.emit_scalar(-1.0, rank)?;
                self.join(Mul {}, &[second.clone(), minus])?
            }
        };
        self.join(Add {}, &[first, second])
    }

    pub(super) fn mul(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if let Some(output) = self.pattern_of_product(given)? {
            return Ok(output);
        }
        let operands = self.operands(given, &|value| value)?;
        self.join(Mul {}, &operands)
    }

    pub(super) fn div(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if let Some(output) = self.pattern_of_quotient(given)? {
            return Ok(output);
        }
        let [Some(Value::Computed(first)), Some(Value::Constant(second))] = given.inputs else {
            return unsupported("by a value that is computed");
        };
        let rank = rank_of(given)?;
        let second = self.operand(&Value::Constant(second.clone()), rank, &|value| 1.0 / value)?;
        self.join(Mul {}, &[first.clone(), second])
    }

    pub(super) fn mean(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if given.inputs.len() == 1 {
            return Ok(given.computed(0)?.clone());
        }
        let operands = self.operands(given, &|value| value)?;
        let sum = self.join(Add {}, &operands)?;
        let factor = self.emit_scalar(1.0 / operands.len() as f32, rank_of(given)?)?;
        self.join(Mul {}, &[sum, factor])
    }

    pub(super) fn neg(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let minus = self.emit_scalar(-1.0, axes.len())?;
        self.join(Mul {}, &[input.clone(), minus])
    }

    pub(super) fn pow(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let input = given.computed(0)?;
        match given.constant(1)?.and_then(Tensor::scalar) {
            Some(1.0) => Ok(input.clone()),
            Some(2.0) => self.join(Mul {}, &[input.clone(), input.clone()]),
            Some(3.0) => {
                let square = self.join(Mul {}, &[input.clone(), input.clone()])?;
                self.join(Mul {}, &[square, input.clone()])
            }
            _ => unsupported("to another power than 1, 2 or 3"),
        }
    }

    /// All inputs as nodes; `change` is applied to constants.
    fn operands(&mut self, given: &Given<'a, '_>, change: &dyn Fn(f32) -> f32) -> Done<Vec<Computed>> {
        let rank = rank_of(given)?;
        given
            .inputs
            .iter()
            .map(|input| match input {
                Some(input) => self.operand(input, rank, change),
                None => unsupported("an input is missing"),
            })
            .collect()
    }

    fn operand(&mut self, value: &Value, rank: usize, change: &dyn Fn(f32) -> f32) -> Done<Computed> {
        match value {
            Value::Computed(computed) => Ok(computed.clone()),
            Value::Constant(tensor) => {
                let values: Vec<f32> = tensor.to_floats()?.iter().map(|&value| change(value)).collect();
                if values.is_empty() {
                    return unsupported("a constant without elements");
                }
                let tensor = Tensor { dims: tensor.dims.clone(), data: Data::Floats(Rc::new(values)) };
                self.emit_constant(&tensor, rank)
            }
        }
    }

    fn join(&mut self, operator: impl Into<Operator>, operands: &[Computed]) -> Done<Computed> {
        let operands: Vec<&Computed> = operands.iter().collect();
        self.emit(operator, &operands, Vec::new())
    }
}

/// The number of axes after the batch axis that the inputs have together.
fn rank_of(given: &Given<'_, '_>) -> Done<usize> {
    let ranks = given.inputs.iter().flatten().map(|input| match input {
        Value::Computed(computed) => computed.axes.as_ref().map(Vec::len).ok_or(Stop::Unknown),
        Value::Constant(tensor) => Ok(tensor.dims.len().saturating_sub(1)),
    });
    ranks.collect::<Done<Vec<usize>>>().map(|ranks| ranks.into_iter().max().unwrap_or(0))
}
