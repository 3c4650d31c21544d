//! The dictionary of arrays in what a pickle made.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::pickle::{Id, Unpickled, Value, Values};
use crate::{Tensor, TorchError};

/// Names under which checkpoints keep their arrays, the usual ones first.
const NAMES: [&str; 8] =
    ["state_dict", "model", "model_state_dict", "network", "net", "module", "params", "weights"];

/// The arrays of the state dictionary, of which `bytes` are the storages' bytes in the file.
///
/// # Errors
/// No state dictionary, or several; an array that is not within its storage.
pub(crate) fn tensors(
    made: &Unpickled,
    bytes: &[Range<usize>],
) -> Result<BTreeMap<String, Tensor>, TorchError> {
    let dict = find(&made.values, made.root)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in entries(&made.values, dict) {
        let Value::Tensor(view) = view else { continue };
        let storage = bytes[view.storage].clone();
        let tensor = Tensor::new(view.dtype, view.shape.clone(), view.strides.clone(), view.offset, storage)?;
        // As in Python, the last one of a name counts.
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The dictionary itself if it has arrays; otherwise the one in it that has, or that has one.
fn find(values: &Values, root: Id) -> Result<Id, TorchError> {
    let mut dict = root;
    // A checkpoint may keep a checkpoint, not itself.
    for _ in 0..3 {
        if has_arrays(values, dict) {
            return Ok(dict);
        }
        let Value::Dict(list) = values.get(dict) else { break };
        let inner = || list.iter().filter_map(|&(key, value)| Some((values.text(key)?, value)));
        let usual = NAMES.iter().find_map(|name| {
            inner().find(|(key, value)| key == name && matches!(values.get(*value), Value::Dict(_)))
        });
        let of_arrays: Vec<(&str, Id)> = inner().filter(|&(_, value)| has_arrays(values, value)).collect();
        dict = match (usual, &of_arrays[..]) {
            (Some((_, value)), _) | (None, &[(_, value)]) => value,
            (None, []) => break,
            (None, several) => {
                return Err(TorchError::Several(
                    several.iter().map(|(name, _)| (*name).to_owned()).collect(),
                ));
            }
        };
    }
    Err(TorchError::NoArrays(contents(values, root)))
}

fn has_arrays(values: &Values, id: Id) -> bool {
    entries(values, id).any(|(_, value)| matches!(value, Value::Tensor(_)))
}

/// The values of a dictionary whose keys are text.
fn entries(values: &Values, id: Id) -> impl Iterator<Item = (&str, &Value)> {
    let list = if let Value::Dict(list) = values.get(id) { list.as_slice() } else { &[] };
    list.iter().filter_map(|&(key, value)| Some((values.text(key)?, values.get(value))))
}

/// What there is in place of a dictionary of arrays.
fn contents(values: &Values, id: Id) -> String {
    match values.get(id) {
        Value::Dict(_) => {
            let names: Vec<&str> = entries(values, id).map(|(name, _)| name).take(SHOWN).collect();
            if names.is_empty() { "nothing".to_owned() } else { format!("only {}", names.join(", ")) }
        }
        Value::Tensor(_) => "an array without a name".to_owned(),
        Value::Tuple(_) | Value::List(_) => "a list".to_owned(),
        _ => "a single value".to_owned(),
    }
}

/// Names in a message.
const SHOWN: usize = 8;
