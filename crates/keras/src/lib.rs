//! The arrays in the weights files of Keras: `.weights.h5` of Keras 3, and the older `.h5`.
//!
//! Both are HDF5 files. The first has `layers/conv2d/vars/0` with the layer's name as an attribute of `vars`, and variables by their
//! position; the second has `stem/stem/kernel:0`, below `model_weights` if the file has the whole model. Here every array has the
//! name of its layer and PyTorch's name of the array, `stem.weight`; its axes stay in Keras' order.

use std::collections::BTreeMap;

use hdf5_pure::{AttrValue, Dataset, File, Group, Layout};
use thiserror::Error;

pub mod limits;

use limits::{DEEPEST, MOST_OBJECTS};

/// A file whose arrays cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KerasError {
    /// Not HDF5, damaged, or with parts that Keras does not write.
    #[error("is not a whole HDF5 file of Keras ({0})")]
    Hdf5(#[source] Box<hdf5_pure::Error>),
    /// A file without the arrays of layers.
    #[error("is an HDF5 file without arrays of Keras' layers")]
    NoArrays,
    /// More groups and arrays, or groups deeper in each other, than any network has.
    #[error("has more than {MOST_OBJECTS} groups and arrays, or groups more than {DEEPEST} deep")]
    TooLarge,
    /// An array in parts, which may be compressed, where Keras writes arrays as they are.
    #[error("has '{0}' in chunks or nowhere, in which Keras writes nothing")]
    NotContiguous(String),
    /// An array that needs more bytes than the file has.
    #[error("has '{name}' with shape {shape:?}, for which the file is too short")]
    Truncated {
        /// The array.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
}

impl From<hdf5_pure::Error> for KerasError {
    fn from(error: hdf5_pure::Error) -> KerasError {
        KerasError::Hdf5(Box::new(error))
    }
}

/// The named arrays of a file.
pub struct KerasFile {
    file: File,
    arrays: BTreeMap<String, Array>,
}

/// Where an array is.
struct Array {
    path: String,
    shape: Vec<usize>,
}

impl KerasFile {
    /// Whether a file that begins with these bytes is HDF5.
    pub fn is_hdf5(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\x89HDF\r\n\x1a\n")
    }

    /// Finds the arrays of a file, from its bytes.
    ///
    /// # Errors
    /// The bytes are not HDF5, are damaged or truncated, or have no arrays of layers.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<KerasFile, KerasError> {
        let length = bytes.len() as u64;
        let file = File::from_bytes(bytes)?;
        let root = file.root();
        let mut walk = Walk { length, visited: 0, arrays: BTreeMap::new() };
        if root.groups()?.iter().any(|name| name == MODEL) {
            walk.group(&root.group(MODEL)?, &Path::default().child(MODEL))?;
        } else {
            walk.group(&root, &Path::default())?;
        }
        if walk.arrays.is_empty() {
            return Err(KerasError::NoArrays);
        }
        Ok(KerasFile { arrays: walk.arrays, file })
    }

    /// The names of all arrays, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The shape of the array with this name, in Keras' order: rows, columns, inputs, outputs.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.arrays.get(name).map(|array| &*array.shape)
    }

    /// The elements of the array with this name in row-major order, in single precision; `None` if there is none.
    ///
    /// # Errors
    /// The elements are not numbers.
    pub fn values(&self, name: &str) -> Result<Option<Vec<f32>>, KerasError> {
        let Some(array) = self.arrays.get(name) else { return Ok(None) };
        let values = self.file.dataset(&array.path)?.read_f32()?;
        if values.len() != array.shape.iter().product::<usize>() {
            let shape = array.shape.iter().map(|&axis| axis as u64).collect();
            return Err(KerasError::Truncated { name: name.to_owned(), shape });
        }
        Ok(Some(values))
    }
}

/// A walk over the groups of a file.
struct Walk {
    length: u64,
    visited: usize,
    arrays: BTreeMap<String, Array>,
}

/// A group on the way.
#[derive(Clone, Default)]
struct Path {
    /// The names of the groups from the root to this one.
    names: Vec<String>,
}

