//! Axes and places of constants.

use super::{Folded, Folding, Stop, axis, moved};
use crate::attributes::Attributes;
use crate::tensor::Tensor;

/// Rows of an array around one of its axes: how many there are before it, its length, and elements behind.
fn around(dims: &[usize], axis: usize) -> (usize, usize, usize) {
    (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
}

/// The values of the places `indices` along an axis.
fn pick<T: Copy>(values: &[T], (before, len, behind): (usize, usize, usize), indices: &[usize]) -> Vec<T> {
    let mut picked = Vec::with_capacity(before * indices.len() * behind);
    for row in 0..before {
        for &index in indices {
            picked.extend_from_slice(&values[(row * len + index) * behind..][..behind]);
        }
    }
    picked
}

impl Folding<'_> {
    pub(super) fn gather(&mut self) -> Folded<Tensor> {
        let (input, indices) = (self.input(0)?.clone(), self.input(1)?.clone());
        let at = axis(self.node.int("axis").unwrap_or(0), input.dims.len())?;
        let dims = [&input.dims[..at], &indices.dims, &input.dims[at + 1..]].concat();
        self.folder.take(&dims)?;
        let places: Vec<usize> =
            indices.to_ints()?.iter().map(|&index| axis(index, input.dims[at])).collect::<Folded<_>>()?;
        let around = around(&input.dims, at);
        Ok(moved!(&input, dims, |values: &[_]| pick(values, around, &places)))
    }

    pub(super) fn concat(&mut self) -> Folded<Tensor> {
        let inputs: Vec<Tensor> =
            (0..self.inputs.len()).map(|index| self.input(index).cloned()).collect::<Folded<_>>()?;
        let first = inputs.first().ok_or_else(|| Stop::Wrong("nothing is joined".into()))?;
        let at = axis(self.node.int("axis").unwrap_or(1), first.dims.len())?;
        let mut dims = first.dims.clone();
        dims[at] = 0;
        for input in &inputs {
            let others = |dims: &[usize]| [&dims[..at], &dims[at + 1..]].concat();
            if input.dims.len() != dims.len()
                || others(&input.dims) != others(&dims)
                || input.kind() != first.kind()
            {
                return Err(Stop::Wrong(format!("{:?} does not fit {:?}", input.dims, first.dims)));
            }
            dims[at] = dims[at].saturating_add(input.dims[at]);
        }
        self.folder.take(&dims)?;
        let before: usize = dims[..at].iter().product();
        macro_rules! joined {
            ($values:ident, $make:ident) => {{
                let all: Vec<_> =
                    inputs.iter().map(|input| Ok(input.$values()?.to_vec())).collect::<Folded<_>>()?;
                let mut joined = Vec::new();
                for row in 0..before {
                    for values in &all {
                        let len = values.len() / before.max(1);
                        joined.extend_from_slice(&values[row * len..][..len]);
                    }
                }
                Ok(Tensor::$make(dims, joined))
            }};
        }
        match first.kind() {
            crate::tensor::Kind::Float => joined!(to_floats, floats),
            crate::tensor::Kind::Int => joined!(to_ints, ints),
            crate::tensor::Kind::Bool => joined!(to_bools, bools),
        }
    }

    pub(super) fn reshape(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?;
        let asked = self.ints(1, "shape")?.ok_or_else(|| Stop::Wrong("has no shape".into()))?;
        let zero = self.node.int("allowzero") == Some(1);
        let dims = reshaped(&input.dims, &asked, zero)
            .ok_or_else(|| Stop::Wrong(format!("{:?} has no shape {asked:?}", input.dims)))?;
        Ok(input.reshaped(dims))
    }

    pub(super) fn flatten(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?;
        let at = self.node.int("axis").unwrap_or(1);
        let rank = input.dims.len();
        let at = if at == rank as i64 { rank } else { axis(at, rank)? };
        let (before, behind) = input.dims.split_at(at);
        Ok(input.reshaped(vec![before.iter().product(), behind.iter().product()]))
    }

    pub(super) fn squeeze(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?;
        let axes = self.ints(1, "axes")?;
        let dims = squeezed(&input.dims, axes.as_deref())
            .ok_or_else(|| Stop::Wrong(format!("{:?} has other axes", input.dims)))?;
        Ok(input.reshaped(dims))
    }

    pub(super) fn unsqueeze(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?;
        let axes = self.ints(1, "axes")?.unwrap_or_default();
        let dims = unsqueezed(&input.dims, &axes)
            .ok_or_else(|| Stop::Wrong(format!("{:?} has no place for {axes:?}", input.dims)))?;
        Ok(input.reshaped(dims))
    }

    pub(super) fn slice(&mut self) -> Folded<Tensor> {
        let mut result = self.input(0)?.clone();
        let missing = || Stop::Wrong("starts or ends are missing".into());
        let starts = self.ints(1, "starts")?.ok_or_else(missing)?;
        let ends = self.ints(2, "ends")?.ok_or_else(missing)?;
        let axes = self.ints(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.ints(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(Stop::Wrong("starts, ends, axes and steps have different lengths".into()));
        }
        for (((start, end), at), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let at = axis(at, result.dims.len())?;
            let places = stretch(result.dims[at], start, end, step)
                .ok_or_else(|| Stop::Wrong("a step is 0".into()))?;
            let around = around(&result.dims, at);
            let mut dims = result.dims.clone();
            dims[at] = places.len();
            self.folder.take(&dims)?;
            result = moved!(&result, dims, |values: &[_]| pick(values, around, &places));
        }
        Ok(result)
    }

    pub(super) fn split(&mut self) -> Folded<Vec<Tensor>> {
        let input = self.input(0)?.clone();
        let at = axis(self.node.int("axis").unwrap_or(0), input.dims.len())?;
        let sizes = self.ints(1, "split")?;
        let sizes = split_sizes(input.dims[at], self.node.output.len(), sizes.as_deref());
        let sizes = sizes.ok_or_else(|| Stop::Wrong(format!("{:?} cannot be split so", input.dims)))?;
        self.folder.take(&input.dims)?;
        let around = around(&input.dims, at);
        let mut start = 0;
        let mut parts = Vec::new();
        for size in sizes {
            let places: Vec<usize> = (start..start + size).collect();
            start += size;
            let mut dims = input.dims.clone();
            dims[at] = size;
            parts.push(moved!(&input, dims, |values: &[_]| pick(values, around, &places)));
        }
        Ok(parts)
    }

    pub(super) fn transpose(&mut self) -> Folded<Tensor> {
        let input = self.input(0)?.clone();
        let rank = input.dims.len();
        let perm: Vec<i64> =
            self.node.ints("perm").map_or_else(|| (0..rank as i64).rev().collect(), <[i64]>::to_vec);
        let perm: Vec<usize> = perm.into_iter().map(|at| axis(at, rank)).collect::<Folded<_>>()?;
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() {
            return Err(Stop::Wrong(format!("{perm:?} is not an order of {rank} axes")));
        }
        let dims: Vec<usize> = perm.iter().map(|&at| input.dims[at]).collect();
        let len = self.folder.take(&dims)?;
        let strides: Vec<usize> = perm.iter().map(|&at| input.dims[at + 1..].iter().product()).collect();
        let place = |mut index: usize| {
            let mut place = 0;
            for (axis, &len) in dims.iter().enumerate().rev() {
                place += index % len * strides[axis];
                index /= len;
            }
            place
        };
        Ok(moved!(&input, dims.clone(), |values: &[_]| (0..len).map(|index| values[place(index)]).collect()))
    }

    pub(super) fn tile(&mut self) -> Folded<Tensor> {
        let mut result = self.input(0)?.clone();
        let repeats = self.input(1)?.to_ints()?.into_owned();
        if repeats.len() != result.dims.len() {
            return Err(Stop::Wrong(format!("{repeats:?} repeats of the axes {:?}", result.dims)));
        }
        for (at, &count) in repeats.iter().enumerate() {
            let count = usize::try_from(count).map_err(|_| Stop::Wrong(format!("{count} repeats")))?;
            let around = around(&result.dims, at);
            let mut dims = result.dims.clone();
            dims[at] = dims[at].saturating_mul(count);
            self.folder.take(&dims)?;
            let places: Vec<usize> = (0..count).flat_map(|_| 0..around.1).collect();
            result = moved!(&result, dims, |values: &[_]| pick(values, around, &places));
        }
        Ok(result)
    }
}

/// The axes of a reshaped array: 0 keeps an axis, -1 stands for the rest.
pub(crate) fn reshaped(dims: &[usize], asked: &[i64], zero_is_zero: bool) -> Option<Vec<usize>> {
    let mut free = None;
    let mut new = Vec::with_capacity(asked.len());
    for (at, &len) in asked.iter().enumerate() {
        new.push(match len {
            -1 if free.replace(at).is_none() => 1,
            0 if !zero_is_zero => *dims.get(at)?,
            _ => usize::try_from(len).ok()?,
        });
    }
    let (len, fixed) = (crate::tensor::elements(dims)?, crate::tensor::elements(&new)?);
    if let Some(at) = free {
        new[at] = if fixed > 0 && len.is_multiple_of(fixed) { len / fixed } else { return None };
        return Some(new);
    }
    (len == fixed).then_some(new)
}

/// The axes without those named, or without all of length 1.
pub(crate) fn squeezed(dims: &[usize], axes: Option<&[i64]>) -> Option<Vec<usize>> {
    let rank = dims.len() as i64;
    let mut gone = vec![false; dims.len()];
    match axes {
        None => dims.iter().zip(&mut gone).for_each(|(&len, gone)| *gone = len == 1),
        Some(axes) => {
            for &at in axes {
                let at = usize::try_from(if at < 0 { at.checked_add(rank)? } else { at }).ok()?;
                if *dims.get(at)? != 1 {
                    return None;
                }
                gone[at] = true;
            }
        }
    }
    Some(dims.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&len, _)| len).collect())
}

