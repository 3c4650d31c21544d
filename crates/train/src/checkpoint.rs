//! Checkpoints: everything that a bit-exact resume needs, in one checksummed file.
//!
//! The file is in the safetensors format: named one-dimensional arrays, and under the metadata key `convscope_checkpoint` a JSON object
//! with `fingerprint`, `sha256` (of everything else) and `value` (a JSON value from the caller).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::TrainError;
use crate::run_dir::write_atomic;

/// The state of a run: arrays by name and one JSON value. Arrays are restored bit for bit, whatever they contain; so
/// are numbers in the JSON value, if they are finite.
///
/// ```
/// use convscope_train::Checkpoint;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("state.safetensors");
/// let mut checkpoint = Checkpoint::new();
/// checkpoint.insert("weights", vec![0.5_f32, f32::NAN]);
/// checkpoint.insert("steps", vec![u64::MAX]);
/// checkpoint.set_value(&("epoch", 3))?;
/// checkpoint.save(&path, "plain8/10")?;
///
/// let loaded = Checkpoint::load(&path, "plain8/10")?;
/// assert_eq!(loaded.u64s("steps")?, [u64::MAX]);
/// assert_eq!(loaded.value::<(String, u64)>()?, ("epoch".to_owned(), 3));
/// assert!(Checkpoint::load(&path, "resnet8/10").is_err());
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    arrays: BTreeMap<String, Array>,
    value: Value,
}

/// The numbers of one entry of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Array {
    /// 32-bit floating-point numbers.
    F32(Vec<f32>),
    /// Unsigned 64-bit integers.
    U64(Vec<u64>),
}

impl From<Vec<f32>> for Array {
    fn from(numbers: Vec<f32>) -> Self {
        Self::F32(numbers)
    }
}

impl From<&[f32]> for Array {
    fn from(numbers: &[f32]) -> Self {
        Self::F32(numbers.to_vec())
    }
}

impl From<Vec<u64>> for Array {
    fn from(numbers: Vec<u64>) -> Self {
        Self::U64(numbers)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    fingerprint: String,
    sha256: String,
    /// The JSON text itself, so that the checksum covers what was written.
    value: String,
}

/// The only metadata key: with a single key the file has the same bytes every time.
const HEADER_KEY: &str = "convscope_checkpoint";

impl Checkpoint {
    /// An empty checkpoint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts an array, replacing any array with the same name.
    pub fn insert(&mut self, name: impl Into<String>, array: impl Into<Array>) {
        self.arrays.insert(name.into(), array.into());
    }

    /// Sets the JSON value.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if `value` has no JSON form.
    pub fn set_value<T: Serialize>(&mut self, value: &T) -> Result<(), TrainError> {
        self.value = serde_json::to_value(value).map_err(|error| value_mismatch(&error))?;
        Ok(())
    }

    /// The JSON value as a `T`.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if it is not one.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, TrainError> {
        T::deserialize(&self.value).map_err(|error| value_mismatch(&error))
    }

    /// The array with this name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// The names of all arrays, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The f32 array with this name.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if there is none.
    pub fn f32s(&self, name: &str) -> Result<&[f32], TrainError> {
        match self.get(name) {
            Some(Array::F32(numbers)) => Ok(numbers),
            found => Err(array_mismatch(name, found, "an f32 array")),
        }
    }

    /// The u64 array with this name.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if there is none.
    pub fn u64s(&self, name: &str) -> Result<&[u64], TrainError> {
        match self.get(name) {
            Some(Array::U64(numbers)) => Ok(numbers),
            found => Err(array_mismatch(name, found, "a u64 array")),
        }
    }

