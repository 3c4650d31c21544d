//! Numbers of constants.

use super::{Folded, Folding, Stop, moved};
use crate::attributes::Attributes;
use crate::proto::DataType;
use crate::tensor::{Kind, Tensor};

/// The axes that arrays of these axes have together.
pub(super) fn joint(shapes: &[&[usize]]) -> Folded<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut joint = vec![1; rank];
    for shape in shapes {
        for (at, &len) in shape.iter().rev().enumerate() {
            let place = &mut joint[rank - 1 - at];
            if *place == 1 {
                *place = len;
            } else if len != 1 && len != *place {
                return Err(Stop::Wrong(format!("the axes {:?} do not fit together", shapes)));
            }
        }
    }
    Ok(joint)
}

/// For each place of `large`, that of an array of axes `small`, which is broadcast.
pub(super) fn places<'a>(small: &'a [usize], large: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let mut strides = vec![0; large.len()];
    let mut stride = 1;
    for (at, &len) in small.iter().rev().enumerate() {
        strides[large.len() - 1 - at] = if len == 1 { 0 } else { stride };
        stride *= len;
    }
    let count: usize = large.iter().product();
    let mut index = vec![0; large.len()];
    let mut place = 0;
    (0..count).map(move |_| {
        let current = place;
        for axis in (0..large.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < large[axis] {
                break;
            }
            place -= strides[axis] * large[axis];
            index[axis] = 0;
        }
        current
    })
}

impl Folding<'_> {
    pub(super) fn binary(&mut self) -> Folded<Tensor> {
        let operator = self.node.op_type.as_str();
        let mut result = self.input(0)?.clone();
        if self.inputs.len() < 2 && !matches!(operator, "Min" | "Max") {
            return Err(Stop::Wrong("input 1 is missing".into()));
        }
        for index in 1..self.inputs.len() {
            let other = self.input(index)?.clone();
            let dims = joint(&[&result.dims, &other.dims])?;
            self.folder.take(&dims)?;
            result = pair(operator, self.node.int("fmod") == Some(1), &result, &other, dims)?;
        }
        Ok(result)
    }

    pub(super) fn choose(&mut self) -> Folded<Tensor> {
        let [condition, yes, no] = [self.input(0)?.clone(), self.input(1)?.clone(), self.input(2)?.clone()];
        let dims = joint(&[&condition.dims, &yes.dims, &no.dims])?;
        self.folder.take(&dims)?;
        let chosen: Vec<bool> = {
            let condition_values = condition.to_bools()?;
            places(&condition.dims, &dims).map(|place| condition_values[place]).collect()
        };
        let (of_yes, of_no) = (places(&yes.dims, &dims), places(&no.dims, &dims));
        let places = chosen.into_iter().zip(of_yes.zip(of_no));
        if yes.kind() == Kind::Int && no.kind() == Kind::Int {
            let (a, b) = (yes.to_ints()?, no.to_ints()?);
            let values = places.map(|(chosen, (yes, no))| if chosen { a[yes] } else { b[no] }).collect();
            return Ok(Tensor::ints(dims.clone(), values));
        }
        if yes.kind() == Kind::Bool && no.kind() == Kind::Bool {
            let (a, b) = (yes.to_bools()?, no.to_bools()?);
            let values = places.map(|(chosen, (yes, no))| if chosen { a[yes] } else { b[no] }).collect();
            return Ok(Tensor::bools(dims.clone(), values));
        }
        let (a, b) = (yes.to_floats()?, no.to_floats()?);
        let values = places.map(|(chosen, (yes, no))| if chosen { a[yes] } else { b[no] }).collect();
        Ok(Tensor::floats(dims.clone(), values))
    }

    pub(super) fn cast(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?.clone();
        let to = self.node.int("to").and_then(|to| i32::try_from(to).ok());
        let to = to.and_then(|to| DataType::try_from(to).ok()).unwrap_or_default();
        self.folder.take(&input.dims)?;
        let dims = input.dims.clone();
        match to {
            DataType::Float => Ok(if input.kind() == Kind::Float {
                input
            } else {
                Tensor::floats(dims, input.to_floats()?.into_owned())
            }),
            DataType::Int32 | DataType::Int64 => Ok(Tensor::ints(dims, input.to_ints()?.into_owned())),
            DataType::Bool => Ok(Tensor::bools(dims, input.to_bools()?)),
            // Lower precision would round, which nothing here does.
            _ => Err(Stop::NotHere),
        }
    }

    pub(super) fn unary(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?.clone();
        self.folder.take(&input.dims)?;
        let dims = input.dims.clone();
        let operator = self.node.op_type.as_str();
        if operator == "Not" {
            return Ok(Tensor::bools(dims, input.to_bools()?.iter().map(|value| !value).collect()));
        }
        let bound = |index: usize, name: &str| match self.optional(index) {
            Some(tensor) => tensor.scalar(),
            None => self.node.float(name),
        };
        let (min, max) = (bound(1, "min"), bound(2, "max"));
        if input.kind() == Kind::Int {
            let function = |value: i64| -> Option<i64> {
                Some(match operator {
                    "Abs" => value.wrapping_abs(),
                    "Neg" => value.wrapping_neg(),
                    "Relu" => value.max(0),
                    "Clip" => {
                        let value = min.map_or(value, |min| value.max(min as i64));
                        max.map_or(value, |max| value.min(max as i64))
                    }
                    _ => return None,
                })
            };
            let values: Option<Vec<i64>> = input.to_ints()?.iter().map(|&value| function(value)).collect();
            return values.map(|values| Tensor::ints(dims, values)).ok_or(Stop::NotHere);
        }
        let function = |value: f32| match operator {
            "Abs" => value.abs(),
            "Neg" => -value,
            "Ceil" => value.ceil(),
            "Floor" => value.floor(),
            "Round" => value.round_ties_even(),
            "Sqrt" => value.sqrt(),
            "Exp" => value.exp(),
            "Log" => value.ln(),
            "Reciprocal" => 1.0 / value,
            "Relu" => value.max(0.0),
            _ => {
                let value = min.map_or(value, |min| value.max(min));
                max.map_or(value, |max| value.min(max))
            }
        };
        Ok(Tensor::floats(dims, input.to_floats()?.iter().map(|&value| function(value)).collect()))
    }

    pub(super) fn expand(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?.clone();
        let asked = crate::tensor::dims(&self.input(1)?.to_ints()?).map_err(Stop::Wrong)?;
        let dims = joint(&[&input.dims, &asked])?;
        self.folder.take(&dims)?;
        let (small, large) = (input.dims.clone(), dims.clone());
        Ok(moved!(&input, dims, |values: &[_]| places(&small, &large).map(|place| values[place]).collect()))
    }
}

