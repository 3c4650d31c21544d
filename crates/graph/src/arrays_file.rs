//! Safetensors files of any origin: arrays by name, without a description of the network.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use convscope_kernels::memory::{self, OutOfMemory};
use convscope_ops::{Parameter, ParameterSpec, Role};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::limits::{MOST_WEIGHTS_BYTES, read_file};
use crate::names::key;
use crate::{Graph, GraphError, Parameters};

/// The arrays of a safetensors file, whoever wrote it.
pub struct ArraysFile {
    file: String,
    bytes: Vec<u8>,
}

/// What the arrays of a file are called in a network: its key, or the name of a node for all its arrays, and what stands for it in
/// the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap(BTreeMap<String, String>);

/// Parameters from a file, and what else it has.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedArrays {
    /// The arrays of the network.
    pub parameters: Parameters,
    /// Keys of the file that the network has no array for.
    pub surplus: Vec<String>,
}

/// Why the arrays of a file are not those of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Keys that the network needs and the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file that the network has no array for.
    pub surplus: Vec<String>,
    /// Keys with the shape that the network needs and that of the file.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl ArraysFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read or is not a safetensors file.
    pub fn read(path: &Path) -> Result<ArraysFile, GraphError> {
        let file = path.display().to_string();
        let bytes = read_file(path, MOST_WEIGHTS_BYTES)
            .map_err(|problem| GraphError::Weights { file: file.clone(), problem })?;
        ArraysFile::from_bytes(&file, bytes)
    }

    /// Takes a file's bytes; `file` is its name in errors.
    ///
    /// # Errors
    /// The bytes are not a safetensors file.
    pub fn from_bytes(file: &str, bytes: Vec<u8>) -> Result<ArraysFile, GraphError> {
        if let Some(kind) = of_torch_save(&bytes) {
            return Err(GraphError::OfTorchSave { file: file.to_owned(), kind });
        }
        let damaged = |cause| GraphError::Weights {
            file: file.to_owned(),
            problem: format!("is not a safetensors file ({cause}); it may be truncated"),
        };
        SafeTensors::deserialize(&bytes).map_err(damaged)?;
        Ok(ArraysFile { file: file.to_owned(), bytes })
    }

    /// The keys of all arrays, in alphabetical order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.tensors().names().into_iter().map(str::to_owned).collect();
        keys.sort_unstable();
        keys
    }

    /// The arrays of a network. A count of batches that is missing is 0. Arrays of a node that shares those of another may be there
    /// or not.
    ///
    /// # Errors
    /// [`GraphError::Mismatch`] with lists of what is missing, surplus and of another shape; an array of an unsupported type; out of
    /// memory.
    pub fn load(&self, graph: &Graph, names: &KeyMap) -> Result<LoadedArrays, GraphError> {
        let tensors = self.tensors();
        let mut mismatch = Mismatch::default();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for node in graph.nodes() {
            for spec in &node.parameters {
                let ours = key(&node.name, spec.name);
                let theirs = names.theirs(&node.name, &ours);
                let tensor = tensors.tensor(&theirs).ok();
                used.insert(theirs);
                // Where arrays are shared, those of the first node count.
                if node.weights_of.is_some() {
                    continue;
                }
                match tensor {
                    None if spec.role == Role::BatchesTracked => {}
                    None => mismatch.missing.push(ours),
                    Some(tensor) if tensor.shape() != spec.shape && spec.role != Role::BatchesTracked => {
                        mismatch.shapes.push((ours, spec.shape.clone(), tensor.shape().to_vec()));
                    }
                    Some(_) => {}
                }
            }
        }
        mismatch.surplus = self.keys().into_iter().filter(|key| !used.contains(key)).collect();
        if !mismatch.missing.is_empty() || !mismatch.shapes.is_empty() {
            return Err(GraphError::Mismatch { file: self.file.clone(), mismatch });
        }
        let nodes: HashMap<String, &str> = graph
            .nodes()
            .iter()
            .flat_map(|node| {
                node.own_parameters().iter().map(|spec| (key(&node.name, spec.name), node.name.as_str()))
            })
            .collect();
        let parameters = Parameters::from_arrays(graph, |ours, spec| {
            let theirs = names.theirs(nodes[ours], ours);
            match tensors.tensor(&theirs) {
                Ok(tensor) => parameter(ours, spec, &tensor)?.ok_or_else(|| GraphError::Weights {
                    file: self.file.clone(),
                    problem: format!("'{theirs}' has type {:?}, which is not supported", tensor.dtype()),
                }),
                Err(_) => Ok(Parameter::zeros(ours, spec)?),
            }
        })?;
        Ok(LoadedArrays { parameters, surplus: mismatch.surplus })
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("was read before")
    }
}

