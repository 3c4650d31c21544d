//! A model file before the data is known.

use crate::limits::{MOST_MODEL_BYTES, check_nodes, read_file};
use crate::names::names;
use crate::{GraphError, ModelDescription, ModelOptions, NodeDescription, Pretrained, blocks};
use convscope_files::{located, plain_words};
use std::path::Path;

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
            problem: format!(
                "is not TOML: {}",
                located(text, error.span().map(|span| span.start), error.message())
            ),
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
            let problem = format!("pretrained: {}", plain_words(cause.message()));
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
            parsed.map_err(|cause| error(format!("node {}: {}", index + 1, plain_words(cause.message()))))?;
        }
        let described = |nodes: &[toml::Value]| {
            let mut table = table.clone();
            table.insert("node".to_string(), toml::Value::Array(nodes.to_vec()));
            let model: Result<ModelDescription, toml::de::Error> = table.try_into();
            model.map_err(|cause| error(plain_words(cause.message())))
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
