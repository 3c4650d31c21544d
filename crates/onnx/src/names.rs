//! What the names in a file say.

use convscope_graph::InputDescription;

use crate::attributes::Attributes;
use crate::proto::{GraphProto, ModelProto};

/// Whether the name of a node says more than its operator and a number.
pub(crate) fn says_something(name: &str, operator: &str) -> bool {
    let rest = name
        .trim_matches('/')
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches(['_', '.', '-']);
    let numbered = name.starts_with("node_") || name.starts_with("onnx::");
    let has_control = name.chars().any(char::is_control);
    !(rest.is_empty() || numbered || has_control || rest.eq_ignore_ascii_case(operator) || rest.len() < 2)
}

/// Whether a network weighs values by a softmax over products of values, or has an operator for that.
pub(crate) fn is_transformer(graph: &GraphProto) -> bool {
    let producer =
        |name: &str| graph.node.iter().find(|node| node.output.iter().any(|output| output == name));
    graph.node.iter().any(|node| {
        let is_attention = node.op_type.ends_with("Attention");
        let mut weights = node.input.first().and_then(|input| producer(input));
        while let Some(inner) = weights
            .filter(|inner| matches!(inner.op_type.as_str(), "Dropout" | "Cast" | "Identity" | "Where"))
        {
            weights = inner.input.first().and_then(|input| producer(input));
        }
        is_attention
            || (node.op_type == "MatMul" && weights.is_some_and(|weights| weights.op_type == "Softmax"))
    })
}

/// The perm of a transposition that brings the channels, which come last in the file, to the front.
pub(crate) const CHANNELS_TO_FRONT: [i64; 4] = [0, 3, 1, 2];

/// Whether an image comes in with its channels last: all nodes that take it bring them to the front.
pub(crate) fn is_channels_last(graph: &GraphProto, input: &str) -> bool {
    let mut readers = graph.node.iter().filter(|node| node.input.iter().any(|name| name == input)).peekable();
    let is_output = graph.output.iter().any(|output| output.name == input);
    readers.peek().is_some()
        && !is_output
        && readers.all(|node| node.op_type == "Transpose" && node.ints("perm") == Some(&CHANNELS_TO_FRONT))
}

/// The names of the classes, from the metadata of a file.
pub(crate) fn classes(model: &ModelProto) -> Option<Vec<String>> {
    const KEYS: &[&str] =
        &["convscope.classes", "classes", "class_names", "labels", "names", "class_labels", "id2label"];
    let entry =
        model.metadata_props.iter().find(|entry| KEYS.contains(&entry.key.to_lowercase().as_str()))?;
    let names = listed(&entry.value);
    (names.len() > 1).then_some(names)
}

/// How pictures are prepared for the network, if our own export says so.
pub(crate) fn input(model: &ModelProto) -> Option<InputDescription> {
    let value = |key| Some(model.metadata_props.iter().find(|entry| entry.key == key)?.value.as_str());
    let input: InputDescription = serde_json::from_str(value("convscope.input")?).ok()?;
    let sound = |std: &f32| std.is_finite() && *std > 0.0;
    let is_sound = input.mean.len() == input.std.len()
        && input.mean.iter().all(|mean| mean.is_finite())
        && input.std.iter().all(sound);
    let channels = input.mean.len();
    match value("convscope.takes") {
        _ if !is_sound => None,
        // The network scales and normalises itself.
        Some("bytes") => {
            let (mean, std) = (vec![0.0; channels], vec![input.scale as f32; channels]);
            Some(InputDescription { mean, std, ..input })
        }
        _ => Some(input),
    }
}

/// Names in JSON or Python, on lines or between commas.
fn listed(text: &str) -> Vec<String> {
    if let Ok(names) = serde_json::from_str::<Vec<String>>(text) {
        return names;
    }
    if let Ok(serde_json::Value::Object(by_index)) = serde_json::from_str(text) {
        let mut names: Vec<(usize, String)> = by_index
            .into_iter()
            .filter_map(|(index, name)| Some((index.parse().ok()?, name.as_str()?.to_owned())))
            .collect();
        names.sort();
        return names.into_iter().map(|(_, name)| name).collect();
    }
    let inner = text.trim().trim_start_matches(['{', '[', '(']).trim_end_matches(['}', ']', ')']);
    if inner.len() < text.trim().len() {
        return quoted(inner);
    }
    let separator = if text.contains('\n') { '\n' } else { ',' };
    text.split(separator).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The texts between quotation marks of a list or a dict of Python's.
fn quoted(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let mark = rest.as_bytes()[start] as char;
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(mark) else { break };
        names.push(inner[..end].to_owned());
        rest = &inner[end + 1..];
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_something_are_kept() {
        for name in ["/layer1/layer1.0/conv1/Conv", "stem", "features.0", "data_conv1"] {
            assert!(says_something(name, "Conv"), "{name}");
        }
        for name in ["", "Conv_12", "node_conv2d_5", "conv", "/Conv_3", "n4", "17", "a\nb", "onnx::Conv_193"]
        {
            assert!(!says_something(name, "Conv"), "{name}");
        }
    }

    #[test]
    fn classes_are_read_in_every_form() {
        let expected = ["cat", "sea lion"].map(String::from).to_vec();
        for text in [
            r#"["cat", "sea lion"]"#,
            r#"{"1": "sea lion", "0": "cat"}"#,
            "{0: 'cat', 1: 'sea lion'}",
            "cat\nsea lion\n",
            "cat, sea lion",
        ] {
            assert_eq!(listed(text), expected, "{text}");
        }
    }
}