/// The group of the layers in a file that has the whole model.
const MODEL: &str = "model_weights";

/// Groups beside layers.
const OTHERS: [&str; 3] = ["optimizer", "optimizer_weights", "seed_generator"];

impl Walk {
    fn group(&mut self, group: &Group, path: &Path) -> Result<(), KerasError> {
        if path.names.len() > DEEPEST {
            return Err(KerasError::TooLarge);
        }
        let mut datasets = group.datasets()?;
        datasets.sort_by_key(|name| (name.parse::<usize>().unwrap_or(usize::MAX), name.clone()));
        let is_vars = path.names.last().is_some_and(|name| name == "vars");
        let layer = self.layer(group, path)?;
        let names: Vec<String> = if is_vars {
            let kind = path.names.iter().rev().nth(1).map_or("", String::as_str);
            by_position(kind, datasets.len())
        } else {
            datasets.iter().map(|name| by_name(name).to_owned()).collect()
        };
        for (dataset, name) in datasets.iter().zip(names) {
            self.count()?;
            self.array(&group.dataset(dataset)?, &path.child(dataset), format!("{layer}.{name}"))?;
        }
        for name in group.groups()? {
            self.count()?;
            if OTHERS.iter().any(|other| name.starts_with(other)) {
                continue;
            }
            let child = group.group(&name)?;
            self.group(&child, &path.child(&name))?;
        }
        Ok(())
    }

    /// The name of the layer whose arrays a group has.
    fn layer(&self, group: &Group, path: &Path) -> Result<String, KerasError> {
        let mut names = path.names.iter().rev();
        let last = names.next().cloned().unwrap_or_default();
        if last != "vars" {
            return Ok(last);
        }
        // Keras 2 has no attribute; the group has the name then.
        let attributes = group.attrs()?;
        let own = attributes.get("name").and_then(AttrValue::as_str).map(str::to_owned);
        Ok(own.unwrap_or_else(|| names.next().cloned().unwrap_or_default()))
    }

    fn array(&mut self, dataset: &Dataset, path: &Path, name: String) -> Result<(), KerasError> {
        let whole = dataset.shape()?;
        let too_short = || KerasError::Truncated { name: name.clone(), shape: whole.clone() };
        let elements = whole.iter().try_fold(1u64, |count, &axis| count.checked_mul(axis.max(1)));
        let bytes = elements.and_then(|count| count.checked_mul(dataset.element_size().ok()?));
        if bytes.is_none_or(|bytes| bytes > self.length) {
            return Err(too_short());
        }
        match dataset.layout()? {
            Layout::Compact { .. } | Layout::Contiguous { address: Some(_), .. } => {}
            _ => return Err(KerasError::NotContiguous(name)),
        }
        let shape = whole.iter().map(|&axis| axis as usize).collect();
        let key = if self.arrays.contains_key(&name) { path.names.join(".") } else { name };
        self.arrays.insert(key, Array { path: path.names.join("/"), shape });
        Ok(())
    }

    fn count(&mut self) -> Result<(), KerasError> {
        self.visited += 1;
        if self.visited > MOST_OBJECTS { Err(KerasError::TooLarge) } else { Ok(()) }
    }
}

impl Path {
    fn child(&self, name: &str) -> Path {
        let mut names = self.names.clone();
        names.push(name.to_owned());
        Path { names }
    }
}

/// What variables that only have a position are called in PyTorch; a number where that is not certain.
fn by_position(kind: &str, count: usize) -> Vec<String> {
    let statistics = ["running_mean", "running_var"];
    let names: Vec<&str> = match count {
        2 if kind.starts_with("batch_normalization") => statistics.to_vec(),
        1 | 2 => ["weight", "bias"][..count].to_vec(),
        4 => [["weight", "bias"], statistics].concat(),
        _ => return (0..count).map(|place| place.to_string()).collect(),
    };
    names.into_iter().map(str::to_owned).collect()
}

/// What a variable of Keras is called in PyTorch.
fn by_name(name: &str) -> &str {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    match name {
        "kernel" | "depthwise_kernel" | "gamma" | "alpha" => "weight",
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        other => other,
    }
}
