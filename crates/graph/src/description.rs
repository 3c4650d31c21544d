//! A model as plain data.

use crate::limits::{MOST_MODEL_BYTES, check_nodes, read_file};
use crate::names::names;
use crate::{GraphError, Initializer, ModelInput, ModelOptions, blocks};
use convscope_ops::{Activation, Operator};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A network as a list of nodes, each listed after its inputs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDescription {
    /// Name of the model.
    pub name: String,
    /// What comes in; for most networks the image alone, `input = [3, 32, 32]` in a file. The first is the one that networks
    /// are trained on.
    #[serde(rename = "input", with = "crate::input::in_file")]
    pub inputs: Vec<ModelInput>,
    /// How weights are initialised; default `glorot_uniform`.
    #[serde(default)]
    pub initializer: Initializer,
    /// Names of the nodes whose values are the outputs; default the last one. The first is the one that classifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<String>>,
    /// The nodes in order; the last one outputs one value for each class.
    #[serde(rename = "node")]
    pub nodes: Vec<NodeDescription>,
}

/// One use of an operator.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct NodeDescription {
    /// Its name; by default Keras' name, with a number if it is taken: `conv2d`, `conv2d_1`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operator with its arguments.
    #[serde(flatten)]
    pub operator: Operator,
    /// A function that this node applies to the operator's output; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Names of the nodes that are its inputs, or `input` for the image; default the node before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Name of a node before it whose weights it shares; default none: it has weights of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_of: Option<String>,
    /// How its weights are initialised; default as the network's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializer: Option<Initializer>,
}

impl NodeDescription {
    /// A node with the default name that takes the node before as its input.
    pub fn new(operator: Operator) -> NodeDescription {
        NodeDescription {
            name: None,
            operator,
            activation: None,
            inputs: None,
            weights_of: None,
            initializer: None,
        }
    }

    /// The same with an activation.
    pub fn with_activation(self, activation: Activation) -> NodeDescription {
        NodeDescription { activation: Some(activation), ..self }
    }

    /// The same with a name.
    pub fn named(self, name: impl Into<String>) -> NodeDescription {
        NodeDescription { name: Some(name.into()), ..self }
    }

    /// The same with the weights of another node.
    pub fn with_weights_of(self, node: impl Into<String>) -> NodeDescription {
        NodeDescription { weights_of: Some(node.into()), ..self }
    }

    /// The same with another initialiser than the network's.
    pub fn with_initializer(self, initializer: Initializer) -> NodeDescription {
        NodeDescription { initializer: Some(initializer), ..self }
    }

    /// The same with inputs by name.
    pub fn with_inputs(self, inputs: &[&str]) -> NodeDescription {
        NodeDescription { inputs: Some(inputs.iter().map(|name| name.to_string()).collect()), ..self }
    }
}

impl ModelDescription {
    /// Channels, rows and columns of the image, where the first input is one.
    pub fn image(&self) -> Option<[usize; 3]> {
        self.inputs.first().and_then(|input| input.shape.as_slice().try_into().ok())
    }

    /// The same with all weights initialised in this way, also those of nodes with an initialiser of their own.
    #[must_use]
    pub fn with_initializer(mut self, initializer: Initializer) -> ModelDescription {
        self.initializer = initializer;
        self.nodes.iter_mut().for_each(|node| node.initializer = None);
        self
    }

    /// The description as a TOML file that [`ModelFile`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("TOML can express every description")
    }
}

/// How pictures are prepared for weights that are published for a network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// Rows and columns of the images.
    pub size: usize,
    /// As in [`InputDescription`](crate::InputDescription).
    pub resize: String,
    /// Subtracted from each channel, whose values are from 0 to 1.
    pub mean: Vec<f64>,
    /// Divides the difference.
    pub std: Vec<f64>,
}

/// The keys of a model file.
const KEYS: [&str; 9] =
    ["name", "input", "smallest_side", "pretrained", "initializer", "outputs", "width", "block", "node"];

/// A model file before the data is known: `input` may be missing, any number may be `"classes"`, and `width` may
/// scale the network (see [`ModelOptions`]).
///
/// ```
/// use convscope_graph::ModelFile;
/// let file = ModelFile::parse("tiny.toml", r#"
///     name = "tiny"
///     [[node]]
///     op = "flatten"
///     [[node]]
///     op = "linear"
///     out_features = "classes"
///     activation = "softmax"
/// "#)?;
/// let model = file.resolve([3, 8, 8], 5)?;
/// assert_eq!(model.image(), Some([3, 8, 8]));
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelFile {
    file: String,
    table: toml::Table,
    options: ModelOptions,
}

