//! From the nodes of a network in the making to its description.

use std::collections::{HashMap, HashSet};

use convscope_graph::limits::MOST_NAME_BYTES;
use convscope_graph::{Initializer, ModelDescription, ModelInput, NodeDescription};
use convscope_ops::{Activation, Flatten, Operator, Reshape};

use super::{Array, Emitted, EmittedKind, Importer, Source, Value};
use crate::ends::Ends;
use crate::error::Unsupported;
use crate::{OnnxError, names};

/// A network and what is known of its arrays and values.
pub(crate) struct Finished {
    pub(crate) description: ModelDescription,
    /// By node and name of the array.
    pub(crate) arrays: HashMap<(String, &'static str), Array>,
    /// Names of values of the file with the nodes that compute them, in the order of the nodes.
    pub(crate) values: Vec<(String, String)>,
}

/// Operators that take an activation.
const BEFORE_ACTIVATIONS: &[&str] = &["add", "batch_norm", "conv2d", "conv_transpose2d", "linear"];

impl Importer<'_> {
    /// The network that computes these values.
    ///
    /// # Errors
    /// [`OnnxError::Unsupported`], values that are not there or constant.
    pub(crate) fn finish(mut self, file: &str, outputs: &[&str], ends: Ends) -> Result<Finished, OnnxError> {
        let mut ends_at = Vec::new();
        for &name in outputs {
            let value = self
                .value(name)
                .ok_or_else(|| OnnxError::structure(name, "is an output that nothing computes"))?;
            match value {
                Value::Constant(_) => {
                    return Err(OnnxError::structure(name, "is an output and does not depend on the input"));
                }
                Value::Computed(computed) => ends_at.push(computed.clone()),
            }
        }
        let needed = self.needed(ends_at.iter().map(|output| output.from));
        let operators = self.list_unsupported(&needed);
        if !operators.is_empty() {
            let is_transformer = names::is_transformer(self.graph);
            return Err(OnnxError::Unsupported(Unsupported {
                file: file.to_owned(),
                is_transformer,
                operators,
            }));
        }
        let mut ends_at: Vec<usize> = ends_at
            .into_iter()
            .map(|output| match output.from {
                Source::Node(index) => index,
                Source::Input(_) => {
                    // A network has a node at least.
                    let shape = output.axes.iter().flatten().map(|&len| len as isize).collect();
                    self.push(
                        EmittedKind::Operator(Reshape { shape }.into()),
                        vec![output.from],
                        Vec::new(),
                        output.axes,
                    );
                    self.emitted.len() - 1
                }
            })
            .collect();
        if ends == Ends::Classifier {
            self.end_as_classifier(&mut ends_at);
        }
        self.fuse(&mut ends_at);
        let needed = self.needed(ends_at.iter().map(|&index| Source::Node(index)));
        Ok(self.describe(file, &needed, &ends_at))
    }

    /// The nodes that these values depend on.
    fn needed(&self, outputs: impl Iterator<Item = Source>) -> Vec<bool> {
        let mut needed = vec![false; self.emitted.len()];
        let mut mark = |source: Source| {
            if let Source::Node(index) = source {
                needed[index] = true;
            }
        };
        outputs.for_each(&mut mark);
        for index in (0..needed.len()).rev() {
            if needed[index] {
                for &input in &self.emitted[index].inputs {
                    if let Source::Node(before) = input {
                        needed[before] = true;
                    }
                }
            }
        }
        needed
    }

    /// How many nodes, and outputs, take the value of each node.
    fn readers(&self, needed: &[bool], outputs: &[usize]) -> Vec<usize> {
        let mut readers = vec![0; self.emitted.len()];
        outputs.iter().for_each(|&output| readers[output] += 1);
        for (emitted, _) in self.emitted.iter().zip(needed).filter(|(_, needed)| **needed) {
            for input in &emitted.inputs {
                if let Source::Node(index) = *input {
                    readers[index] += 1;
                }
            }
        }
        readers
    }

