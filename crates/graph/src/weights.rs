//! Weights with everything prediction needs, in one safetensors file that PyTorch can read too.

use crate::arrays_file::parameter;
use crate::limits::{MOST_WEIGHTS_BYTES, read_file};
use crate::{Graph, GraphError, ModelDescription, Parameters};
use convscope_keras::KerasFile;
use convscope_ops::{Parameter, Role};
use convscope_torch::Form;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How a picture is prepared for the network.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct InputDescription {
    /// Rows and columns that pictures are resized to.
    pub size: [usize; 2],
    /// What happens to other aspect ratios: `squash`, `pad`, `crop`, or the pixels of the shorter side, such as `256`, of which the
    /// middle is kept. Files without this key squash.
    #[serde(default = "squash")]
    pub resize: String,
    /// Colour of transparent pixels and added borders: `white`, `black` or `#rrggbb`. Files without this key use black.
    #[serde(default = "black")]
    pub background: String,
    /// Factor that pixel values are multiplied by first: 1/255 for the bytes of pictures, 1 for numbers.
    pub scale: f64,
    /// Subtracted from the scaled values of each channel: red, green and blue.
    pub mean: Vec<f32>,
    /// Divides the difference.
    pub std: Vec<f32>,
}

fn squash() -> String {
    "squash".to_owned()
}

fn black() -> String {
    "black".to_owned()
}

/// Which images a network was trained on, without naming them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct DataDescription {
    /// The digest of the data set's manifest: of its images, their labels and splits.
    pub digest: String,
    /// The seed that assigned images to splits, if the data set has no splits of its own.
    pub split_seed: u64,
    /// The share of the training images used for validation.
    pub val_share: f64,
    /// The share of the training images kept for testing.
    pub test_share: f64,
    /// Whether the network was also trained on the validation images.
    pub train_on_val: bool,
}

/// Parameters, with the model, the class names and the input preparation in the file's metadata.
///
/// Keys and layouts are PyTorch's: a module with the same names takes the file with `load_state_dict`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsFile {
    /// The model.
    pub model: ModelDescription,
    /// Names of the classes, in the order of the outputs.
    pub classes: Vec<String>,
    /// How a picture is prepared.
    pub input: InputDescription,
    /// Which images it was trained on, if known.
    pub data: Option<DataDescription>,
    /// The arrays.
    pub parameters: Parameters,
}

/// The key under which the format keeps its metadata.
const METADATA: &str = "__metadata__";
const MODEL: &str = "convscope.model";
const CLASSES: &str = "convscope.classes";
const INPUT: &str = "convscope.input";
const DATA: &str = "convscope.data";

