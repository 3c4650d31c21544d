//! Weights files of any origin: arrays by name, without a description of the network.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use convscope_keras::KerasFile;
use convscope_kernels::memory::{self, OutOfMemory};
use convscope_ops::{Parameter, ParameterSpec, Role};
use convscope_torch::{Form, TorchFile, half};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::keys::key;
use crate::limits::{MOST_WEIGHTS_BYTES, read_file};
use crate::{Graph, GraphError, KeyMap, Mismatch, Node, Parameters, keras, timm};

/// The arrays of a safetensors file, or of one that `torch.save` or Keras wrote.
pub struct ArraysFile {
    file: String,
    contents: Contents,
}

enum Contents {
    Safetensors(Vec<u8>),
    Torch(TorchFile),
    Keras(KerasFile),
}

/// Parameters from a file, and what else it has.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedArrays {
    /// The arrays of the network.
    pub parameters: Parameters,
    /// Keys of the file that the network has no array for.
    pub surplus: Vec<String>,
    /// Keys of the network that the file has no array for, or one of another shape; these arrays are as they were.
    pub kept: Vec<String>,
}

impl ArraysFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is neither a safetensors file nor one of `torch.save` or Keras with arrays.
    pub fn read(path: &Path) -> Result<ArraysFile, GraphError> {
        let file = path.display().to_string();
        let bytes = read_file(path, MOST_WEIGHTS_BYTES)
            .map_err(|problem| GraphError::Weights { file: file.clone(), problem })?;
        ArraysFile::from_bytes(&file, bytes)
    }

    /// Takes a file's bytes; `file` is its name in errors.
    ///
    /// # Errors
    /// The bytes are neither a safetensors file nor one of `torch.save` or Keras with arrays.
    pub fn from_bytes(file: &str, bytes: Vec<u8>) -> Result<ArraysFile, GraphError> {
        let contents = if Form::of(&bytes).is_some() {
            let read = TorchFile::from_bytes(bytes);
            Contents::Torch(read.map_err(|source| GraphError::Torch { file: file.to_owned(), source })?)
        } else if KerasFile::is_hdf5(&bytes) {
            let read = KerasFile::from_bytes(bytes);
            Contents::Keras(read.map_err(|source| GraphError::Keras { file: file.to_owned(), source })?)
        } else {
            let damaged = |cause| GraphError::Weights {
                file: file.to_owned(),
                problem: format!(
                    "is neither a safetensors file ({cause}) nor one of torch.save or Keras; it may be truncated"
                ),
            };
            SafeTensors::deserialize(&bytes).map_err(damaged)?;
            Contents::Safetensors(bytes)
        };
        Ok(ArraysFile { file: file.to_owned(), contents })
    }

    /// The keys of all arrays, in alphabetical order.
    pub fn keys(&self) -> Vec<String> {
        self.arrays().keys()
    }

    /// The arrays of a network. A count of batches that is missing is 0. Arrays of a node that shares those of another may be there
    /// or not. A prefix such as `module.` that all keys of the file have counts for nothing.
    ///
    /// # Errors
    /// [`GraphError::Mismatch`] with lists of what is missing, surplus and of another shape; an array of an unsupported type; out of
    /// memory.
    pub fn load(&self, graph: &Graph, names: &KeyMap) -> Result<LoadedArrays, GraphError> {
        let fit = self.fit(graph, names);
        if !fit.mismatch.missing.is_empty() || !fit.mismatch.shapes.is_empty() {
            return Err(GraphError::Mismatch { file: self.file.clone(), mismatch: fit.mismatch });
        }
        self.filled(graph, fit, |key, spec| Ok(Parameter::zeros(key, spec)?))
    }

    /// Those arrays of a network that the file has, in the place of those of `initial`; otherwise as [`load`](Self::load).
    ///
    /// # Errors
    /// [`GraphError::Mismatch`] if no array fits; an array of an unsupported type; out of memory.
    pub fn load_part(
        &self,
        graph: &Graph,
        names: &KeyMap,
        initial: &Parameters,
    ) -> Result<LoadedArrays, GraphError> {
        let fit = self.fit(graph, names);
        if fit.theirs.is_empty() {
            return Err(GraphError::Mismatch { file: self.file.clone(), mismatch: fit.mismatch });
        }
        self.filled(graph, fit, |key, spec| match initial.get(key) {
            Some(parameter) => Ok(parameter.clone()),
            None => Ok(Parameter::zeros(key, spec)?),
        })
    }

    fn filled(
        &self,
        graph: &Graph,
        fit: Fit,
        otherwise: impl Fn(&str, &ParameterSpec) -> Result<Parameter, GraphError>,
    ) -> Result<LoadedArrays, GraphError> {
        let arrays = self.arrays();
        let parameters = Parameters::from_arrays(graph, |ours, spec| match fit.theirs.get(ours) {
            Some((theirs, node)) => {
                arrays.parameter(&self.file, Names { ours, theirs }, spec, (graph, &graph.nodes()[*node]))
            }
            None => otherwise(ours, spec),
        })?;
        let Mismatch { missing, surplus, shapes } = fit.mismatch;
        let kept = missing.into_iter().chain(shapes.into_iter().map(|(key, ..)| key)).collect();
        Ok(LoadedArrays { parameters, surplus, kept })
    }

    /// What the arrays of the network are called in the file: as in the network, or as in timm if that fits better.
    fn fit(&self, graph: &Graph, names: &KeyMap) -> Fit {
        let own = self.fit_by(graph, names, Shapes::Equal);
        let timm = timm::names(graph.name()).filter(|_| *names == KeyMap::default());
        let timm = timm.map(|names| self.fit_by(graph, &names, Shapes::Alike));
        timm.filter(|timm| timm.theirs.len() > own.theirs.len()).unwrap_or(own)
    }

    fn fit_by(&self, graph: &Graph, names: &KeyMap, shapes: Shapes) -> Fit {
        let arrays = self.arrays();
        let keys = arrays.keys();
        let wanted: Vec<(String, String, &ParameterSpec, usize)> = graph
            .nodes()
            .iter()
            .enumerate()
            .flat_map(|(index, node)| node.parameters.iter().map(move |spec| (index, node, spec)))
            .map(|(index, node, spec)| {
                let ours = key(&node.name, spec.name);
                let theirs = names.theirs(&node.name, &ours);
                (ours, theirs, spec, index)
            })
            .collect();
        let prefix = prefix(&keys, |prefix| {
            wanted.iter().any(|(_, theirs, ..)| keys.binary_search(&format!("{prefix}{theirs}")).is_ok())
        });
        let mut fit = Fit::default();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for (ours, theirs, spec, node) in wanted {
            let theirs = format!("{prefix}{theirs}");
            let found = arrays.shape(&theirs, &spec.shape);
            let is_shared = graph.nodes()[node].weights_of.is_some();
            used.insert(theirs.clone());
            let is_count = spec.role == Role::BatchesTracked;
            match found {
                // Where arrays are shared, those of the first node count.
                _ if is_shared => {}
                None if is_count => {}
                None => fit.mismatch.missing.push(ours),
                Some(shape) if !is_count && !shapes.accept(&shape, &spec.shape) => {
                    fit.mismatch.shapes.push((ours, spec.shape.clone(), shape));
                }
                Some(_) => drop(fit.theirs.insert(ours, (theirs, node))),
            }
        }
        fit.mismatch.surplus = keys.into_iter().filter(|key| !used.contains(key)).collect();
        fit
    }

    fn arrays(&self) -> Arrays<'_> {
        match &self.contents {
            Contents::Safetensors(bytes) => {
                Arrays::Safetensors(SafeTensors::deserialize(bytes).expect("was read before"))
            }
            Contents::Torch(file) => Arrays::Torch(file),
            Contents::Keras(file) => Arrays::Keras(file),
        }
    }
}