    /// Makes a last softmax an activation, as the loss expects it, and the output a vector.
    fn end_as_classifier(&mut self, outputs: &mut [usize]) {
        let output = outputs[0];
        let needed = self.needed(outputs.iter().map(|&index| Source::Node(index)));
        let readers = self.readers(&needed, outputs);
        let is = |emitted: &Emitted, name: &str| matches!(&emitted.kind, EmittedKind::Operator(operator) if operator.name() == name);
        let axes = self.axes_of(Source::Node(output)).unwrap_or_default();
        let is_vector = axes.len() == 1;
        let channels_alone = axes.first().is_some_and(|&channels| channels == axes.iter().product::<usize>());
        let before = self.emitted[output].inputs.first().copied();
        if is(&self.emitted[output], "softmax") && channels_alone {
            self.emitted[output].kind = EmittedKind::Operator(Flatten::default().into());
            self.emitted[output].activation = Some(Activation::Softmax);
            // The linear map before takes it over, if nothing else needs its value.
            if let Some(Source::Node(linear)) = before
                && is(&self.emitted[linear], "linear")
                && is_vector
                && readers[linear] == 1
            {
                self.emitted[linear].activation = Some(Activation::Softmax);
                self.changed_to(output, linear);
                outputs[0] = linear;
            }
            return;
        }
        if let Some(Source::Node(softmax)) = before
            && is_vector
            && (is(&self.emitted[output], "flatten") || is(&self.emitted[output], "reshape"))
            && is(&self.emitted[softmax], "softmax")
            && readers[softmax] == 1
            && self.axes_of(Source::Node(softmax)).is_some_and(|inner| inner.first() == axes.first())
        {
            self.emitted[output].inputs = self.emitted[softmax].inputs.clone();
            self.emitted[output].activation = Some(Activation::Softmax);
            return;
        }
        if !is_vector && channels_alone {
            self.push(
                EmittedKind::Operator(Flatten::default().into()),
                vec![Source::Node(output)],
                Vec::new(),
                Some(vec![axes[0]]),
            );
            outputs[0] = self.emitted.len() - 1;
        }
    }

    /// Lets a node stand for another one that it has taken over.
    fn changed_to(&mut self, from: usize, to: usize) {
        for value in self.values.values_mut() {
            if let Value::Computed(computed) = value
                && computed.from == Source::Node(from)
            {
                computed.from = Source::Node(to);
            }
        }
    }

    /// Makes each relu the activation of the node before it, if nothing else takes that node's value.
    fn fuse(&mut self, outputs: &mut [usize]) {
        let needed = self.needed(outputs.iter().map(|&index| Source::Node(index)));
        let readers = self.readers(&needed, outputs);
        let mut taken = HashMap::new();
        for (index, &is_needed) in needed.iter().enumerate() {
            let emitted = &self.emitted[index];
            let EmittedKind::Operator(operator) = &emitted.kind else { continue };
            let &[Source::Node(before)] = emitted.inputs.as_slice() else { continue };
            if !is_needed || operator.name() != "relu" || emitted.activation.is_some() || readers[before] != 1
            {
                continue;
            }
            let previous = &mut self.emitted[before];
            let EmittedKind::Operator(operator) = &previous.kind else { continue };
            if previous.activation.is_none() && BEFORE_ACTIVATIONS.contains(&operator.name()) {
                previous.activation = Some(Activation::Relu);
                taken.insert(index, before);
            }
        }
        for emitted in &mut self.emitted {
            for input in &mut emitted.inputs {
                if let Source::Node(index) = *input
                    && let Some(&before) = taken.get(&index)
                {
                    *input = Source::Node(before);
                }
            }
        }
        outputs.iter_mut().for_each(|output| *output = taken.get(output).copied().unwrap_or(*output));
        let gone: HashSet<usize> = taken.values().copied().collect();
        self.values.retain(|_, value| match value {
            Value::Computed(computed) => {
                !matches!(computed.from, Source::Node(index) if gone.contains(&index))
            }
            Value::Constant(_) => true,
        });
        for (from, to) in taken {
            self.changed_to(from, to);
        }
    }

