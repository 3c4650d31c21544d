//! Arrays of a file, decoded where their numbers are needed.

use std::borrow::Cow;
use std::rc::Rc;

use convscope_kernels::memory;

use crate::OnnxError;
use crate::element::{decode_floats, decode_ints, half, size_of};
use crate::external::External;
use crate::proto::{DataLocation, DataType, TensorProto};

/// Most elements of one array, as of a network's.
const MOST_ELEMENTS: usize = convscope_ops::limits::MOST_ELEMENTS;

/// Most axes of an array.
const MOST_AXES: usize = 32;

/// An array of constants.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) dims: Vec<usize>,
    pub(crate) data: Data,
}

/// Its numbers in C order.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Numbers of any precision, decoded.
    Floats(Rc<Vec<f32>>),
    /// Integers of any size.
    Ints(Rc<Vec<i64>>),
    /// Yes or no.
    Bools(Rc<Vec<bool>>),
    /// One number for all.
    Filled(f32),
    /// As the file has them.
    Stored(Rc<Stored>),
}

/// Numbers that are not decoded yet.
#[derive(Debug)]
pub(crate) struct Stored {
    proto: TensorProto,
    kind: DataType,
    len: usize,
    external: Option<External>,
}

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
}

impl Tensor {
    /// The array of a message; `folder` has the files that it may refer to.
    pub(crate) fn new(proto: TensorProto, folder: Option<&std::path::Path>) -> Result<Tensor, OnnxError> {
        let name = proto.name.clone();
        let wrong = |problem: String| OnnxError::tensor(&name, problem);
        let dims = dims(&proto.dims).map_err(wrong)?;
        let len = elements(&dims).filter(|&len| len <= MOST_ELEMENTS);
        let len =
            len.ok_or_else(|| wrong(format!("has the axes {dims:?}, more than {MOST_ELEMENTS} elements")))?;
        let kind = DataType::try_from(proto.data_type).unwrap_or_default();
        let size = size_of(kind).ok_or_else(|| {
            wrong(format!("has numbers of the type {}, which is not supported", name_of(proto.data_type)))
        })?;
        let external = if proto.data_location == DataLocation::External as i32 {
            Some(External::new(&proto, folder, (len * size) as u64)?)
        } else {
            None
        };
        let stored = Stored { kind, len, external, proto };
        stored.check().map_err(wrong)?;
        let tensor = Tensor { dims, data: Data::Stored(Rc::new(stored)) };
        match tensor.kind() {
            Kind::Float => Ok(tensor),
            Kind::Int => Ok(Tensor::ints(tensor.dims.clone(), tensor.to_ints()?.into_owned())),
            Kind::Bool => Ok(Tensor::bools(tensor.dims.clone(), tensor.to_bools()?)),
        }
    }

    pub(crate) fn floats(dims: Vec<usize>, values: Vec<f32>) -> Tensor {
        Tensor { dims, data: Data::Floats(Rc::new(values)) }
    }

    pub(crate) fn ints(dims: Vec<usize>, values: Vec<i64>) -> Tensor {
        Tensor { dims, data: Data::Ints(Rc::new(values)) }
    }

    pub(crate) fn bools(dims: Vec<usize>, values: Vec<bool>) -> Tensor {
        Tensor { dims, data: Data::Bools(Rc::new(values)) }
    }

