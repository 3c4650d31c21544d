//! Changes to a model without a new file: its width, and arguments of its nodes.

use crate::{GraphError, NodeDescription};
use convscope_files::listed;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Changes to a model file, under the keys of [`KEYS`](Self::KEYS) and the names of its nodes:
///
/// - `width`: multiplies every `out_channels` and `out_features` except the last by this factor, rounded, but to
///   one at least. If `groups` equals the channels (a depthwise convolution), it stays equal. A width of 0.5 leaves about a
///   quarter of the parameters.
/// - `initializer`: how the weights are initialised.
/// - `<node>.<argument>`: an argument of a node, such as `dropout.p`; it is not scaled by the width.
///
/// ```
/// use convscope_graph::{Graph, ModelFile, ModelOptions, preset_file};
/// let mut options = ModelOptions::default();
/// options.set("width", 0.5)?;
/// options.set("conv2d_7.out_channels", 100)?;
/// let file = ModelFile::parse("plain8", preset_file("plain8")?)?.with_options(&options);
/// let graph = Graph::new(file.resolve([3, 32, 32], 10)?)?;
/// let channels: Vec<usize> = graph.nodes().iter().map(|node| node.shape.channels()).collect();
/// assert_eq!(channels, [8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 100, 100, 100, 10]);
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelOptions(Table);

impl ModelOptions {
    /// The keys that do not refer to a node.
    pub const KEYS: [&str; 2] = ["width", "initializer"];

    /// Sets the value of a key: one of [`KEYS`](Self::KEYS), or `<node>.<argument>`.
    ///
    /// # Errors
    /// [`GraphError::Option`] for a key of any other form.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), GraphError> {
        match key.split_once('.') {
            None if Self::KEYS.contains(&key) => {
                self.0.insert(key.to_owned(), value.into());
            }
            Some((node, argument)) if !node.is_empty() && !argument.is_empty() => {
                let arguments = self.0.entry(node).or_insert_with(|| Value::Table(Table::new()));
                if !arguments.is_table() {
                    *arguments = Value::Table(Table::new());
                }
                if let Value::Table(arguments) = arguments {
                    arguments.insert(argument.to_owned(), value.into());
                }
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These changes combined with those of `over`, which take precedence.
    #[must_use]
    pub fn merged(mut self, over: &ModelOptions) -> ModelOptions {
        for (key, value) in &over.0 {
            match (self.0.get_mut(key), value) {
                (Some(Value::Table(own)), Value::Table(over)) => own.extend(over.clone()),
                _ => {
                    self.0.insert(key.clone(), value.clone());
                }
            }
        }
        self
    }

    /// Removes `width` from a model file's table, applies it, and overrides the table with the other keys.
    pub(crate) fn apply_to_file(&self, table: &mut Table) -> Result<(), GraphError> {
        if let Some(initializer) = self.0.get("initializer") {
            table.insert("initializer".to_owned(), initializer.clone());
            if let Some(Value::Array(nodes)) = table.get_mut("node") {
                nodes.iter_mut().filter_map(Value::as_table_mut).for_each(|node| {
                    node.remove("initializer");
                });
            }
        }
        let factor = self.width(table)?;
        table.remove("width");
        if let (Some(factor), Some(Value::Array(nodes))) = (factor, table.get_mut("node")) {
            scale(nodes, factor);
        }
        Ok(())
    }

    /// The factor that takes the place of a model file's, otherwise the file's own.
    pub(crate) fn width(&self, table: &Table) -> Result<Option<f64>, GraphError> {
        let Some(width) = self.0.get("width").or_else(|| table.get("width")) else { return Ok(None) };
        let factor = match width {
            Value::Integer(factor) => *factor as f64,
            Value::Float(factor) => *factor,
            _ => f64::NAN,
        };
        if !(factor.is_finite() && factor > 0.0) {
            let problem = format!("is {width}; it must be a number above 0");
            return Err(GraphError::Option { key: "width".to_owned(), problem, known: Vec::new() });
        }
        Ok(Some(factor))
    }

    /// Sets arguments of the nodes with these names.
    pub(crate) fn apply_to_nodes(&self, names: &[String], nodes: &mut [Value]) -> Result<(), GraphError> {
        for (key, arguments) in self.0.iter().filter(|(key, _)| !Self::KEYS.contains(&key.as_str())) {
            let Value::Table(arguments) = arguments else { return Err(unknown(key)) };
            let place = names.iter().position(|name| name == key);
            let Some(Value::Table(node)) = place.and_then(|place| nodes.get_mut(place)) else {
                let problem = format!("is not a node of the model; its nodes are {}", listed(names));
                return Err(GraphError::Option { key: key.clone(), problem, known: names.to_vec() });
            };
            for (argument, value) in arguments {
                let key = format!("{key}.{argument}");
                let mut changed = node.clone();
                changed.insert(argument.clone(), value.clone());
                let parsed: Result<NodeDescription, _> = Value::Table(changed.clone()).try_into();
                let parsed = parsed.map_err(|cause| GraphError::Option {
                    key: key.clone(),
                    problem: format!("cannot be {value}: {}", cause.to_string().trim_end()),
                    known: Vec::new(),
                })?;
                // An argument that the operator does not have would be ignored.
                if !Table::try_from(parsed).is_ok_and(|known| known.contains_key(argument)) {
                    let problem = format!("is not an argument of {}", node.get("op").unwrap_or(value));
                    return Err(GraphError::Option { key, problem, known: Vec::new() });
                }
                *node = changed;
            }
        }
        Ok(())
    }
}

fn unknown(key: &str) -> GraphError {
    let keys = ModelOptions::KEYS.join(", ");
    let problem =
        format!("is not an option of a model; there are {keys} and <node>.<argument>, such as dropout.p");
    let known = ModelOptions::KEYS.map(str::to_owned).to_vec();
    GraphError::Option { key: key.to_owned(), problem, known }
}

const SIZES: [&str; 2] = ["out_channels", "out_features"];

fn scale(nodes: &mut [Value], factor: f64) {
    let has_size = |node: &Value| SIZES.iter().any(|key| node.get(key).is_some());
    let last = nodes.iter().rposition(has_size).unwrap_or(0);
    for node in nodes.iter_mut().take(last).filter_map(Value::as_table_mut) {
        for key in SIZES {
            let Some(&Value::Integer(size)) = node.get(key) else { continue };
            let scaled = Value::Integer(((size as f64 * factor).round() as i64).max(1));
            if size > 1 && node.get("groups") == Some(&Value::Integer(size)) {
                node.insert("groups".to_owned(), scaled.clone());
            }
            node.insert(key.to_owned(), scaled);
        }
    }
}