    fn describe(self, file: &str, needed: &[bool], outputs: &[usize]) -> Finished {
        let inputs = match self.inputs.as_slice() {
            [only] => ModelInput::only(only.shape.clone()),
            several => several.to_vec(),
        };
        let mut taken: HashSet<String> = inputs.iter().map(|input| input.name.clone()).collect();
        let mut given: Vec<Option<String>> = Vec::with_capacity(self.emitted.len());
        for (emitted, needed) in self.emitted.iter().zip(needed) {
            let name = if *needed { self.own_name(emitted) } else { None };
            given.push(name.filter(|name| name.len() <= MOST_NAME_BYTES && taken.insert(name.clone())));
        }
        let mut tried: HashMap<&'static str, usize> = HashMap::new();
        let mut node_names: HashMap<usize, String> = HashMap::new();
        let mut nodes = Vec::new();
        let mut arrays = HashMap::new();
        for (index, emitted) in self.emitted.iter().enumerate() {
            let EmittedKind::Operator(operator) = &emitted.kind else { continue };
            if !needed[index] {
                continue;
            }
            let name = given[index].clone().unwrap_or_else(|| keras_name(operator, &mut tried, &taken));
            let input_name = |source: &Source| match *source {
                Source::Input(index) => inputs[index].name.clone(),
                Source::Node(index) => node_names[&index].clone(),
            };
            nodes.push(NodeDescription {
                name: Some(name.clone()),
                operator: operator.clone(),
                activation: emitted.activation,
                inputs: operator
                    .layer()
                    .takes_inputs()
                    .then(|| emitted.inputs.iter().map(input_name).collect()),
                weights_of: None,
                initializer: None,
            });
            arrays.extend(emitted.arrays.iter().map(|(array, from)| ((name.clone(), *array), from.clone())));
            taken.insert(name.clone());
            node_names.insert(index, name);
        }
        let description = ModelDescription {
            name: file.to_owned(),
            inputs,
            initializer: Initializer::default(),
            outputs: Some(outputs.iter().map(|output| node_names[output].clone()).collect()),
            nodes,
        };
        let values = self.graph.node.iter().flat_map(|node| &node.output).filter_map(|name| {
            let Some(Value::Computed(computed)) = self.values.get(name.as_str()) else { return None };
            let Source::Node(index) = computed.from else { return None };
            if self.changed.contains(name.as_str()) {
                return None;
            }
            Some((name.clone(), node_names.get(&index)?.clone()))
        });
        let values = values.collect();
        Finished { description, arrays, values }
    }

    /// The name that the file has for a node, if it says something.
    fn own_name(&self, emitted: &Emitted) -> Option<String> {
        let node = self.graph.node.get(emitted.origin).filter(|_| emitted.is_last)?;
        if names::says_something(&node.name, &node.op_type) {
            return Some(node.name.clone());
        }
        if emitted.arrays.is_empty() {
            return None;
        }
        let weight = node.input.get(1)?.strip_suffix(".weight")?;
        let is_name =
            !weight.is_empty() && !weight.starts_with("onnx::") && !weight.chars().any(char::is_control);
        is_name.then(|| weight.to_owned())
    }

    /// The axes of a value, from what was recorded of it.
    pub(super) fn axes_of(&self, source: Source) -> Option<Vec<usize>> {
        match source {
            Source::Input(index) => Some(self.inputs[index].shape.clone()),
            Source::Node(index) => self.emitted[index].axes.clone(),
        }
    }
}

/// Keras' name with a number that is free.
fn keras_name(
    operator: &Operator,
    tried: &mut HashMap<&'static str, usize>,
    taken: &HashSet<String>,
) -> String {
    let base = operator.layer().keras_name();
    let number = tried.entry(base).or_default();
    loop {
        let name = if *number == 0 { base.to_owned() } else { format!("{base}_{number}") };
        *number += 1;
        if !taken.contains(&name) {
            return name;
        }
    }
}