    /// A list of integers.
    pub(crate) fn list(values: impl IntoIterator<Item = i64>) -> Tensor {
        let values: Vec<i64> = values.into_iter().collect();
        Tensor::ints(vec![values.len()], values)
    }

    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.data {
            Data::Floats(_) | Data::Filled(_) => Kind::Float,
            Data::Ints(_) => Kind::Int,
            Data::Bools(_) => Kind::Bool,
            Data::Stored(stored) => match stored.kind {
                DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16 => Kind::Float,
                DataType::Bool => Kind::Bool,
                _ => Kind::Int,
            },
        }
    }

    /// The numbers as single precision.
    pub(crate) fn to_floats(&self) -> Result<Cow<'_, [f32]>, OnnxError> {
        match &self.data {
            Data::Floats(values) => Ok(Cow::Borrowed(values)),
            &Data::Filled(value) => {
                let mut values = memory::zeros(self.len())?;
                values.fill(value);
                Ok(Cow::Owned(values))
            }
            Data::Ints(values) => Ok(values.iter().map(|&value| value as f32).collect()),
            Data::Bools(values) => Ok(values.iter().map(|&value| f32::from(value)).collect()),
            Data::Stored(stored) => {
                let mut values = memory::zeros(stored.len)?;
                stored.read(&mut values)?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// Writes the numbers as single precision to an array of as many elements.
    pub(crate) fn write(&self, to: &mut [f32]) -> Result<(), OnnxError> {
        match &self.data {
            Data::Stored(stored) => stored.read(to),
            &Data::Filled(value) => {
                to.fill(value);
                Ok(())
            }
            _ => {
                to.copy_from_slice(&self.to_floats()?);
                Ok(())
            }
        }
    }

    /// The numbers as integers; those of other kinds are cut off.
    pub(crate) fn to_ints(&self) -> Result<Cow<'_, [i64]>, OnnxError> {
        match &self.data {
            Data::Ints(values) => Ok(Cow::Borrowed(values)),
            Data::Bools(values) => Ok(values.iter().map(|&value| i64::from(value)).collect()),
            Data::Stored(stored) if self.kind() == Kind::Int => Ok(Cow::Owned(stored.ints()?)),
            _ => Ok(self.to_floats()?.iter().map(|&value| value as i64).collect()),
        }
    }

    pub(crate) fn to_bools(&self) -> Result<Vec<bool>, OnnxError> {
        match &self.data {
            Data::Bools(values) => Ok(values.to_vec()),
            Data::Stored(stored) if stored.kind == DataType::Bool => {
                Ok(stored.ints()?.into_iter().map(|value| value != 0).collect())
            }
            _ => Ok(self.to_floats()?.iter().map(|&value| value != 0.0).collect()),
        }
    }

    /// The only number.
    pub(crate) fn scalar(&self) -> Option<f32> {
        if self.len() == 1 { self.to_floats().ok().map(|values| values[0]) } else { None }
    }

    /// The same numbers under other axes.
    pub(crate) fn reshaped(&self, dims: Vec<usize>) -> Tensor {
        Tensor { dims, data: self.data.clone() }
    }
}

impl Stored {
    /// Fails if the numbers do not fill the axes.
    fn check(&self) -> Result<(), String> {
        let found = match (&self.external, self.proto.raw_data.is_empty()) {
            (Some(_), _) => return Ok(()),
            (None, false) => {
                let size = size_of(self.kind).unwrap_or(1);
                if !self.proto.raw_data.len().is_multiple_of(size) {
                    return Err(format!(
                        "has {} bytes, which are no whole numbers of {size}",
                        self.proto.raw_data.len()
                    ));
                }
                self.proto.raw_data.len() / size
            }
            (None, true) => match self.kind {
                DataType::Float => self.proto.float_data.len(),
                DataType::Double => self.proto.double_data.len(),
                DataType::Int64 => self.proto.int64_data.len(),
                DataType::Uint32 | DataType::Uint64 => self.proto.uint64_data.len(),
                _ => self.proto.int32_data.len(),
            },
        };
        if found == self.len {
            return Ok(());
        }
        Err(format!("has the axes {:?} and {found} numbers", self.proto.dims))
    }

    fn read(&self, to: &mut [f32]) -> Result<(), OnnxError> {
        let proto = &self.proto;
        if let Some(external) = &self.external {
            return external.read(self.kind, to);
        }
        if !proto.raw_data.is_empty() {
            decode_floats(self.kind, &proto.raw_data, to);
            return Ok(());
        }
        match self.kind {
            DataType::Float => to.copy_from_slice(&proto.float_data),
            DataType::Double => {
                to.iter_mut().zip(&proto.double_data).for_each(|(to, from)| *to = *from as f32)
            }
            DataType::Float16 => {
                to.iter_mut().zip(&proto.int32_data).for_each(|(to, from)| *to = half(*from as u16))
            }
            DataType::Bfloat16 => to
                .iter_mut()
                .zip(&proto.int32_data)
                .for_each(|(to, from)| *to = f32::from_bits((*from as u32) << 16)),
            _ => to.iter_mut().zip(self.ints()?).for_each(|(to, from)| *to = from as f32),
        }
        Ok(())
    }

    fn ints(&self) -> Result<Vec<i64>, OnnxError> {
        let proto = &self.proto;
        let mut owned = Vec::new();
        if let Some(external) = &self.external {
            owned = vec![0; self.len * size_of(self.kind).unwrap_or(1)];
            external.bytes(&mut owned)?;
        }
        let raw: &[u8] = if owned.is_empty() { &proto.raw_data } else { &owned };
        if !raw.is_empty() {
            return Ok(decode_ints(self.kind, raw));
        }
        Ok(match self.kind {
            DataType::Int64 => proto.int64_data.clone(),
            DataType::Uint32 | DataType::Uint64 => {
                proto.uint64_data.iter().map(|&value| value as i64).collect()
            }
            _ => proto.int32_data.iter().map(|&value| i64::from(value)).collect(),
        })
    }
}