/// The rest of a division with the sign of the divisor.
fn floor_mod(a: f32, b: f32) -> f32 {
    let rest = a % b;
    if rest == 0.0 {
        rest.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

fn pair(operator: &str, fmod: bool, a: &Tensor, b: &Tensor, dims: Vec<usize>) -> Folded<Tensor> {
    let places = places(&a.dims, &dims).zip(places(&b.dims, &dims));
    match operator {
        "And" | "Or" | "Xor" => {
            let (a, b) = (a.to_bools()?, b.to_bools()?);
            let values = places.map(|(i, j)| match operator {
                "And" => a[i] && b[j],
                "Or" => a[i] || b[j],
                _ => a[i] != b[j],
            });
            let values = values.collect();
            Ok(Tensor::bools(dims, values))
        }
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" => {
            let compare = |order: Option<std::cmp::Ordering>| match operator {
                "Equal" => order.is_some_and(|order| order.is_eq()),
                "Less" => order.is_some_and(|order| order.is_lt()),
                "Greater" => order.is_some_and(|order| order.is_gt()),
                "LessOrEqual" => order.is_some_and(|order| order.is_le()),
                _ => order.is_some_and(|order| order.is_ge()),
            };
            let values = if a.kind() == Kind::Float {
                let (a, b) = (a.to_floats()?, b.to_floats()?);
                places.map(|(i, j)| compare(a[i].partial_cmp(&b[j]))).collect()
            } else {
                let (a, b) = (a.to_ints()?, b.to_ints()?);
                places.map(|(i, j)| compare(Some(a[i].cmp(&b[j])))).collect()
            };
            Ok(Tensor::bools(dims, values))
        }
        _ if a.kind() == Kind::Float => {
            let (a, b) = (a.to_floats()?, b.to_floats()?);
            let function = |a: f32, b: f32| match operator {
                "Add" => a + b,
                "Sub" => a - b,
                "Mul" => a * b,
                "Div" => a / b,
                "Pow" => a.powf(b),
                "Min" => a.min(b),
                "Max" => a.max(b),
                _ if fmod => a % b,
                _ => floor_mod(a, b),
            };
            let values = places.map(|(i, j)| function(a[i], b[j])).collect();
            Ok(Tensor::floats(dims, values))
        }
        _ => {
            let (a, b) = (a.to_ints()?, b.to_ints()?);
            let function = |a: i64, b: i64| -> Option<i64> {
                Some(match operator {
                    "Add" => a.wrapping_add(b),
                    "Sub" => a.wrapping_sub(b),
                    "Mul" => a.wrapping_mul(b),
                    "Div" => a.checked_div(b)?,
                    "Pow" => a.checked_pow(u32::try_from(b).ok()?)?,
                    "Min" => a.min(b),
                    "Max" => a.max(b),
                    _ if fmod => a.checked_rem(b)?,
                    // The sign of the result is that of the divisor.
                    _ => {
                        let rest = a.checked_rem(b)?;
                        if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
                    }
                })
            };
            let values: Option<Vec<i64>> = places.map(|(i, j)| function(a[i], b[j])).collect();
            let values = values.ok_or_else(|| Stop::Wrong("a result cannot be expressed".into()))?;
            Ok(Tensor::ints(dims, values))
        }
    }
}