impl ModelFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is longer than [`MOST_MODEL_BYTES`] or is not TOML.
    pub fn read(path: &Path) -> Result<ModelFile, GraphError> {
        let file = path.display().to_string();
        let text = read_file(path, MOST_MODEL_BYTES).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 text: {error}"))
        });
        let text = text.map_err(|problem| GraphError::File { file: file.clone(), problem })?;
        ModelFile::parse(&file, &text)
    }

    /// Reads a file's text; `file` is its name in errors.
    ///
    /// # Errors
    /// The text is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<ModelFile, GraphError> {
        let problem = |error: toml::de::Error| GraphError::File {
            file: file.to_string(),
            problem: format!("is not TOML: {}", error.to_string().trim_end()),
        };
        let table = text.parse().map_err(problem)?;
        Ok(ModelFile { file: file.to_string(), table, options: ModelOptions::default() })
    }

    /// The same model with these options.
    #[must_use]
    pub fn with_options(self, options: &ModelOptions) -> ModelFile {
        ModelFile { options: self.options.merged(options), ..self }
    }

    /// The image shape that the file asks for, if any.
    pub fn input(&self) -> Option<[usize; 3]> {
        self.table.get("input")?.clone().try_into().ok()
    }

    /// `smallest_side`: the shorter side, in pixels, that images should have at least for this network, if the file says
    /// so. Smaller images are accepted, but little of them is left after the strides of a network for photographs.
    pub fn smallest_side(&self) -> Option<usize> {
        self.table.get("smallest_side")?.as_integer()?.try_into().ok()
    }

    /// The factor of the options' or the file's own `width` (see [`ModelOptions`]), 1 if there is none.
    ///
    /// # Errors
    /// [`GraphError::Option`] for anything but a number above 0.
    pub fn width(&self) -> Result<f64, GraphError> {
        Ok(self.options.width(&self.table)?.unwrap_or(1.0))
    }

    /// `pretrained`: how pictures are prepared for the weights that are published for this network, if the file says so.
    ///
    /// # Errors
    /// The key has something else.
    pub fn pretrained(&self) -> Result<Option<Pretrained>, GraphError> {
        let Some(value) = self.table.get("pretrained") else { return Ok(None) };
        let wrong = |cause: toml::de::Error| {
            let problem = format!("pretrained: {}", cause.to_string().trim_end());
            GraphError::File { file: self.file.clone(), problem }
        };
        value.clone().try_into().map(Some).map_err(wrong)
    }

    /// The description for this image shape and number of classes.
    ///
    /// # Errors
    /// Something in the file or its options is unknown or missing, or the file asks for images of a different shape.
    pub fn resolve(&self, input: [usize; 3], classes: usize) -> Result<ModelDescription, GraphError> {
        let mut table = self.table.clone();
        let error = |problem: String| GraphError::File { file: self.file.clone(), problem };
        table.entry("input").or_insert_with(|| toml::Value::from(input.map(integer).to_vec()));
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let known = KEYS.map(|key| format!("`{key}`")).join(", ");
            return Err(error(format!("unknown field `{unknown}`, expected one of {known}")));
        }
        self.pretrained()?;
        table.remove("pretrained");
        if table.remove("smallest_side").is_some() && self.smallest_side().is_none_or(|side| side == 0) {
            return Err(error("smallest_side must be a number of pixels from 1".to_string()));
        }
        blocks::expand(&mut table).map_err(error)?;
        self.options.apply_to_file(&mut table)?;
        let mut nodes = match table.remove("node") {
            Some(toml::Value::Array(nodes)) if !nodes.is_empty() => nodes,
            _ => {
                return Err(error("has no [[node]]".into()));
            }
        };
        check_nodes(&self.file, nodes.len())?;
        for (index, node) in nodes.iter_mut().enumerate() {
            replace_classes(node, classes);
            let parsed: Result<NodeDescription, _> = node.clone().try_into();
            parsed.map_err(|cause| error(format!("node {}: {}", index + 1, cause.to_string().trim_end())))?;
        }
        let described = |nodes: &[toml::Value]| {
            let mut table = table.clone();
            table.insert("node".to_string(), toml::Value::Array(nodes.to_vec()));
            let model: Result<ModelDescription, toml::de::Error> = table.try_into();
            model.map_err(|cause| error(cause.to_string().trim_end().to_string()))
        };
        let mut model = described(&nodes)?;
        if !self.options.is_empty() {
            self.options.apply_to_nodes(&names(&model)?, &mut nodes)?;
            model = described(&nodes)?;
        }
        // A network for something else than images is as it is.
        if let Some(expected) = model.image().filter(|expected| *expected != input) {
            return Err(GraphError::OtherInput { file: self.file.clone(), expected, found: input });
        }
        Ok(model)
    }
}

/// A size as a TOML integer; one too large for it is rejected by [`Graph::new`](crate::Graph::new).
fn integer(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The keys of a node whose values are names, not numbers.
const NAMES: [&str; 6] = ["activation", "initializer", "inputs", "name", "op", "weights_of"];

fn replace_classes(value: &mut toml::Value, classes: usize) {
    match value {
        toml::Value::Table(table) => {
            let arguments = table.iter_mut().filter(|(key, _)| !NAMES.contains(&key.as_str()));
            arguments.for_each(|(_, value)| replace_classes(value, classes));
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|value| replace_classes(value, classes)),
        toml::Value::String(text) if text == "classes" => *value = toml::Value::Integer(integer(classes)),
        _ => {}
    }
}