impl WeightsFile {
    /// The bytes of the file. Equal content gives equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = |value: serde_json::Result<String>| value.expect("plain data is JSON");
        let mut metadata = HashMap::from([
            ("format".to_string(), "pt".to_string()),
            (MODEL.to_string(), self.model.to_toml()),
            (CLASSES.to_string(), json(serde_json::to_string(&self.classes))),
            (INPUT.to_string(), json(serde_json::to_string(&self.input))),
        ]);
        if let Some(data) = &self.data {
            metadata.insert(DATA.to_string(), json(serde_json::to_string(data)));
        }
        let tensors = self.parameters.tensors();
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|tensor| match tensor.role {
                Role::BatchesTracked => (tensor.batches as i64).to_le_bytes().to_vec(),
                _ => tensor.slice().iter().flat_map(|v| v.to_le_bytes()).collect(),
            })
            .collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let dtype = if tensor.role == Role::BatchesTracked { Dtype::I64 } else { Dtype::F32 };
            let view = TensorView::new(dtype, shape_in_file(tensor).to_vec(), bytes);
            (tensor.key.as_str(), view.expect("the bytes fill the shape"))
        });
        sorted_metadata(
            safetensors::serialize(views, Some(metadata)).expect("parameters have a place in the format"),
        )
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is truncated or was not written by Convscope, or its arrays do not fit its model.
    pub fn read(path: &Path) -> Result<WeightsFile, GraphError> {
        let file = path.display().to_string();
        let bytes = read_file(path, MOST_WEIGHTS_BYTES)
            .map_err(|problem| GraphError::Weights { file: file.clone(), problem })?;
        WeightsFile::from_bytes(&file, &bytes)
    }

    /// Reads a file's bytes; `file` is its name in errors.
    ///
    /// # Errors
    /// The bytes are truncated or were not written by Convscope, or the arrays do not fit the model.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<WeightsFile, GraphError> {
        let error = |problem: String| GraphError::Weights { file: file.to_string(), problem };
        let is_torch = Form::of(bytes).is_some();
        if is_torch || KerasFile::is_hdf5(bytes) {
            let program = if is_torch { "torch.save" } else { "Keras" };
            return Err(GraphError::OnlyArrays { file: file.to_string(), program });
        }
        let damaged =
            |cause| error(format!("is not a whole safetensors file ({cause}); it may be truncated"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let metadata = header.metadata().as_ref();
        let entry = |key: &str| {
            let found = metadata.and_then(|metadata| metadata.get(key));
            found.ok_or_else(|| {
                error(format!("has no '{key}' in its metadata; it was not written by convscope"))
            })
        };
        let bad_entry =
            |key: &str, cause: String| error(format!("'{key}' in its metadata is damaged: {cause}"));
        let model: ModelDescription =
            toml::from_str(entry(MODEL)?).map_err(|cause| bad_entry(MODEL, cause.to_string()))?;
        let classes: Vec<String> =
            serde_json::from_str(entry(CLASSES)?).map_err(|cause| bad_entry(CLASSES, cause.to_string()))?;
        let input: InputDescription =
            serde_json::from_str(entry(INPUT)?).map_err(|cause| bad_entry(INPUT, cause.to_string()))?;
        let data = metadata.and_then(|metadata| metadata.get(DATA)).map(|text| serde_json::from_str(text));
        let data = data.transpose().map_err(|cause| bad_entry(DATA, cause.to_string()))?;
        let graph = Graph::new(model.clone())?;
        if graph.classes() != classes.len() {
            return Err(error(format!(
                "names {} classes, but its model has {}",
                classes.len(),
                graph.classes()
            )));
        }
        graph.check_classifier()?;
        let [channels, height, width] = graph.image();
        if [input.mean.len(), input.std.len()] != [channels; 2] {
            let cause = format!(
                "mean and deviation of {} channels, but its model takes {channels}",
                input.mean.len()
            );
            return Err(bad_entry(INPUT, cause));
        }
        if input.size != [height, width] {
            let cause =
                format!("pictures become {:?}, but its model takes {:?}", input.size, [height, width]);
            return Err(bad_entry(INPUT, cause));
        }
        let parameters = Parameters::from_arrays(&graph, |key, spec| {
            let tensor = tensors
                .tensor(key)
                .map_err(|_| error(format!("has no array '{key}', which its model needs")))?;
            if tensor.shape() != spec.shape {
                let problem =
                    format!("'{key}' has shape {:?}, but its model needs {:?}", tensor.shape(), spec.shape);
                return Err(error(problem));
            }
            let unknown = || error(format!("'{key}' has type {:?}, which is not supported", tensor.dtype()));
            parameter(key, spec, &tensor)?.ok_or_else(unknown)
        })?;
        Ok(WeightsFile { model, classes, input, data, parameters })
    }
}

/// The shape of PyTorch's array; a count is a single number.
fn shape_in_file(parameter: &Parameter) -> &[usize] {
    if parameter.role == Role::BatchesTracked { &[] } else { parameter.values.shape() }
}

/// Rewrites the header with its metadata in alphabetical order, since the library writes it in random order.
fn sorted_metadata(bytes: Vec<u8>) -> Vec<u8> {
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a file begins with its header's length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).expect("the header is JSON");
    let metadata = header.remove(METADATA).unwrap_or_default();
    let metadata: BTreeMap<String, String> =
        serde_json::from_value(metadata).expect("metadata is a map of strings");
    header.insert(METADATA.to_string(), serde_json::to_value(metadata).expect("plain data is JSON"));
    let mut text = serde_json::to_string(&header).expect("plain data is JSON");
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat()
}
