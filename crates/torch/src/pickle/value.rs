//! The values of a pickle.

use super::global::Global;
use crate::{Dtype, TorchError};
use std::ops::Range;

/// The place of a value among all values of a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(u32);

/// A value. Containers have the places of what they contain, which may be themselves.
#[derive(Debug)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, in little-endian order.
    Long(Vec<u8>),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// The storage at this index.
    Storage(usize),
    Tensor(View),
    /// Something that no array needs and is not looked into, such as a fraction or bytes.
    Opaque,
}

/// An array as the pickle describes it; nothing of it is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The index of the storage.
    pub(crate) storage: usize,
    pub(crate) dtype: Dtype,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// The bytes behind arrays, by the key under which the file has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    pub(crate) key: String,
    /// The type of elements; none for bytes that get their type from the array.
    pub(crate) dtype: Option<Dtype>,
    /// The number of elements.
    pub(crate) elements: u64,
    /// The part that it is of the storage with the key, in elements: its first one and their number.
    pub(crate) part: Option<(u64, u64)>,
}

/// All values of a pickle.
pub(crate) struct Values(Vec<Value>);

impl Value {
    /// The integer with these bytes in two's complement.
    pub(super) fn of_long(bytes: &[u8]) -> Value {
        if bytes.len() > 8 {
            return Value::Long(bytes.to_vec());
        }
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut whole = [fill; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        Value::Int(i64::from_le_bytes(whole))
    }
}

impl Values {
    /// The value that every pickle has.
    pub(crate) const NONE: Id = Id(0);

    pub(super) fn new() -> Values {
        Values(vec![Value::None])
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// There are never more than the limit and one, so that a place fits.
    pub(super) fn add(&mut self, value: Value) -> Id {
        let id = Id(self.0.len() as u32);
        self.0.push(value);
        id
    }

    pub(crate) fn get(&self, id: Id) -> &Value {
        &self.0[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.0[id.0 as usize]
    }

    /// An integer that is not negative.
    pub(crate) fn size(&self, id: Id) -> Option<usize> {
        match *self.get(id) {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub(crate) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a key of a dictionary; of several, the last.
    pub(crate) fn entry(&self, dict: Id, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        let found = entries.iter().rev().find(|(known, _)| self.text(*known) == Some(key));
        found.map(|&(_, value)| self.get(value))
    }
}

impl Storage {
    /// `("storage", type, key, device, elements)`, and in the old form a part of it: nothing or `(key, first, elements)`.
    pub(super) fn from_value(values: &Values, id: Id) -> Option<Storage> {
        let (&[kind, dtype, key, _, elements], rest) = values.items(id)?.split_first_chunk()?;
        let (Some("storage"), Value::Global(Global::Storage(dtype))) = (values.text(kind), values.get(dtype))
        else {
            return None;
        };
        let part = match rest.first().map(|&part| (part, values.get(part))) {
            None | Some((_, Value::None)) => None,
            Some((part, _)) => match *values.items(part)? {
                [_, first, count] => Some((values.size(first)? as u64, values.size(count)? as u64)),
                _ => return None,
            },
        };
        let elements = values.size(elements)? as u64;
        Some(Storage { key: values.text(key)?.to_owned(), dtype: *dtype, elements, part })
    }

    /// Bytes of an element.
    pub(crate) fn element_bytes(&self) -> u64 {
        self.dtype.map_or(1, Dtype::size) as u64
    }

    /// The bytes of the file that it has, where `whole` are those of its key.
    pub(crate) fn bytes(&self, whole: Range<usize>) -> Result<Range<usize>, TorchError> {
        let (first, elements) = self.part.unwrap_or((0, self.elements));
        let start = first.saturating_mul(self.element_bytes());
        let end = first.saturating_add(elements).saturating_mul(self.element_bytes());
        let found = whole.len() as u64;
        if end > found {
            return Err(TorchError::Storage { storage: self.key.clone(), needed: end, found });
        }
        Ok(whole.start + start as usize..whole.start + end as usize)
    }
}
