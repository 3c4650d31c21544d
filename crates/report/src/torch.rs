//! A network as the source of a PyTorch module, which takes the weights file with `load_state_dict`.

use convscope_graph::{Graph, Node, ValueId};
use convscope_ops::{Activation, Shape};
use serde_json::{Map, Value};

use crate::ReportError;

/// The source of a Python file with one class, `Network`: a submodule for each node that has arrays, under the node's
/// name, and a `forward` from images `[N, C, H, W]` to the values before the last node's softmax.
///
/// # Errors
/// [`ReportError::Page`] where an operator cannot be written down.
pub fn module(graph: &Graph) -> Result<String, ReportError> {
    let (mut modules, mut steps) = (String::new(), String::new());
    for (index, node) in graph.nodes().iter().enumerate() {
        let call = Call::of(node)?;
        if let Some(module) = &call.module {
            modules += &format!("        {} = {module}\n", attribute(&node.name));
        }
        let inputs: Vec<String> = node.inputs.iter().map(|&input| local(graph, input)).collect();
        let is_last = index + 1 == graph.nodes().len();
        let activation =
            node.activation.filter(|activation| !(is_last && *activation == Activation::Softmax));
        let value = activated(activation, (call.function)(&inputs));
        steps += &format!("        {} = {value}\n", local(graph, ValueId::Node(index)));
    }
    let [channels, height, width] = graph.description().input;
    let last = local(graph, ValueId::Node(graph.nodes().len() - 1));
    Ok(format!(
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n\
         class Network(nn.Module):\n    \
         # {name}, for images [N, {channels}, {height}, {width}]; forward returns the values before the softmax.\n    \
         def __init__(self):\n        super().__init__()\n{modules}\n    \
         def forward(self, images):\n{steps}        return {last}\n",
        name = one_line(graph.name()),
    ))
}

/// What a module makes of the names of its inputs.
type Expression = Box<dyn Fn(&[String]) -> String>;

/// How a node is made and called.
struct Call {
    /// What is called when the module is made, of a node with arrays.
    module: Option<String>,
    /// The value from the names of the inputs.
    function: Expression,
}

impl Call {
    fn of(node: &Node) -> Result<Call, ReportError> {
        let unknown = |reason: String| ReportError::Page { reason: format!("{}: {reason}", node.name) };
        let described = serde_json::to_value(&node.operator).map_err(|error| unknown(error.to_string()))?;
        let Value::Object(mut arguments) = described else {
            return Err(unknown("the operator has no arguments by name".to_owned()));
        };
        let op = arguments.remove("op").and_then(|op| op.as_str().map(str::to_owned)).unwrap_or_default();
        let channels = node.input_shapes[0].channels();
        let class = match (op.as_str(), node.input_shapes[0]) {
            ("conv2d", _) => Some("nn.Conv2d"),
            ("conv_transpose2d", _) => Some("nn.ConvTranspose2d"),
            ("linear", _) => Some("nn.Linear"),
            ("batch_norm", Shape::Image { .. }) => Some("nn.BatchNorm2d"),
            ("batch_norm", Shape::Vector { .. }) => Some("nn.BatchNorm1d"),
            _ => None,
        };
        if let Some(class) = class {
            if arguments.get("momentum").is_some_and(Value::is_string) {
                // The mean of all batches.
                arguments.insert("momentum".to_owned(), Value::Null);
            }
            let first = ["out_channels", "out_features"].into_iter().find_map(|key| arguments.remove(key));
            let sizes = [Some(channels.to_string()), first.map(|size| size.to_string())];
            let positional = sizes.into_iter().flatten();
            let all: Vec<String> = positional.chain(keywords(&arguments)).collect();
            let attribute = attribute(&node.name);
            return Ok(Call {
                module: Some(format!("{class}({})", all.join(", "))),
                function: Box::new(move |inputs| format!("{attribute}({})", inputs[0])),
            });
        }
        let keywords = keywords(&arguments);
        let with = move |function: String| -> Expression {
            Box::new(move |inputs| {
                let all: Vec<String> = [inputs[0].clone()].into_iter().chain(keywords.clone()).collect();
                format!("{function}({})", all.join(", "))
            })
        };
        let function: Expression = match op.as_str() {
            "add" => Box::new(|inputs| inputs.join(" + ")),
            "concat" => Box::new(|inputs| format!("torch.cat(({}), 1)", inputs.join(", "))),
            "flatten" => Box::new(|inputs| format!("torch.flatten({}, 1)", inputs[0])),
            "sigmoid" => Box::new(|inputs| format!("torch.sigmoid({})", inputs[0])),
            "softmax" | "log_softmax" => Box::new(move |inputs| format!("F.{op}({}, 1)", inputs[0])),
            "dropout" => {
                let p = arguments.get("p").map_or_else(|| "0.5".to_owned(), python);
                Box::new(move |inputs| format!("F.dropout({}, {p}, self.training)", inputs[0]))
            }
            "relu" | "max_pool2d" | "avg_pool2d" | "adaptive_avg_pool2d" => with(format!("F.{op}")),
            _ => return Err(unknown(format!("{op} has no counterpart in PyTorch"))),
        };
        Ok(Call { module: None, function })
    }
}

