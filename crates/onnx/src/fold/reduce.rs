//! Sums, products and extremes of constants.

use super::{Folded, Folding, Stop, axis};
use crate::attributes::Attributes;
use crate::tensor::{Kind, Tensor};

impl Folding<'_> {
    pub(super) fn reduce(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?.clone();
        let rank = input.dims.len();
        let keep = self.node.int("keepdims").unwrap_or(1) != 0;
        let axes = match self.ints(1, "axes")? {
            Some(axes) if !axes.is_empty() => axes,
            _ if self.node.int("noop_with_empty_axes") == Some(1) => return Ok(input),
            _ => (0..rank as i64).collect(),
        };
        let mut gone = vec![false; rank];
        for at in axes {
            gone[axis(at, rank)?] = true;
        }
        let kept: Vec<usize> =
            input.dims.iter().zip(&gone).map(|(&len, &gone)| if gone { 1 } else { len }).collect();
        let len = self.folder.take(&kept)?;
        let taken: usize =
            input.dims.iter().zip(&gone).filter(|(_, gone)| **gone).map(|(&len, _)| len).product();
        let operator = self.node.op_type.as_str();
        if taken == 0 && matches!(operator, "ReduceMax" | "ReduceMin" | "ReduceMean") {
            return Err(Stop::Wrong("of no element".into()));
        }
        let dims = if keep {
            kept.clone()
        } else {
            input.dims.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(&len, _)| len).collect()
        };
        let places = super::arithmetic::places(&kept, &input.dims);
        if input.kind() == Kind::Int {
            let mut result: Vec<Option<i64>> = vec![None; len];
            for (place, &value) in places.zip(input.to_ints()?.iter()) {
                let slot = &mut result[place];
                *slot = Some(match (*slot, operator) {
                    (None, _) => value,
                    (Some(old), "ReduceMax") => old.max(value),
                    (Some(old), "ReduceMin") => old.min(value),
                    (Some(old), "ReduceProd") => old.wrapping_mul(value),
                    (Some(old), _) => old.wrapping_add(value),
                });
            }
            let empty = i64::from(operator == "ReduceProd");
            let mean = |sum: i64| if operator == "ReduceMean" { sum / taken as i64 } else { sum };
            return Ok(Tensor::ints(
                dims,
                result.into_iter().map(|value| mean(value.unwrap_or(empty))).collect(),
            ));
        }
        let mut result: Vec<Option<f64>> = vec![None; len];
        for (place, &value) in places.zip(input.to_floats()?.iter()) {
            let (slot, value) = (&mut result[place], f64::from(value));
            *slot = Some(match (*slot, operator) {
                (None, _) => value,
                (Some(old), "ReduceMax") => old.max(value),
                (Some(old), "ReduceMin") => old.min(value),
                (Some(old), "ReduceProd") => old * value,
                (Some(old), _) => old + value,
            });
        }
        let empty = if operator == "ReduceProd" { 1.0 } else { 0.0 };
        let mean = |sum: f64| if operator == "ReduceMean" { sum / taken as f64 } else { sum };
        Ok(Tensor::floats(
            dims,
            result.into_iter().map(|value| mean(value.unwrap_or(empty)) as f32).collect(),
        ))
    }
}
