//! An array in the file: a view of its storage's bytes.

use std::ops::Range;

use crate::TorchError;
use crate::limits::MOST_AXES;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::BF16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }
}

/// An array: elements of a storage, at an offset and with strides. It is within the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    /// The storage in the file.
    bytes: Range<usize>,
}

impl Tensor {
    /// Checks that every element is within the storage, which has these bytes of the file.
    pub(crate) fn new(
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        bytes: Range<usize>,
    ) -> Result<Tensor, TorchError> {
        let elements = bytes.len() / dtype.size();
        if !is_within(&shape, &strides, offset, elements) {
            return Err(TorchError::Outside { shape, strides, offset, elements });
        }
        Ok(Tensor { dtype, shape, strides, offset, bytes })
    }

    /// The type of its elements.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order, in single precision.
    pub(crate) fn values(&self, file: &[u8]) -> Result<Vec<f32>, TorchError> {
        let count = self.shape.iter().product();
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| TorchError::OutOfMemory(count))?;
        let storage = &file[self.bytes.clone()];
        match self.dtype {
            Dtype::F64 => self.read(storage, |bytes| f64::from_le_bytes(bytes) as f32, &mut values),
            Dtype::F32 => self.read(storage, f32::from_le_bytes, &mut values),
            Dtype::F16 => self.read(storage, |bytes| half(u16::from_le_bytes(bytes)), &mut values),
            Dtype::BF16 => self.read(
                storage,
                |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16),
                &mut values,
            ),
            Dtype::I64 => self.read(storage, |bytes| i64::from_le_bytes(bytes) as f32, &mut values),
            Dtype::I32 => self.read(storage, |bytes| i32::from_le_bytes(bytes) as f32, &mut values),
            Dtype::I16 => self.read(storage, |bytes| f32::from(i16::from_le_bytes(bytes)), &mut values),
            Dtype::I8 => self.read(storage, |bytes| f32::from(i8::from_le_bytes(bytes)), &mut values),
            Dtype::U8 => self.read(storage, |[byte]| f32::from(byte), &mut values),
            Dtype::Bool => self.read(storage, |[byte]| if byte == 0 { 0.0 } else { 1.0 }, &mut values),
        }
        Ok(values)
    }

    /// The only element, if it is an integer.
    pub(crate) fn integer(&self, file: &[u8]) -> Option<i64> {
        if self.shape.iter().product::<usize>() != 1 {
            return None;
        }
        let element = file[self.bytes.clone()].get(self.offset * self.dtype.size()..)?;
        match self.dtype {
            Dtype::I64 => element.first_chunk().map(|&bytes| i64::from_le_bytes(bytes)),
            Dtype::I32 => element.first_chunk().map(|&bytes| i64::from(i32::from_le_bytes(bytes))),
            Dtype::I16 => element.first_chunk().map(|&bytes| i64::from(i16::from_le_bytes(bytes))),
            Dtype::I8 => element.first_chunk().map(|&bytes| i64::from(i8::from_le_bytes(bytes))),
            Dtype::U8 | Dtype::Bool => element.first().map(|&byte| i64::from(byte)),
            _ => None,
        }
    }

    fn read<const SIZE: usize>(
        &self,
        storage: &[u8],
        number: impl Fn([u8; SIZE]) -> f32,
        values: &mut Vec<f32>,
    ) {
        let count: usize = self.shape.iter().product();
        let elements = storage.as_chunks().0;
        if is_row_major(&self.shape, &self.strides) {
            let end = self.offset + count;
            values.extend(
                elements.get(self.offset..end).unwrap_or_default().iter().map(|&bytes| number(bytes)),
            );
            return;
        }
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..count {
            values.push(number(elements[place]));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                place += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                place -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
    }
}

fn is_within(shape: &[usize], strides: &[usize], offset: usize, elements: usize) -> bool {
    if shape.len() != strides.len() || shape.len() > MOST_AXES {
        return false;
    }
    let longest = shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(axis.max(1)));
    if longest.is_none() || shape.contains(&0) {
        return longest.is_some() && offset <= elements;
    }
    let last = shape.iter().zip(strides).try_fold(offset, |place, (&axis, &stride)| {
        (axis - 1).checked_mul(stride).and_then(|step| place.checked_add(step))
    });
    // One step beyond the last element is taken while walking.
    let steps = shape.iter().zip(strides).try_fold(0usize, |sum, (&axis, &stride)| {
        axis.checked_mul(stride).and_then(|step| sum.checked_add(step))
    });
    last.is_some_and(|last| last < elements)
        && steps.is_some_and(|steps| steps.checked_add(elements).is_some())
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&axis, &stride)| {
        let fits = axis == 1 || stride == step;
        step *= axis.max(1);
        fits
    })
}

/// A number of half precision (IEEE 754 binary16) in single precision, which has all of them.
///
/// ```
/// assert_eq!(convscope_torch::half(0xc500), -5.0);
/// ```
pub fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], strides: &[usize], offset: usize) -> Result<Tensor, TorchError> {
        Tensor::new(Dtype::I16, shape.to_vec(), strides.to_vec(), offset, 2..26)
    }

    #[test]
    fn strides_and_offsets_choose_the_elements() {
        let file: Vec<u8> = (-1i16..12).flat_map(i16::to_le_bytes).collect();
        let values = |shape: &[usize], strides: &[usize], offset| {
            tensor(shape, strides, offset).unwrap().values(&file).unwrap()
        };
        assert_eq!(values(&[2, 3], &[3, 1], 0), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(values(&[3, 2], &[1, 3], 0), [0., 3., 1., 4., 2., 5.]);
        assert_eq!(values(&[2, 2], &[4, 2], 5), [5., 7., 9., 11.]);
        assert_eq!(values(&[3], &[0], 4), [4., 4., 4.]);
        assert_eq!(values(&[], &[], 11), [11.]);
        assert_eq!(values(&[1, 3], &[70, 1], 9), [9., 10., 11.]);
        assert_eq!(values(&[0, 5], &[5, 1], 0), [0.; 0]);
        assert_eq!(tensor(&[1], &[1], 11).unwrap().integer(&file), Some(11));
        assert_eq!(tensor(&[2], &[1], 0).unwrap().integer(&file), None);
    }

    #[test]
    fn a_view_beyond_its_storage_is_refused() {
        for (shape, strides, offset) in [
            (&[2, 3][..], &[3, 1][..], 7),
            (&[13], &[1], 0),
            (&[2], &[12], 0),
            (&[1], &[1], 12),
            (&[], &[], 12),
            (&[2, 2], &[1], 0),
            (&[usize::MAX], &[usize::MAX], 0),
            (&[usize::MAX, 2], &[0, 0], 0),
            (&[1], &[usize::MAX], 1),
            (&[0], &[1], 13),
            (&[usize::MAX, 2, 0], &[1, 1, 1], 0),
            (&[1; 65], &[1; 65], 0),
        ] {
            let error = tensor(shape, strides, offset).unwrap_err();
            assert!(
                matches!(error, TorchError::Outside { elements: 12, .. }),
                "{shape:?} {strides:?}: {error}"
            );
        }
    }

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0xfc00, f32::NEG_INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
