//! Tensors in `.npy`, `.npz` and `.safetensors` files.
//!
//! A header is checked against the file's length before anything is allocated for it.

use crate::Tensor;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::npy::header::{Header, ReadHeaderError};
use ndarray_npy::{ReadNpyError, ReadNpyExt};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::io::{Cursor, Read, Seek};
use thiserror::Error;

/// Why no tensor for an operator could be read from a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// Not in NumPy's format, or damaged.
    #[error("is not a NumPy array: {0}")]
    NotNpy(String),
    /// Not an archive of arrays, or damaged.
    #[error("is not a .npz file: {0}")]
    NotNpz(#[from] zip::result::ZipError),
    /// Not in the safetensors format, or damaged.
    #[error("is not a whole safetensors file: {0}")]
    NotSafetensors(#[from] safetensors::SafeTensorError),
    /// The shape does not match the length of the file.
    #[error("has the shape {shape:?}, which needs {needed} bytes, but there are {found}")]
    Length {
        /// The shape in the header.
        shape: Vec<usize>,
        /// Bytes that its values need.
        needed: String,
        /// Bytes after the header.
        found: u64,
    },
    /// Values of a type that operators do not take.
    #[error("holds {found} values, but operators take float32 and int64")]
    Type {
        /// The type, as the format names it.
        found: String,
    },
    /// No tensor has this name.
    #[error("has no tensor '{name}'; it has {}", known.join(", "))]
    NoTensor {
        /// The name.
        name: String,
        /// All names.
        known: Vec<String>,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Which tensor of a file to read.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The one with this name.
    Named(&'a str),
    /// The one with this name, or the only one.
    NamedOrOnly(&'a str),
}

impl Tensor {
    /// Reads a `.npy` file of `len` bytes: float32 or int64, or int32 and uint8, which convert to int64.
    ///
    /// # Errors
    /// A header that is damaged or does not fit the length, values of another type.
    ///
    /// ```
    /// use convscope_verify::Tensor;
    /// use ndarray_npy::WriteNpyExt;
    /// let mut file = Vec::new();
    /// ndarray::arr2(&[[1.5_f32, 2.0, 3.0]]).write_npy(&mut file)?;
    /// assert_eq!(Tensor::read_npy(&file[..], file.len() as u64)?.shape(), [1, 3]);
    /// // One value less than the header says.
    /// assert!(Tensor::read_npy(&file[..file.len() - 4], file.len() as u64 - 4).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_npy(mut file: impl Read, len: u64) -> Result<Tensor, TensorFileError> {
        let bytes = npy_header(&mut file, len)?;
        let damaged = |error: ReadHeaderError| TensorFileError::NotNpy(error.to_string());
        let header = Header::from_reader(&mut &bytes[..]).map_err(damaged)?;
        let kind = header.type_descriptor.as_string().map_or("structured", String::as_str);
        let size = match kind.trim_start_matches(['<', '>', '|', '=']) {
            "f4" | "i4" => 4,
            "i8" => 8,
            "u1" => 1,
            _ => return Err(TensorFileError::Type { found: kind.to_owned() }),
        };
        check_length(&header.shape, size, len - bytes.len() as u64)?;
        let kind = kind.to_owned();
        let file = Cursor::new(bytes).chain(file);
        let damaged = |error: ReadNpyError| TensorFileError::NotNpy(error.to_string());
        Ok(match &kind[kind.len() - 2..] {
            "f4" => Tensor::F32(ArrayD::read_npy(file).map_err(damaged)?),
            "i8" => Tensor::I64(ArrayD::read_npy(file).map_err(damaged)?),
            "i4" => Tensor::I64(ArrayD::<i32>::read_npy(file).map_err(damaged)?.mapv(i64::from)),
            _ => Tensor::I64(ArrayD::<u8>::read_npy(file).map_err(damaged)?.mapv(i64::from)),
        })
    }

    /// Reads an array of a `.npz` file as [`read_npy`](Self::read_npy) does.
    ///
    /// # Errors
    /// Those of [`read_npy`](Self::read_npy), an archive that is damaged, no array with this name.
    pub fn read_npz(file: impl Read + Seek, which: Which<'_>) -> Result<Tensor, TensorFileError> {
        let mut archive = zip::ZipArchive::new(file)?;
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        let bare = |name: &String| name.strip_suffix(".npy").unwrap_or(name).to_owned();
        let chosen = which.among(names.iter().map(bare).collect())?;
        let index = names.iter().position(|name| bare(name) == chosen).unwrap_or_default();
        let entry = archive.by_index(index)?;
        // Deflate compresses at most 1032 bytes into one.
        let most = entry.compressed_size().saturating_mul(1032);
        let len = entry.size();
        if len > most {
            let problem =
                format!("an array of {len} bytes cannot be compressed into {}", entry.compressed_size());
            return Err(TensorFileError::NotNpy(problem));
        }
        Tensor::read_npy(entry.take(len), len)
    }

    /// Reads a tensor of a safetensors file: float32 or int64.
    ///
    /// # Errors
    /// A file that is damaged, no tensor with this name, one of another type.
    pub fn read_safetensors(file: &[u8], which: Which<'_>) -> Result<Tensor, TensorFileError> {
        let file = SafeTensors::deserialize(file)?;
        let chosen = which.among(file.names().into_iter().map(str::to_owned).collect())?;
        let view = file.tensor(&chosen)?;
        match view.dtype() {
            Dtype::F32 | Dtype::I64 => Tensor::from_view(&view),
            other => Err(TensorFileError::Type { found: format!("{other:?}") }),
        }
    }

    /// A tensor of a safetensors file, of any supported type.
    pub(crate) fn from_view(view: &TensorView<'_>) -> Result<Tensor, TensorFileError> {
        let data = view.data();
        // A zero among the axes hides an overflow of the others from the format.
        check_length(view.shape(), view.dtype().bitsize() as u64 / 8, data.len() as u64)?;
        let shape = IxDyn(view.shape());
        Ok(match view.dtype() {
            Dtype::F32 => Tensor::F32(array(shape, data, f32::from_le_bytes)),
            Dtype::F64 => Tensor::F64(array(shape, data, f64::from_le_bytes)),
            Dtype::I64 => Tensor::I64(array(shape, data, i64::from_le_bytes)),
            other => return Err(TensorFileError::Type { found: format!("{other:?}") }),
        })
    }
}

impl Which<'_> {
    fn among(self, known: Vec<String>) -> Result<String, TensorFileError> {
        let (Which::Named(name) | Which::NamedOrOnly(name)) = self;
        match (self, known.as_slice()) {
            _ if known.iter().any(|known| known == name) => Ok(name.to_owned()),
            (Which::NamedOrOnly(_), [only]) => Ok(only.clone()),
            _ => Err(TensorFileError::NoTensor { name: name.to_owned(), known }),
        }
    }
}

fn array<T, const N: usize>(shape: IxDyn, data: &[u8], value: fn([u8; N]) -> T) -> ArrayD<T> {
    let values = data.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect();
    ArrayD::from_shape_vec(shape, values).expect("the length was checked against the shape")
}

/// Fails unless an array of this shape is as long as the data after the header, and can be addressed.
fn check_length(shape: &[usize], size: u64, found: u64) -> Result<(), TensorFileError> {
    // Axes of length 0 must not hide an overflow of the others, which `ndarray` counts.
    let counted = shape.iter().filter(|&&axis| axis > 0);
    let counted = counted.fold(1u64, |product, &axis| product.saturating_mul(axis as u64));
    let needed = if shape.contains(&0) { 0 } else { counted.saturating_mul(size) };
    if counted.saturating_mul(size) <= isize::MAX as u64 && needed == found {
        return Ok(());
    }
    let overflows = counted.saturating_mul(size) > isize::MAX as u64;
    let needed = if overflows { "more than 2^63".to_owned() } else { needed.to_string() };
    Err(TensorFileError::Length { shape: shape.to_vec(), needed, found })
}

/// Most bytes of a header; NumPy has the same limit.
const MOST_HEADER: usize = 10_000;
/// Deepest nesting of brackets in a header: a dictionary and a tuple are two.
const DEEPEST: usize = 8;

/// The bytes of a `.npy` file up to its values.
fn npy_header(file: &mut impl Read, len: u64) -> Result<Vec<u8>, TensorFileError> {
    let wrong = |problem: &str| TensorFileError::NotNpy(problem.to_owned());
    let mut bytes = vec![0; 8];
    let mut next = |bytes: &mut [u8]| file.read_exact(bytes).map_err(|_| wrong("it ends in its header"));
    next(&mut bytes)?;
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(wrong("it does not begin like one"));
    }
    let mut width = vec![0; if bytes[6] == 1 { 2 } else { 4 }];
    next(&mut width)?;
    let header_len = width.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte));
    bytes.append(&mut width);
    if header_len > MOST_HEADER || (bytes.len() + header_len) as u64 > len {
        return Err(TensorFileError::NotNpy(format!("its header of {header_len} bytes is too long")));
    }
    let mut header = vec![0; header_len];
    next(&mut header)?;
    // The parser recurses for each bracket.
    let mut depth = 0_usize;
    for byte in &header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(wrong("its header has too many nested brackets"));
        }
    }
    bytes.append(&mut header);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_testkit::hostile;
    use ndarray_npy::{NpzWriter, WriteNpyExt};

    fn refusal(file: &[u8]) -> String {
        Tensor::read_npy(file, file.len() as u64).unwrap_err().to_string()
    }

    #[test]
    fn a_header_is_compared_with_the_length() {
        let shape = |shape: &str, values: &[f32]| hostile::npy(shape, values);
        assert!(
            refusal(&shape("(1099511627776,)", &[])).contains("needs 4398046511104 bytes, but there are 0")
        );
        assert!(refusal(&shape("(0, 4611686018427387904, 8)", &[])).contains("needs more than 2^63 bytes"));
        assert!(refusal(&shape("(3, 2)", &[1.0; 5])).contains("needs 24 bytes, but there are 20"));
        assert!(refusal(&shape("(3, 2)", &[1.0; 7])).contains("needs 24 bytes, but there are 28"));
        let read = |file: Vec<u8>| Tensor::read_npy(&file[..], file.len() as u64).unwrap();
        assert_eq!(read(shape("(3, 2)", &[1.0; 6])).shape(), [3, 2]);
        assert_eq!(read(shape("(0, 7, 5)", &[])).shape(), [0, 7, 5]);
        assert_eq!(read(shape("()", &[2.5])), Tensor::F32(ndarray::arr0(2.5).into_dyn()));
    }

    #[test]
    fn a_header_is_short_and_flat() {
        assert!(refusal(b"\x93NUMPY\x02\0\xff\xff\xff\xff{").contains("4294967295 bytes is too long"));
        assert!(refusal(&hostile::npy(&"(".repeat(5000), &[])).contains("too many nested brackets"));
        assert!(refusal(b"\x93NUMPY\x01\0").contains("ends in its header"));
        assert!(refusal(b"no array at all").contains("does not begin like one"));
        assert!(refusal(&hostile::npy("(True,)", &[])).contains("is not a NumPy array"));
    }

    #[test]
    fn whole_numbers_convert_and_others_are_named() {
        let mut file = Vec::new();
        ndarray::arr1(&[7_u8, 255]).write_npy(&mut file).unwrap();
        let expected = Tensor::I64(ndarray::arr1(&[7, 255]).into_dyn());
        assert_eq!(Tensor::read_npy(&file[..], file.len() as u64).unwrap(), expected);
        let mut file = Vec::new();
        ndarray::arr1(&[7.0_f64]).write_npy(&mut file).unwrap();
        assert_eq!(refusal(&file), "holds <f8 values, but operators take float32 and int64");
    }

    #[test]
    fn an_archive_gives_the_array_asked_for_and_cannot_exaggerate() {
        let mut file = Cursor::new(Vec::new());
        let mut npz = NpzWriter::new_compressed(&mut file);
        npz.add_array("a", &ndarray::arr1(&[1.0_f32, 2.0])).unwrap();
        npz.add_array("b", &ndarray::arr1(&[7_i64])).unwrap();
        npz.finish().unwrap();
        let file = file.into_inner();
        let read = |file: &[u8], which| Tensor::read_npz(Cursor::new(file.to_vec()), which);
        assert_eq!(read(&file, Which::Named("b")).unwrap(), Tensor::I64(ndarray::arr1(&[7]).into_dyn()));
        let error = read(&file, Which::NamedOrOnly("input")).unwrap_err().to_string();
        assert_eq!(error, "has no tensor 'input'; it has a, b");
        // The size of the first array in the directory at the end.
        let at = file.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap() + 24;
        let mut large = file.clone();
        large[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        large[at + 3] = 0x7f;
        let error = read(&large, Which::Named("a")).unwrap_err().to_string();
        assert!(error.contains("cannot be compressed into") || error.contains("is not a"), "{error}");
        assert!(read(b"PK", Which::Named("a")).is_err());
    }

    #[test]
    fn a_zero_among_the_axes_hides_nothing() {
        let header = r#"{"x":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}}"#;
        let file = hostile::safetensors(header, &[]);
        let error = Tensor::read_safetensors(&file, Which::NamedOrOnly("input")).unwrap_err().to_string();
        assert!(error.contains("needs more than 2^63 bytes"), "{error}");
    }
}