/// How the arrays of a file and a network go together.
#[derive(Default)]
struct Fit {
    /// The key in the file of each array that fits, and the node that it belongs to.
    theirs: HashMap<String, (String, usize)>,
    mismatch: Mismatch,
}

/// Which shapes an array may have in the file.
#[derive(Clone, Copy)]
enum Shapes {
    /// That of the network.
    Equal,
    /// One with the same elements in the same order for each output: timm has 1x1 convolutions where others have dense layers.
    Alike,
}

impl Shapes {
    fn accept(self, found: &[usize], needed: &[usize]) -> bool {
        let count = |shape: &[usize]| shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(axis));
        match self {
            Shapes::Equal => found == needed,
            Shapes::Alike => found.first() == needed.first() && count(found) == count(needed),
        }
    }
}

/// What wrappers of modules put in front of every key.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];

/// What all keys begin with and the network's do not, if it `fits` then.
fn prefix(keys: &[String], fits: impl Fn(&str) -> bool) -> String {
    let mut prefix = String::new();
    while !fits(&prefix) {
        let longer = PREFIXES.iter().map(|next| format!("{prefix}{next}"));
        let shared = longer.into_iter().find(|longer| keys.iter().all(|key| key.starts_with(longer)));
        match shared {
            Some(longer) if !keys.is_empty() => prefix = longer,
            _ => return String::new(),
        }
    }
    prefix
}