    /// Writes the file, atomically replacing an older one: at any instant one of the two can be loaded. `fingerprint`
    /// describes in readable form what the state belongs to (model, shapes) and must be the same when loading.
    ///
    /// # Errors
    /// [`TrainError::Io`]; the older file is then untouched.
    pub fn save(&self, path: &Path, fingerprint: &str) -> Result<(), TrainError> {
        let arrays = || self.arrays.iter().map(|(name, array)| (name.as_str(), array));
        let value = self.value.to_string();
        // The bytes of one array at a time; all of them would be another copy of the state.
        let parts = arrays().map(|(name, array)| (name, array.dtype(), array.bytes()));
        let sha256 = checksum(fingerprint, &value, parts);
        let header = Header { fingerprint: fingerprint.to_owned(), sha256, value };
        let written = || -> Result<Vec<u8>, io::Error> {
            let header = serde_json::to_string(&header)?;
            safetensors::serialize(
                arrays().map(|(name, array)| (name, ArrayView::of(array))),
                Some([(HEADER_KEY.to_owned(), header)].into()),
            )
            .map_err(io::Error::other)
        };
        let bytes = written().map_err(TrainError::io("encode the checkpoint", path))?;
        write_atomic(path, |file| file.write_all(&bytes))
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`TrainError::CheckpointMissing`], [`TrainError::NotACheckpoint`], [`TrainError::CheckpointDamaged`] if it was
    /// truncated or altered, [`TrainError::CheckpointOfOtherModel`] if the `fingerprint` differs, [`TrainError::Io`].
    pub fn load(path: &Path, fingerprint: &str) -> Result<Self, TrainError> {
        let bytes = convscope_files::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TrainError::CheckpointMissing { path: path.to_owned() },
            _ => TrainError::io("read the checkpoint", path)(error),
        })?;
        let (checkpoint, found) = parse(&bytes).map_err(|problem| problem.at(path))?;
        if found != fingerprint {
            let (found, expected) = (found, fingerprint.to_owned());
            return Err(TrainError::CheckpointOfOtherModel { path: path.to_owned(), found, expected });
        }
        Ok(checkpoint)
    }
}

impl Array {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::U64(_) => Dtype::U64,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::U64(numbers) => numbers.len(),
        }
    }

    fn bytes(&self) -> Cow<'static, [u8]> {
        match self {
            Self::F32(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Self::U64(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    }

    fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Option<Self> {
        match dtype {
            Dtype::F32 => {
                Some(Self::F32(bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()))
            }
            Dtype::U64 => {
                Some(Self::U64(bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect()))
            }
            _ => None,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::F32(numbers) => format!("{} f32 numbers", numbers.len()),
            Self::U64(numbers) => format!("{} u64 numbers", numbers.len()),
        }
    }
}

/// An array as the library writes it.
struct ArrayView<'a> {
    array: &'a Array,
    shape: [usize; 1],
}

impl<'a> ArrayView<'a> {
    fn of(array: &'a Array) -> Self {
        Self { array, shape: [array.len()] }
    }
}

impl View for ArrayView<'_> {
    fn dtype(&self) -> Dtype {
        self.array.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.array.bytes()
    }

    fn data_len(&self) -> usize {
        self.array.len() * self.array.dtype().bitsize() / 8
    }
}

enum Problem {
    Foreign,
    Damaged(String),
}

impl Problem {
    fn at(self, path: &Path) -> TrainError {
        let path: PathBuf = path.to_owned();
        match self {
            Self::Foreign => TrainError::NotACheckpoint { path },
            Self::Damaged(reason) => TrainError::CheckpointDamaged { path, reason },
        }
    }
}

/// The checkpoint in a file's bytes and its fingerprint.
fn parse(bytes: &[u8]) -> Result<(Checkpoint, String), Problem> {
    let broken =
        |reason: String| if begins_as_ours(bytes) { Problem::Damaged(reason) } else { Problem::Foreign };
    let cut = |error| broken(format!("the file of {} bytes is truncated or altered ({error})", bytes.len()));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(cut)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(cut)?;
    let header =
        metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER_KEY)).ok_or(Problem::Foreign)?;
    let altered = || Problem::Damaged("its contents do not match its checksum".to_owned());
    let header: Header = serde_json::from_str(header).map_err(|_| altered())?;

    let mut views = tensors.tensors();
    views.sort_by(|left, right| left.0.cmp(&right.0));
    let raw = views.iter().map(|(name, view)| (name.as_str(), view.dtype(), Cow::Borrowed(view.data())));
    if checksum(&header.fingerprint, &header.value, raw) != header.sha256 {
        return Err(altered());
    }
    let mut arrays = BTreeMap::new();
    for (name, view) in views {
        let array = Array::from_bytes(view.dtype(), view.data()).ok_or_else(altered)?;
        arrays.insert(name, array);
    }
    let value = serde_json::from_str(&header.value).map_err(|_| altered())?;
    Ok((Checkpoint { arrays, value }, header.fingerprint))
}

/// Whether the available beginning of the file is that of a checkpoint.
fn begins_as_ours(bytes: &[u8]) -> bool {
    let start = format!("{{\"__metadata__\":{{\"{HEADER_KEY}\"");
    let found = bytes.get(8..).unwrap_or_default();
    let len = found.len().min(start.len());
    found[..len] == start.as_bytes()[..len]
}

