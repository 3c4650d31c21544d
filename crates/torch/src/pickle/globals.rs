//! The Python objects that a pickle may name, and what becomes of a call.
//!
//! Nothing here is Python's: a name stands for a line of this file, and a name that is not here is an error.

use super::global::Global;
use super::value::{Id, Storage, Value, Values, View};
use crate::{Dtype, TorchError};

/// Names that stand for something, by module.
const KNOWN: [(&str, &str, Global); 38] = [
    ("collections", "OrderedDict", Global::Dict),
    ("collections", "defaultdict", Global::Opaque),
    ("collections", "Counter", Global::Opaque),
    ("torch", "Size", Global::Size),
    ("torch", "device", Global::Opaque),
    ("torch._utils", "_rebuild_tensor", Global::Tensor),
    ("torch._utils", "_rebuild_tensor_v2", Global::Tensor),
    ("torch._utils", "_rebuild_tensor_v3", Global::Tensor),
    ("torch._utils", "_rebuild_parameter", Global::Parameter),
    ("torch._utils", "_rebuild_parameter_with_state", Global::Parameter),
    ("torch._tensor", "_rebuild_from_type_v2", Global::FromType),
    ("torch.nn.parameter", "Parameter", Global::Opaque),
    ("torch.serialization", "_get_layout", Global::Opaque),
    ("torch", "DoubleStorage", Global::Storage(Some(Dtype::F64))),
    ("torch", "FloatStorage", Global::Storage(Some(Dtype::F32))),
    ("torch", "HalfStorage", Global::Storage(Some(Dtype::F16))),
    ("torch", "BFloat16Storage", Global::Storage(Some(Dtype::BF16))),
    ("torch", "LongStorage", Global::Storage(Some(Dtype::I64))),
    ("torch", "IntStorage", Global::Storage(Some(Dtype::I32))),
    ("torch", "ShortStorage", Global::Storage(Some(Dtype::I16))),
    ("torch", "CharStorage", Global::Storage(Some(Dtype::I8))),
    ("torch", "ByteStorage", Global::Storage(Some(Dtype::U8))),
    ("torch", "BoolStorage", Global::Storage(Some(Dtype::Bool))),
    ("torch", "UntypedStorage", Global::Storage(None)),
    ("torch.storage", "UntypedStorage", Global::Storage(None)),
    ("torch", "float64", Global::Dtype(Dtype::F64)),
    ("torch", "float32", Global::Dtype(Dtype::F32)),
    ("torch", "float16", Global::Dtype(Dtype::F16)),
    ("torch", "bfloat16", Global::Dtype(Dtype::BF16)),
    ("torch", "int64", Global::Dtype(Dtype::I64)),
    ("torch", "int32", Global::Dtype(Dtype::I32)),
    ("torch", "int16", Global::Dtype(Dtype::I16)),
    ("torch", "int8", Global::Dtype(Dtype::I8)),
    ("torch", "uint8", Global::Dtype(Dtype::U8)),
    ("torch", "bool", Global::Dtype(Dtype::Bool)),
    ("argparse", "Namespace", Global::Opaque),
    ("types", "SimpleNamespace", Global::Opaque),
    ("_codecs", "encode", Global::Opaque),
];

/// NumPy's numbers and arrays, which checkpoints have among their figures, in its modules of today and before.
const OF_NUMPY: [(&str, &str); 7] = [
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.dtypes", "Float64DType"),
];

impl Global {
    /// The object with this name.
    ///
    /// # Errors
    /// [`TorchError::Global`], whatever it is.
    pub(super) fn find(module: &str, name: &str) -> Result<Global, TorchError> {
        if ["__builtin__", "builtins"].contains(&module) {
            match name {
                "dict" => return Ok(Global::Dict),
                "set" | "frozenset" | "bytearray" | "complex" | "slice" => return Ok(Global::Opaque),
                _ => {}
            }
        }
        if let Some(&(.., global)) = KNOWN.iter().find(|known| (known.0, known.1) == (module, name)) {
            return Ok(global);
        }
        if OF_NUMPY.contains(&(module, name)) {
            return Ok(Global::Opaque);
        }
        Err(TorchError::Global(format!("{module}.{name}")))
    }
}

/// What a call gives: the description of an array, a container, or something that is not looked into. `None` for a value that is
/// not called, or other arguments than PyTorch writes.
pub(super) fn call(values: &mut Values, storages: &[Storage], function: Id, arguments: Id) -> Option<Id> {
    let items = values.items(arguments)?;
    match *values.get(function) {
        Value::Global(Global::Dict) => {
            let entries = match *items {
                [] => Vec::new(),
                [pairs] => pairs_of(values, pairs)?,
                _ => return None,
            };
            Some(values.add(Value::Dict(entries)))
        }
        Value::Global(Global::Size | Global::Parameter) => items.first().copied(),
        Value::Global(Global::Tensor) => {
            let view = view(values, storages, items)?;
            Some(values.add(Value::Tensor(view)))
        }
        Value::Global(Global::FromType) => {
            let &[function, _, arguments, ..] = items else { return None };
            // Never itself again, which could go on for ever.
            match values.get(function) {
                Value::Global(Global::Tensor | Global::Parameter) => {
                    call(values, storages, function, arguments)
                }
                _ => None,
            }
        }
        Value::Global(Global::Opaque) | Value::Opaque => Some(values.add(Value::Opaque)),
        _ => None,
    }
}

fn pairs_of(values: &Values, list: Id) -> Option<Vec<(Id, Id)>> {
    let pair = |&pair: &Id| match *values.items(pair)? {
        [key, value] => Some((key, value)),
        _ => None,
    };
    values.items(list)?.iter().map(pair).collect()
}

/// The array that `_rebuild_tensor` and its successors describe: storage, offset, shape and strides, then whether it needs gradients
/// and hooks, then its type if the storage has none. What follows marks values that are negated when they are read.
fn view(values: &Values, storages: &[Storage], items: &[Id]) -> Option<View> {
    let (&[storage, offset, shape, strides], rest) = items.split_first_chunk()?;
    let Value::Storage(storage) = *values.get(storage) else { return None };
    let mut later = rest.get(2..).unwrap_or_default().iter().map(|&id| values.get(id));
    let dtype = match storages[storage].dtype {
        Some(dtype) => dtype,
        None => match later.next()? {
            Value::Global(Global::Dtype(dtype)) => *dtype,
            _ => return None,
        },
    };
    if later.any(|value| matches!(value, Value::Dict(entries) if !entries.is_empty())) {
        return None;
    }
    let sizes =
        |list| -> Option<Vec<usize>> { values.items(list)?.iter().map(|&size| values.size(size)).collect() };
    Some(View {
        storage,
        dtype,
        offset: values.size(offset)?,
        shape: sizes(shape)?,
        strides: sizes(strides)?,
    })
}
