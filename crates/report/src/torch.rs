//! A network as the source of a PyTorch module, which loads the weights file with `load_state_dict`.

use std::collections::HashSet;

use convscope_graph::{Graph, Node, ValueId};
use convscope_ops::{Activation, Torch};

use crate::ReportError;

/// The source of a Python file with one class, `Network`: a submodule for each node that has arrays, under the node's
/// name, and a `forward` from images `[N, C, H, W]` to the values before the last softmax; of a network with several outputs, to
/// a tuple of them, the one that classifies first.
///
/// # Errors
/// [`ReportError::Page`] where an operator has no counterpart in PyTorch, or the network takes several inputs.
pub fn module(graph: &Graph) -> Result<String, ReportError> {
    let inputs = graph.inputs().len();
    if inputs > 1 {
        let reason = format!("{}: a network with {inputs} inputs is not written as a module", graph.name());
        return Err(ReportError::Page { reason });
    }
    let names = Names::new(graph);
    let (mut modules, mut steps) = (String::new(), String::new());
    for (index, node) in graph.nodes().iter().enumerate() {
        let form = node.operator.layer().torch(&node.input_shapes).ok_or_else(|| ReportError::Page {
            reason: format!("{}: {} has no counterpart in PyTorch", node.name, node.operator.name()),
        })?;
        let owner = &graph.nodes()[node.weights_of.unwrap_or(index)];
        let inputs: Vec<&str> = node.inputs.iter().map(|&input| names.of(input)).collect();
        let value = match form {
            Torch::Module { constructor, input, after } => {
                if node.weights_of.is_none() {
                    modules += &placed(&node.name, &format!("{} = ", attribute(&node.name)), &constructor);
                }
                format!("{}({}){after}", attribute(&owner.name), filled(&input, &inputs))
            }
            Torch::Parameter { shape, trained } => {
                let [list, kind] = if trained { ["_parameters", "nn.Parameter"] } else { ["_buffers", ""] };
                let own = format!("self.{list}[{}]", quoted(&owner.name));
                if node.weights_of.is_none() {
                    let value = format!("{kind}(torch.zeros({}))", axes(&shape));
                    modules += &placed(&node.name, &format!("{own} = "), &value);
                }
                let array = if is_nested(&owner.name) { attribute(&owner.name) } else { own };
                format!("{array}.expand(images.shape[0], *{})", axes(&shape))
            }
            Torch::Expression(expression) => filled(&expression, &inputs),
            _ => return Err(ReportError::Page { reason: format!("{}: cannot be written", node.name) }),
        };
        let is_output = index == graph.outputs()[0];
        let activation =
            node.activation.filter(|activation| !(is_output && *activation == Activation::Softmax));
        let value = activated(activation, value);
        steps += &format!("        {} = {value}\n", names.of(ValueId::Node(index)));
    }
    let outputs: Vec<&str> = graph.outputs().iter().map(|&node| names.of(ValueId::Node(node))).collect();
    let shape: Vec<usize> = graph.shape(ValueId::Input(0)).axes().to_vec();
    let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let nested = if graph.nodes().iter().any(|node| is_nested(&node.name)) { NESTED } else { "" };
    let vision = if steps.contains("torchvision.") { "import torchvision\n" } else { "" };
    Ok(format!(
        "import torch\n{vision}from torch import nn\nfrom torch.nn import functional as F\n\n\n\
         class Network(nn.Module):\n    \
         # {name}, for images [N, {shape}]; forward returns the values before the softmax.\n    \
         def __init__(self):\n        super().__init__()\n{modules}\n{nested}    \
         def forward(self, images):\n{steps}        return {outputs}\n",
        name = one_line(graph.name()),
        shape = shape.join(", "),
        outputs = outputs.join(", "),
    ))
}

/// The expression with the inputs in their places.
fn filled(expression: &str, inputs: &[&str]) -> String {
    let all = expression.replace("{inputs}", &inputs.join(", "));
    inputs.iter().enumerate().fold(all, |text, (index, input)| text.replace(&format!("{{{index}}}"), input))
}

fn activated(activation: Option<Activation>, value: String) -> String {
    match activation {
        None => value,
        Some(activation) => filled(activation.torch(), &[value.as_str()]),
    }
}

