//! Tensors in `.npy`, `.npz` and `.safetensors` files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use convscope_ops::verify::Tensor;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{NpzReader, NpzWriter, ReadNpyExt, ReadableElement, WriteNpyExt};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Reads one tensor: the only one of a file, the one called `name`, or the one of `FILE:NAME`.
pub(crate) fn read(spec: &str, name: &str) -> Result<Tensor> {
    let (file, wanted) = match spec.rsplit_once(':') {
        Some((file, wanted)) if !Path::new(spec).exists() && Path::new(file).exists() => (file, Some(wanted)),
        _ => (spec, None),
    };
    let path = Path::new(file);
    let read = match extension(path) {
        Some("npy") => read_npy(path),
        Some("npz") => read_npz(path, wanted, name),
        Some("safetensors") => read_safetensors(path, wanted, name),
        _ => Err(anyhow!("is no .npy, .npz or .safetensors file")),
    };
    read.with_context(|| path.display().to_string())
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

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path).context("cannot be read")?))
}

fn read_npy(path: &Path) -> Result<Tensor> {
    any_type(|| open(path))
}

/// Tries the types that operators take, and those that convert to them without loss.
fn any_type<R: Read>(mut reader: impl FnMut() -> Result<R>) -> Result<Tensor> {
    fn as_type<T: ReadableElement, R: Read>(reader: R) -> Result<ArrayD<T>, ndarray_npy::ReadNpyError> {
        ArrayD::<T>::read_npy(reader)
    }
    let first = match as_type::<f32, _>(reader()?) {
        Ok(array) => return Ok(Tensor::F32(array)),
        Err(error) => error,
    };
    if let Ok(array) = as_type::<i64, _>(reader()?) {
        return Ok(Tensor::I64(array));
    }
    if let Ok(array) = as_type::<i32, _>(reader()?) {
        return Ok(Tensor::I64(array.mapv(i64::from)));
    }
    if let Ok(array) = as_type::<u8, _>(reader()?) {
        return Ok(Tensor::I64(array.mapv(i64::from)));
    }
    if as_type::<f64, _>(reader()?).is_ok() {
        bail!("holds float64 values, operators take float32; save it with .astype('float32')");
    }
    Err(anyhow!(first).context("holds no float32 or int64 array"))
}

fn read_npz(path: &Path, wanted: Option<&str>, name: &str) -> Result<Tensor> {
    let names = |npz: &mut NpzReader<BufReader<File>>| -> Result<Vec<String>> {
        let names = npz.names().context("is no whole .npz file")?;
        Ok(names.into_iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect())
    };
    let mut npz = NpzReader::new(open(path)?).context("is no whole .npz file")?;
    let chosen = choose(&names(&mut npz)?, wanted, name)?;
    fn as_type<T: ReadableElement, R: Read + Seek>(npz: &mut NpzReader<R>, name: &str) -> Option<ArrayD<T>> {
        npz.by_name::<ndarray::OwnedRepr<T>, IxDyn>(name).ok()
    }
    if let Some(array) = as_type::<f32, _>(&mut npz, &chosen) {
        return Ok(Tensor::F32(array));
    }
    let integers = as_type::<i64, _>(&mut npz, &chosen)
        .or_else(|| as_type::<i32, _>(&mut npz, &chosen).map(|array| array.mapv(i64::from)));
    integers.map(Tensor::I64).ok_or_else(|| anyhow!("'{chosen}' holds no float32 or int64 array"))
}

fn read_safetensors(path: &Path, wanted: Option<&str>, name: &str) -> Result<Tensor> {
    let bytes = std::fs::read(path).context("cannot be read")?;
    let file = SafeTensors::deserialize(&bytes).context("is no whole safetensors file")?;
    let names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    let chosen = choose(&names, wanted, name)?;
    let view = file.tensor(&chosen)?;
    let shape = IxDyn(view.shape());
    let data = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => {
            let values = data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            Tensor::F32(ArrayD::from_shape_vec(shape, values)?)
        }
        Dtype::I64 => {
            let values = data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
            Tensor::I64(ArrayD::from_shape_vec(shape, values)?)
        }
        other => bail!("'{chosen}' holds {other:?} values, operators take F32 and I64"),
    })
}

/// The tensor asked for by name, the one of the argument's name, or the only one.
fn choose(names: &[String], wanted: Option<&str>, argument: &str) -> Result<String> {
    let has = |name: &str| names.iter().any(|known| known == name);
    match wanted {
        Some(wanted) if has(wanted) => Ok(wanted.to_owned()),
        Some(wanted) => bail!("has no tensor '{wanted}'; it has {}", names.join(", ")),
        None if has(argument) => Ok(argument.to_owned()),
        None if names.len() == 1 => Ok(names[0].clone()),
        None => bail!("has no tensor '{argument}'; choose one as FILE:NAME of {}", names.join(", ")),
    }
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).context("cannot be written")?))
}

fn write_npy(path: &Path, tensor: &Tensor) -> Result<()> {
    let file = create(path)?;
    match tensor {
        Tensor::F32(array) => array.write_npy(file)?,
        Tensor::F64(array) => array.write_npy(file)?,
        Tensor::I64(array) => array.write_npy(file)?,
    }
    Ok(())
}

fn write_npz(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut npz = NpzWriter::new(create(path)?);
    for (name, tensor) in tensors {
        match tensor {
            Tensor::F32(array) => npz.add_array(name.as_str(), array)?,
            Tensor::F64(array) => npz.add_array(name.as_str(), array)?,
            Tensor::I64(array) => npz.add_array(name.as_str(), array)?,
        }
    }
    npz.finish()?;
    Ok(())
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
    std::fs::write(path, safetensors::serialize(views, None)?).context("cannot be written")
}

#[cfg(test)]
mod tests {
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
            assert!(error.contains("has no tensor 'weight'; choose one as FILE:NAME of"), "{error}");
        }
        let path = folder.path().join("a.npy");
        write(&path, &tensors).unwrap();
        assert_eq!(read(&path.display().to_string(), "weight").unwrap().shape(), [2, 3]);
        std::fs::write(folder.path().join("b.npy"), b"no array").unwrap();
        let error =
            format!("{:#}", read(&folder.path().join("b.npy").display().to_string(), "x").unwrap_err());
        assert!(error.contains("b.npy: holds no float32 or int64 array"), "{error}");
    }
}