/// The arrays of a file by key.
enum Arrays<'a> {
    Safetensors(SafeTensors<'a>),
    Torch(&'a TorchFile),
    Keras(&'a KerasFile),
}

/// What an array is called in the network and in the file.
#[derive(Clone, Copy)]
struct Names<'a> {
    ours: &'a str,
    theirs: &'a str,
}

impl Arrays<'_> {
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = match self {
            Arrays::Safetensors(tensors) => tensors.names().into_iter().map(str::to_owned).collect(),
            Arrays::Torch(file) => file.names().map(str::to_owned).collect(),
            Arrays::Keras(file) => file.names().map(str::to_owned).collect(),
        };
        keys.sort_unstable();
        keys
    }

    /// The shape of an array in PyTorch's order, where `needed` is expected.
    fn shape(&self, key: &str, needed: &[usize]) -> Option<Vec<usize>> {
        match self {
            Arrays::Safetensors(tensors) => tensors.tensor(key).ok().map(|tensor| tensor.shape().to_vec()),
            Arrays::Torch(file) => file.tensor(key).map(|tensor| tensor.shape().to_vec()),
            Arrays::Keras(file) => file.shape(key).map(|found| keras::shape(found, needed)),
        }
    }

    /// The array `ours` of a network's node, which the file has under the key `theirs`.
    fn parameter(
        &self,
        file: &str,
        Names { ours, theirs }: Names<'_>,
        spec: &ParameterSpec,
        (graph, node): (&Graph, &Node),
    ) -> Result<Parameter, GraphError> {
        let problem = |problem| GraphError::Weights { file: file.to_owned(), problem };
        let missing = || problem(format!("has no array '{theirs}'"));
        match self {
            Arrays::Safetensors(tensors) => {
                let tensor = tensors.tensor(theirs).map_err(|_| missing())?;
                parameter(ours, spec, &tensor)?.ok_or_else(|| {
                    problem(format!("'{theirs}' has type {:?}, which is not supported", tensor.dtype()))
                })
            }
            Arrays::Torch(of_torch) => {
                let tensor = of_torch.tensor(theirs).ok_or_else(missing)?;
                if spec.role == Role::BatchesTracked {
                    let batches = of_torch.integer(tensor).and_then(|count| u64::try_from(count).ok());
                    return Ok(Parameter { batches: batches.unwrap_or(0), ..Parameter::zeros(ours, spec)? });
                }
                let values = of_torch
                    .values(tensor)
                    .map_err(|source| GraphError::Torch { file: file.to_owned(), source })?;
                let values = ArrayD::from_shape_vec(&*spec.shape, values).expect("each element has a value");
                Ok(Parameter { key: ours.to_owned(), role: spec.role, values, batches: 0 })
            }
            Arrays::Keras(of_keras) => {
                let read = of_keras
                    .values(theirs)
                    .map_err(|source| GraphError::Keras { file: file.to_owned(), source })?;
                let (Some(read), Some(found)) = (read, of_keras.shape(theirs)) else { return Err(missing()) };
                let values = keras::values(read, found, spec, keras::flattened(graph, node, spec));
                Ok(Parameter { key: ours.to_owned(), role: spec.role, values, batches: 0 })
            }
        }
    }
}

/// An array from a file; `None` for an unsupported type.
pub(crate) fn parameter(
    key: &str,
    spec: &ParameterSpec,
    tensor: &TensorView<'_>,
) -> Result<Option<Parameter>, OutOfMemory> {
    if spec.role == Role::BatchesTracked {
        let Some(batches) = count(tensor) else { return Ok(None) };
        return Ok(Some(Parameter { batches, ..Parameter::zeros(key, spec)? }));
    }
    let Some(values) = values(tensor)? else { return Ok(None) };
    let values = ArrayD::from_shape_vec(&*spec.shape, values).expect("the bytes fill the shape");
    Ok(Some(Parameter { key: key.to_string(), role: spec.role, values, batches: 0 }))
}

fn count(tensor: &TensorView<'_>) -> Option<u64> {
    let count = match tensor.dtype() {
        Dtype::I64 => i64::from_le_bytes(tensor.data().try_into().ok()?),
        Dtype::F32 => f32::from_le_bytes(tensor.data().try_into().ok()?) as i64,
        _ => return None,
    };
    Some(u64::try_from(count).unwrap_or(0))
}

fn values(tensor: &TensorView<'_>) -> Result<Option<Vec<f32>>, OutOfMemory> {
    let data = tensor.data();
    let mut values = memory::room(tensor.shape().iter().product())?;
    match tensor.dtype() {
        Dtype::F32 => values.extend(data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
        Dtype::F64 => values.extend(data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::BF16 => values.extend(
            data.as_chunks()
                .0
                .iter()
                .map(|&bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)),
        ),
        Dtype::F16 => values.extend(data.as_chunks().0.iter().map(|&bytes| half(u16::from_le_bytes(bytes)))),
        Dtype::I64 => values.extend(data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f32)),
        _ => return Ok(None),
    }
    Ok(Some(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_map_that_makes_no_sense_is_named() {
        assert!(KeyMap::parse("a = b\n\n# c\nd").unwrap_err().starts_with("line 4: has no '=': d"));
        assert!(KeyMap::parse("a =").unwrap_err().contains("one side is empty"));
        assert!(
            KeyMap::parse("a = b\na = c").unwrap_err().starts_with("line 2: the left side was there before")
        );
    }
}