/// The axes with others of length 1 in these places.
pub(crate) fn unsqueezed(dims: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let rank = dims.len() + axes.len();
    let mut is_new = vec![false; rank];
    for &at in axes {
        let at = usize::try_from(if at < 0 { at.checked_add(rank as i64)? } else { at }).ok()?;
        if std::mem::replace(is_new.get_mut(at)?, true) {
            return None;
        }
    }
    let mut old = dims.iter();
    Some(is_new.into_iter().map(|is_new| if is_new { 1 } else { *old.next().unwrap_or(&1) }).collect())
}

/// The places of Python's `start:end:step`; none if the step is 0.
pub(crate) fn stretch(len: usize, start: i64, end: i64, step: i64) -> Option<Vec<usize>> {
    let last = len as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(last) } else { at };
    match step {
        0 => None,
        1.. => {
            let (start, end) = (from_end(start).clamp(0, last), from_end(end).clamp(0, last));
            Some((start..end).step_by(usize::try_from(step).ok()?).map(|at| at as usize).collect())
        }
        _ => {
            let start = from_end(start).clamp(-1, last - 1);
            let end = if end < -last { -1 } else { from_end(end).clamp(-1, last - 1) };
            let step = usize::try_from(step.unsigned_abs()).ok()?;
            Some((end + 1..=start).rev().step_by(step).map(|at| at as usize).collect())
        }
    }
}

/// The lengths of the parts of an axis: those asked for, or parts of one length with a shorter last one.
pub(crate) fn split_sizes(len: usize, parts: usize, asked: Option<&[i64]>) -> Option<Vec<usize>> {
    let sizes: Vec<usize> = match asked {
        Some(sizes) => sizes.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?,
        None => {
            let size = len.div_ceil(parts.max(1));
            (0..parts).map(|part| len.saturating_sub(part * size).min(size)).collect()
        }
    };
    let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size))?;
    (sum == len && sizes.len() == parts).then_some(sizes)
}