impl KeyMap {
    /// Reads lines `ours = theirs`; empty lines and those that begin with `#` count for nothing. Either side is the key of an array,
    /// or both are prefixes: the name of a node, and what stands for it in the file.
    ///
    /// # Errors
    /// The number of a line without `=`, or that names something twice, and what is wrong with it.
    ///
    /// ```
    /// use convscope_graph::KeyMap;
    /// let names = KeyMap::parse("conv2d = features.0\ndense.weight = head.w\n")?;
    /// assert_eq!(names.theirs("conv2d", "conv2d.bias"), "features.0.bias");
    /// assert_eq!(names.theirs("dense", "dense.weight"), "head.w");
    /// assert_eq!(names.theirs("dense", "dense.bias"), "dense.bias");
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str) -> Result<KeyMap, String> {
        let mut map = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem: &str| format!("line {}: {problem}: {line}", number + 1);
            let (ours, theirs) = line.split_once('=').ok_or_else(|| wrong("has no '='"))?;
            let [ours, theirs] = [ours, theirs].map(|side| side.trim().trim_matches('"').to_owned());
            if ours.is_empty() || theirs.is_empty() {
                return Err(wrong("one side is empty"));
            }
            if map.insert(ours, theirs).is_some() {
                return Err(wrong("the left side was there before"));
            }
        }
        Ok(KeyMap(map))
    }

    /// The key in the file of an array `key` of the node `node`.
    pub fn theirs(&self, node: &str, key: &str) -> String {
        if let Some(theirs) = self.0.get(key) {
            return theirs.clone();
        }
        match self.0.get(node) {
            Some(theirs) => format!("{theirs}{}", &key[node.len()..]),
            None => key.to_owned(),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes = self.shapes.iter().map(|(key, needed, found)| format!("{key} {found:?} for {needed:?}"));
        let lists = [
            ("missing", self.missing.clone()),
            ("of another shape", shapes.collect()),
            ("surplus", self.surplus.clone()),
        ];
        let parts = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(what, list)| {
            let more =
                if list.len() > SHOWN { format!(" and {} more", list.len() - SHOWN) } else { String::new() };
            format!("{} {what}: {}{more}", list.len(), list[..list.len().min(SHOWN)].join(", "))
        });
        f.write_str(&parts.collect::<Vec<_>>().join("; "))
    }
}

/// Keys of each list in a message.
const SHOWN: usize = 6;

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
    let values = ArrayD::from_shape_vec(tensor.shape(), values).expect("the bytes fill the shape");
    Ok(Some(Parameter { key: key.to_string(), role: spec.role, values, batches: 0 }))
}

/// The kind of torch.save file: a zip archive, or a pickle from PyTorch before 1.6.
pub(crate) fn of_torch_save(bytes: &[u8]) -> Option<&'static str> {
    const ARCHIVE: &[u8] = b"PK\x03\x04";
    const PICKLE: &[u8] = b"\x80\x02\x8a\x0a";
    let kinds = [(ARCHIVE, "a zip archive"), (PICKLE, "a pickle")];
    kinds.into_iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| kind)
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

/// A number of half precision (IEEE 754 binary16) in single precision, which has all of them.
fn half(bits: u16) -> f32 {
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

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn a_line_of_a_map_that_makes_no_sense_is_named() {
        assert!(KeyMap::parse("a = b\n\n# c\nd").unwrap_err().starts_with("line 4: has no '=': d"));
        assert!(KeyMap::parse("a =").unwrap_err().contains("one side is empty"));
        assert!(
            KeyMap::parse("a = b\na = c").unwrap_err().starts_with("line 2: the left side was there before")
        );
    }
}