/// SHA-256 of everything, each part after its length so that none can be mistaken for another.
fn checksum<'a>(
    fingerprint: &str,
    value: &str,
    arrays: impl Iterator<Item = (&'a str, Dtype, Cow<'a, [u8]>)>,
) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(fingerprint.as_bytes());
    part(value.as_bytes());
    for (name, dtype, bytes) in arrays {
        part(name.as_bytes());
        part(dtype.to_string().as_bytes());
        part(&bytes);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn array_mismatch(name: &str, found: Option<&Array>, expected: &str) -> TrainError {
    TrainError::StateMismatch {
        name: name.to_owned(),
        found: found.map_or("no such array".to_owned(), Array::describe),
        expected: expected.to_owned(),
    }
}

fn value_mismatch(error: &serde_json::Error) -> TrainError {
    TrainError::StateMismatch {
        name: "value".to_owned(),
        found: format!("JSON of a different form ({error})"),
        expected: "the current one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;

    use super::*;

    fn sample() -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        let bits = [0_u32, 0x8000_0000, 1, 0x7fc0_1234, 0xff80_0000, 0x3f80_0001];
        checkpoint.insert("weights", bits.map(f32::from_bits).to_vec());
        checkpoint.insert("a", vec![f32::from_bits(0x7f80_0001), -0.0, 0.1]);
        checkpoint.insert("counts", vec![u64::MAX, (1 << 53) + 1, 0]);
        checkpoint.insert("none", Vec::<f32>::new());
        checkpoint.set_value(&(u64::MAX, 0.1 + 0.2, 5e-324, "\"quoted\"\n")).unwrap();
        checkpoint
    }

    #[test]
    fn every_number_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        sample().save(&path, "net").unwrap();
        let first = fs::read(&path).unwrap();
        let loaded = Checkpoint::load(&path, "net").unwrap();
        assert_eq!(loaded.names().collect::<Vec<_>>(), ["a", "counts", "none", "weights"]);
        for name in ["a", "counts", "none", "weights"] {
            let (ours, theirs) = (loaded.get(name).unwrap(), sample().arrays[name].clone());
            assert_eq!((ours.dtype(), ours.bytes()), (theirs.dtype(), theirs.bytes()), "{name}");
        }
        assert_eq!(loaded.u64s("counts").unwrap(), [u64::MAX, (1 << 53) + 1, 0]);
        let value: (u64, f64, f64, String) = loaded.value().unwrap();
        assert_eq!(value, (u64::MAX, 0.1 + 0.2, 5e-324, "\"quoted\"\n".to_owned()));
        loaded.save(&path, "net").unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[test]
    fn cut_at_any_byte_is_damaged_and_changed_at_any_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        sample().save(&path, "net").unwrap();
        let whole = fs::read(&path).unwrap();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let error = Checkpoint::load(&path, "net").unwrap_err();
            assert!(matches!(error, TrainError::CheckpointDamaged { .. }), "{len}: {error}");
        }
        for index in 0..whole.len() {
            // Spaces after the header carry no information.
            if whole[index] == b' ' {
                continue;
            }
            let mut altered = whole.clone();
            altered[index] ^= 1;
            assert!(parse(&altered).is_err(), "byte {index} of {} is not protected", whole.len());
        }
    }

    #[test]
    fn missing_foreign_and_other_model_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        assert!(matches!(Checkpoint::load(&path, "net"), Err(TrainError::CheckpointMissing { .. })));
        fs::write(&path, "this is a letter to somebody").unwrap();
        assert!(matches!(Checkpoint::load(&path, "net"), Err(TrainError::NotACheckpoint { .. })));
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        fs::write(&path, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
        assert!(matches!(Checkpoint::load(&path, "net"), Err(TrainError::NotACheckpoint { .. })));
        sample().save(&path, "plain8 with 10 classes").unwrap();
        let error = Checkpoint::load(&path, "resnet8 with 3 classes").unwrap_err().to_string();
        let expected = "made for plain8 with 10 classes, but this run trains resnet8 with 3 classes";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn an_entry_of_another_kind_is_named() {
        let checkpoint = sample();
        let error = checkpoint.f32s("counts").unwrap_err().to_string();
        assert!(
            error.starts_with("counts: the saved state has 3 u64 numbers, but this run needs an f32 array"),
            "{error}"
        );
        assert!(checkpoint.f32s("gone").unwrap_err().to_string().contains("no such array"));
        assert!(checkpoint.value::<Vec<bool>>().is_err());
    }
}