fn activated(activation: Option<Activation>, value: String) -> String {
    match activation {
        None => value,
        Some(Activation::Relu) => format!("F.relu({value})"),
        Some(Activation::Sigmoid) => format!("torch.sigmoid({value})"),
        Some(Activation::Softmax) => format!("F.softmax({value}, 1)"),
    }
}

/// `kernel_size=(3, 2)`, each.
fn keywords(arguments: &Map<String, Value>) -> Vec<String> {
    arguments.iter().map(|(name, value)| format!("{name}={}", python(value))).collect()
}

/// A value as Python writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(values) => format!("({})", values.iter().map(python).collect::<Vec<_>>().join(", ")),
        // A side of an adaptive pooling that stays as it is.
        Value::String(text) if text == "none" => "None".to_owned(),
        other => other.to_string(),
    }
}

/// A submodule as an attribute; one whose name Python or `nn.Module` has another use for, by its key.
fn attribute(name: &str) -> String {
    if is_plain(name) { format!("self.{name}") } else { format!("self._modules[\"{name}\"]") }
}

/// A value as a local name.
fn local(graph: &Graph, value: ValueId) -> String {
    match value {
        ValueId::Input => "images".to_owned(),
        ValueId::Node(index) => match graph.nodes()[index].name.as_str() {
            name @ ("images" | "torch" | "nn" | "F" | "self") => format!("value_of_{name}"),
            name if is_plain(name) => name.to_owned(),
            name => format!("value_of_{name}"),
        },
    }
}

/// Whether a node's name can be an attribute of a module.
fn is_plain(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        && !KEYWORDS.contains(&name)
        && !OF_MODULES.contains(&name)
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// What `torch.nn.Module` has of its own, as far as it may be the name of a node.
const OF_MODULES: [&str; 29] = [
    "T_destination",
    "add_module",
    "apply",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "compile",
    "cpu",
    "cuda",
    "double",
    "dump_patches",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "parameters",
    "state_dict",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "xpu",
];

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use convscope_graph::ModelFile;

    use super::*;

    #[test]
    fn every_node_is_written_with_its_name_and_arguments() {
        let text = r#"
name = "odd"
[[node]]
op = "conv2d"
out_channels = 4
kernel_size = [3, 2]
padding = "same"
bias = false
activation = "relu"
[[node]]
name = "train"
op = "batch_norm"
momentum = "cumulative"
[[node]]
op = "add"
inputs = ["train", "conv2d"]
[[node]]
op = "max_pool2d"
kernel_size = 2
ceil_mode = true
[[node]]
op = "adaptive_avg_pool2d"
output_size = [2, "none"]
[[node]]
name = "2nd"
op = "concat"
inputs = ["average_pooling2d", "average_pooling2d"]
[[node]]
op = "flatten"
[[node]]
op = "dropout"
p = 0.25
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;
        let model = ModelFile::parse("odd.toml", text).unwrap().resolve([3, 8, 9], 5).unwrap();
        let source = module(&Graph::new(model).unwrap()).unwrap();
        for line in [
            "        self.conv2d = nn.Conv2d(3, 4, bias=False, kernel_size=(3, 2), padding=\"same\")\n",
            "        self._modules[\"train\"] = nn.BatchNorm2d(4, momentum=None)\n",
            "        self.dense = nn.Linear(80, 5)\n",
            "        conv2d = F.relu(self.conv2d(images))\n",
            "        value_of_train = self._modules[\"train\"](conv2d)\n",
            "        add = value_of_train + conv2d\n",
            "        max_pooling2d = F.max_pool2d(add, ceil_mode=True, kernel_size=2)\n",
            "        average_pooling2d = F.adaptive_avg_pool2d(max_pooling2d, output_size=(2, None))\n",
            "        value_of_2nd = torch.cat((average_pooling2d, average_pooling2d), 1)\n",
            "        dropout = F.dropout(flatten, 0.25, self.training)\n",
            "        dense = self.dense(dropout)\n        return dense\n",
        ] {
            assert!(source.contains(line), "{line}{source}");
        }
    }
}
