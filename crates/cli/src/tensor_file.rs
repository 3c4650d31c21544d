//! Tensors in `.npy`, `.npz` and `.safetensors` files.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use convscope_files::{WholeFile, write_whole};
use convscope_verify::{Tensor, TensorFileError, Which};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use safetensors::tensor::{Dtype, TensorView};

/// Reads one tensor: the only one of a file, the one called `name`, or the one of `FILE:NAME`.
pub(crate) fn read(spec: &str, name: &str) -> Result<Tensor> {
    let (file, wanted) = match spec.rsplit_once(':') {
        Some((file, wanted)) if !Path::new(spec).exists() && Path::new(file).exists() => (file, Some(wanted)),
        _ => (spec, None),
    };
    let path = Path::new(file);
    read_tensor(path, wanted, name).with_context(|| path.display().to_string())
}

/// Writes tensors: `output` alone to a `.npy` file, all of them to a `.npz` or `.safetensors` file.
pub(crate) fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let written = match extension(path) {
        Some("npy") => write_npy(path, &tensors["output"]),
        Some("npz") => write_npz(path, tensors),
        Some("safetensors") => write_safetensors(path, tensors),
        _ => Err(anyhow!("the name must end in .npy, .npz or .safetensors")),
    };
    written.with_context(|| path.display().to_string())
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// The only tensor of a file, the one called `name`, or the requested one.
fn read_tensor(path: &Path, wanted: Option<&str>, name: &str) -> Result<Tensor> {
    let which = wanted.map_or(Which::NamedOrOnly(name), Which::Named);
    let open = || convscope_files::open(path).context("cannot be read");
    let read = match extension(path) {
        Some("npy") => {
            let file = open()?;
            let len = file.metadata().context("cannot be read")?.len();
            Tensor::read_npy(BufReader::new(file), len)
        }
        Some("npz") => Tensor::read_npz(BufReader::new(open()?), which),
        Some("safetensors") => {
            Tensor::read_safetensors(&convscope_files::read(path).context("cannot be read")?, which)
        }
        _ => bail!("is not a .npy, .npz or .safetensors file"),
    };
    read.map_err(|error| {
        let advice = match &error {
            TensorFileError::NoTensor { .. } => "; choose one as FILE:NAME",
            TensorFileError::Type { .. } => "; save it with .astype('float32')",
            _ => "",
        };
        anyhow!("{error}{advice}")
    })
}

fn create(path: &Path) -> Result<WholeFile> {
    WholeFile::create(path).context("cannot be written")
}

fn write_npy(path: &Path, tensor: &Tensor) -> Result<()> {
    let mut file = create(path)?;
    match tensor {
        Tensor::F32(array) => array.write_npy(&mut file)?,
        Tensor::F64(array) => array.write_npy(&mut file)?,
        Tensor::I64(array) => array.write_npy(&mut file)?,
    }
    file.commit().context("cannot be written")
}

fn write_npz(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut file = create(path)?;
    let mut npz = NpzWriter::new(&mut file);
    for (name, tensor) in tensors {
        match tensor {
            Tensor::F32(array) => npz.add_array(name.as_str(), array)?,
            Tensor::F64(array) => npz.add_array(name.as_str(), array)?,
            Tensor::I64(array) => npz.add_array(name.as_str(), array)?,
        }
    }
    npz.finish()?;
    file.commit().context("cannot be written")
}

fn write_safetensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let bytes: Vec<(&str, Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| match tensor {
            Tensor::F32(array) => {
                (name.as_str(), Dtype::F32, array.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
            Tensor::F64(array) => {
                (name.as_str(), Dtype::F64, array.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
            Tensor::I64(array) => {
                (name.as_str(), Dtype::I64, array.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, dtype, bytes)| {
            Ok((*name, TensorView::new(*dtype, tensors[*name].shape().to_vec(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)?;
    write_whole(path, |file| file.write_all(&bytes)).context("cannot be written")
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    #[test]
    fn every_format_gives_back_what_it_took() {
        let folder = tempfile::tempdir().unwrap();
        let values =
            ArrayD::from_shape_vec(IxDyn(&[2, 3]), vec![0.5, -1.0, 2.0, f32::NAN, 1e-9, 7.0]).unwrap();
        let indices = ArrayD::from_shape_vec(IxDyn(&[2]), vec![-100, 3]).unwrap();
        let tensors: BTreeMap<String, Tensor> =
            [("output".to_owned(), Tensor::F32(values)), ("indices".to_owned(), Tensor::I64(indices))].into();
        for name in ["a.npz", "a.safetensors"] {
            let path = folder.path().join(name);
            write(&path, &tensors).unwrap();
            let path = path.display();
            let same = |a: &Tensor, b: &Tensor| format!("{a:?}") == format!("{b:?}");
            assert!(same(&read(&path.to_string(), "output").unwrap(), &tensors["output"]), "{name}");
            assert!(same(&read(&format!("{path}:indices"), "input").unwrap(), &tensors["indices"]), "{name}");
            let error = format!("{:#}", read(&path.to_string(), "weight").unwrap_err());
            assert!(
                error.contains("has no tensor 'weight'; it has ")
                    && error.contains("choose one as FILE:NAME"),
                "{error}"
            );
        }
        let path = folder.path().join("a.npy");
        write(&path, &tensors).unwrap();
        assert_eq!(read(&path.display().to_string(), "weight").unwrap().shape(), [2, 3]);
        std::fs::write(folder.path().join("b.npy"), b"no array").unwrap();
        let error =
            format!("{:#}", read(&folder.path().join("b.npy").display().to_string(), "x").unwrap_err());
        assert!(error.contains("b.npy: is not a NumPy array"), "{error}");
    }
}