/// `(3, 2)`, also of a single axis.
fn axes(shape: &[usize]) -> String {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    format!("({})", axes.trim_end())
}

/// Puts modules and arrays into modules in modules and finds them there, as PyTorch's keys have them: by the dots of their names.
const NESTED: &str = r#"    def _put(self, name, value):
        *path, last = name.split(".")
        module = self
        for part in path:
            module = module._modules.setdefault(part, nn.Module())
        kinds = [(nn.Module, module._modules), (nn.Parameter, module._parameters), (torch.Tensor, module._buffers)]
        next(values for kind, values in kinds if isinstance(value, kind))[last] = value

    def _at(self, name):
        *path, last = name.split(".")
        module = self
        for part in path:
            module = module._modules[part]
        return (module._modules | module._parameters | module._buffers)[last]

"#;

/// Whether a node is in a module in the module.
fn is_nested(name: &str) -> bool {
    name.contains('.')
}

/// The line that makes a node's module or array, where `assigned` is the beginning of a plain one.
fn placed(name: &str, assigned: &str, value: &str) -> String {
    if is_nested(name) {
        format!("        self._put({}, {value})\n", quoted(name))
    } else {
        format!("        {assigned}{value}\n")
    }
}

/// A submodule as an attribute; by its key if Python or `nn.Module` uses the name otherwise, or it is in another module.
fn attribute(name: &str) -> String {
    if is_nested(name) {
        return format!("self._at({})", quoted(name));
    }
    if is_plain(name) { format!("self.{name}") } else { format!("self._modules[{}]", quoted(name)) }
}

/// A text as Python writes it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The local names of all values, each of them once.
struct Names(Vec<String>);

impl Names {
    fn new(graph: &Graph) -> Names {
        let mut taken: HashSet<String> =
            ["images", "torch", "torchvision", "nn", "F", "self"].map(str::to_owned).into();
        let name = |node: &Node| {
            let letters: String =
                node.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let is_usable = is_plain(&letters) && !taken.contains(&letters);
            let base = if is_usable { letters } else { format!("value_of_{letters}") };
            let numbered =
                (1..).map(|number| if number == 1 { base.clone() } else { format!("{base}_{number}") });
            let free = numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
            taken.insert(free.clone());
            free
        };
        Names(graph.nodes().iter().map(name).collect())
    }

    fn of(&self, value: ValueId) -> &str {
        match value {
            ValueId::Input(_) => "images",
            ValueId::Node(index) => &self.0[index],
        }
    }
}

/// Whether a node's name can be an attribute of a module.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        && !KEYWORDS.contains(&name)
        && !OF_MODULES.contains(&name)
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Attributes of `torch.nn.Module` that could be the name of a node.
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
name = "stem.norm"
op = "layer_norm"
normalized_shape = [4]
data_format = "channels_first"
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
            "        self.conv2d = nn.Conv2d(3, 4, kernel_size=(3, 2), padding=\"same\", bias=False)\n",
            "        self._modules[\"train\"] = nn.BatchNorm2d(4, momentum=None)\n",
            "        self.dense = nn.Linear(80, 5)\n",
            "        conv2d = F.relu(self.conv2d(images))\n",
            "        value_of_train = self._modules[\"train\"](conv2d)\n",
            "        add = value_of_train + conv2d\n",
            "        self._put(\"stem.norm\", nn.LayerNorm(normalized_shape=(4)))\n",
            "        stem_norm = self._at(\"stem.norm\")(value_of_train.movedim(1, -1)).movedim(-1, 1)\n",
            "        max_pooling2d = F.max_pool2d(add, kernel_size=2, ceil_mode=True)\n",
            "        average_pooling2d = F.adaptive_avg_pool2d(max_pooling2d, output_size=(2, None))\n",
            "        value_of_2nd = torch.cat((average_pooling2d, average_pooling2d), 1)\n",
            "        dropout = F.dropout(flatten, 0.25, self.training)\n",
            "        dense = self.dense(dropout)\n        return dense\n",
        ] {
            assert!(source.contains(line), "{line}{source}");
        }
    }
}