/// Axes as sizes.
pub(crate) fn dims(dims: &[i64]) -> Result<Vec<usize>, String> {
    if dims.len() > MOST_AXES {
        return Err(format!("has {} axes, more than {MOST_AXES}", dims.len()));
    }
    let size = |&axis: &i64| usize::try_from(axis).map_err(|_| format!("has an axis of length {axis}"));
    dims.iter().map(size).collect()
}

/// The number of elements, if it can be counted.
pub(crate) fn elements(dims: &[usize]) -> Option<usize> {
    // A zero must not hide an overflow.
    dims.iter().filter(|&&axis| axis > 0).try_fold(1usize, |product, &axis| product.checked_mul(axis))?;
    Some(dims.iter().product())
}

fn name_of(kind: i32) -> String {
    DataType::try_from(kind)
        .map_or_else(|_| format!("number {kind}"), |kind| format!("{kind:?}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(dims: &[i64], kind: DataType, raw: &[u8]) -> TensorProto {
        TensorProto {
            dims: dims.to_vec(),
            data_type: kind as i32,
            raw_data: raw.to_vec().into(),
            ..Default::default()
        }
    }

    #[test]
    fn every_type_is_decoded() {
        let floats = |kind, raw: &[u8], len| {
            Tensor::new(proto(&[len], kind, raw), None).unwrap().to_floats().unwrap().into_owned()
        };
        // 1.5, -0.25, the smallest number and infinity in half precision.
        let half = [0x00, 0x3e, 0x00, 0xb4, 0x01, 0x00, 0x00, 0x7c];
        assert_eq!(floats(DataType::Float16, &half, 4), [1.5, -0.25, 2f32.powi(-24), f32::INFINITY]);
        assert_eq!(floats(DataType::Bfloat16, &[0xc0, 0x3f], 1), [1.5]);
        assert_eq!(floats(DataType::Double, &(-2.5f64).to_le_bytes(), 1), [-2.5]);
        assert_eq!(floats(DataType::Int8, &[0xff, 3], 2), [-1.0, 3.0]);
        let listed = TensorProto {
            dims: vec![2],
            data_type: DataType::Float as i32,
            float_data: vec![1.0, 2.0],
            ..Default::default()
        };
        assert_eq!(*Tensor::new(listed, None).unwrap().to_floats().unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn sizes_are_compared_before_anything_is_decoded() {
        let error = |dims: &[i64], raw: &[u8]| {
            Tensor::new(proto(dims, DataType::Float, raw), None).unwrap_err().to_string()
        };
        assert!(error(&[2], &[0; 4]).contains("the axes [2] and 1 numbers"));
        assert!(error(&[1 << 40, 1 << 40], &[0; 4]).contains("elements"));
        assert!(error(&[0, 1 << 62, 8], &[]).contains("elements"));
        assert!(error(&[-1], &[0; 4]).contains("length -1"));
        assert!(error(&[1], &[0; 5]).contains("5 bytes"));
        assert!(
            Tensor::new(proto(&[1], DataType::String, &[]), None).unwrap_err().to_string().contains("string")
        );
    }

    #[test]
    fn external_numbers_stay_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(folder.path().join("outside.bin"), [0; 64]).unwrap();
        std::fs::write(inner.join("w.bin"), [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).concat()).unwrap();
        let tensor = |location: &str, offset: &str, dims: &[i64]| {
            let entry = |key: &str, value: &str| crate::proto::StringStringEntryProto {
                key: key.into(),
                value: value.into(),
            };
            let external_data = vec![entry("location", location), entry("offset", offset)];
            let data_location = DataLocation::External as i32;
            let proto = TensorProto { external_data, data_location, ..proto(dims, DataType::Float, &[]) };
            Tensor::new(proto, Some(&inner))
        };
        assert_eq!(*tensor("w.bin", "4", &[2]).unwrap().to_floats().unwrap(), [2.0, 3.0]);
        for (location, offset, len) in [
            ("../outside.bin", "0", 2),
            ("w.bin", "8", 2),
            ("w.bin", "x", 1),
            ("none", "0", 1),
            ("w.bin", "18446744073709551615", 1),
        ] {
            assert!(tensor(location, offset, &[len]).is_err(), "{location} {offset}");
        }
        assert!(tensor(inner.join("w.bin").to_str().unwrap(), "0", &[1]).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("outside.bin"), inner.join("link")).unwrap();
            assert!(tensor("link", "0", &[1]).unwrap_err().to_string().contains("not a file in the folder"));
        }
    }
}
