//! The machine that pickles are programs for, with the instructions that `torch.save` writes and nothing that it could run.
//!
//! The instructions are those of protocols 2 to 4, as Python's module `pickletools` lists them.

mod global;
mod globals;
mod reader;
mod value;

pub(crate) use global::Global;
pub(crate) use value::{Id, Storage, Value, Values};

use std::collections::HashMap;

use crate::TorchError;
use crate::limits::{MOST_INSTRUCTIONS, MOST_VALUES};
use reader::Reader;

/// What a pickle made: its values, and the one that it is.
pub(crate) struct Unpickled {
    pub(crate) values: Values,
    pub(crate) root: Id,
    /// The storages that it names, each once.
    pub(crate) storages: Vec<Storage>,
    /// The byte after the pickle.
    pub(crate) end: usize,
}

/// Runs the pickle that begins at `start`.
///
/// # Errors
/// Anything but the description of arrays in plain containers; more than the limits allow.
pub(crate) fn unpickle(bytes: &[u8], start: usize) -> Result<Unpickled, TorchError> {
    let mut machine = Machine {
        reader: Reader::new(bytes, start),
        values: Values::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        storages: Vec::new(),
        known: HashMap::new(),
    };
    for _ in 0..MOST_INSTRUCTIONS {
        if let Some(root) = machine.step()? {
            let Machine { reader, values, storages, .. } = machine;
            return Ok(Unpickled { values, root, storages, end: reader.place() });
        }
        if machine.values.len() > MOST_VALUES {
            return Err(TorchError::TooLarge { what: "values", most: MOST_VALUES });
        }
    }
    Err(TorchError::TooLarge { what: "instructions", most: MOST_INSTRUCTIONS })
}

struct Machine<'a> {
    reader: Reader<'a>,
    values: Values,
    stack: Vec<Id>,
    /// Lengths of the stack at marks.
    marks: Vec<usize>,
    memo: Vec<Id>,
    storages: Vec<Storage>,
    /// Their indices.
    known: HashMap<Storage, usize>,
}

impl Machine<'_> {
    /// Runs an instruction; the last one gives the pickle's value.
    fn step(&mut self) -> Result<Option<Id>, TorchError> {
        let at = self.reader.place();
        let code = self.reader.byte()?;
        match code {
            // PROTO, FRAME.
            0x80 => drop(self.reader.byte()?),
            0x95 => drop(self.reader.u64()?),
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Values::NONE),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let number = i64::from(self.reader.u32()?.cast_signed());
                self.push(Value::Int(number));
            }
            b'K' => {
                let number = self.reader.byte()?;
                self.push(Value::Int(i64::from(number)));
            }
            b'M' => {
                let number = self.reader.u16()?;
                self.push(Value::Int(i64::from(number)));
            }
            0x8a | 0x8b => {
                let length =
                    if code == 0x8a { u64::from(self.reader.byte()?) } else { u64::from(self.reader.u32()?) };
                let value = Value::of_long(self.reader.take(length)?);
                self.push(value);
            }
            b'G' => {
                self.reader.u64()?;
                self.push(Value::Opaque);
            }
            b'X' | 0x8c | 0x8d | b'T' | b'U' => {
                let length = self.length(code)?;
                let text = String::from_utf8_lossy(self.reader.take(length)?).into_owned();
                self.push(Value::Text(text));
            }
            b'B' | b'C' | 0x8e => {
                let length = self.length(code)?;
                self.reader.take(length)?;
                self.push(Value::Opaque);
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x8f => self.push(Value::Opaque),
            // ADDITEMS, FROZENSET.
            0x90 => drop(self.above_mark()?),
            0x91 => {
                self.above_mark()?;
                self.push(Value::Opaque);
            }
            b't' | b'l' => {
                let items = self.above_mark()?;
                self.push(if code == b't' { Value::Tuple(items) } else { Value::List(items) });
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let items = self.last(count)?;
                self.push(Value::Tuple(items));
            }
            b'd' => {
                let items = self.above_mark()?;
                let dict = self.values.add(Value::Dict(Vec::new()));
                self.insert(dict, &items)?;
                self.stack.push(dict);
            }
            b'a' | b'e' => {
                let items = if code == b'a' { self.last(1)? } else { self.above_mark()? };
                let list = self.top()?;
                match self.values.get_mut(list) {
                    Value::List(list) => list.extend(items),
                    Value::Opaque => {}
                    _ => return Err(self.wrong("something that is not a list is appended to")),
                }
            }
            b's' | b'u' => {
                let items = if code == b's' { self.last(2)? } else { self.above_mark()? };
                let dict = self.top()?;
                self.insert(dict, &items)?;
            }
            b'q' | b'r' => {
                let place = self.memo_place(code)?;
                // PyTorch numbers them one after the other; a hole would be filled at the cost of memory.
                let id = self.top()?;
                if place > self.memo.len() + 1000 {
                    return Err(self.wrong("a remembered value has too large a number"));
                }
                self.memo.resize(self.memo.len().max(place + 1), Values::NONE);
                self.memo[place] = id;
            }
            0x94 => {
                let id = self.top()?;
                self.memo.push(id);
            }
            b'h' | b'j' => {
                let place = self.memo_place(code)?;
                let id = self.memo.get(place).copied();
                self.stack.push(id.ok_or_else(|| self.wrong("a value is recalled that was not remembered"))?);
            }
            b'c' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                let global = Global::find(&module, &name)?;
                self.push(Value::Global(global));
            }
            0x93 => {
                let names = self.last(2)?;
                let [Value::Text(module), Value::Text(name)] =
                    [self.values.get(names[0]), self.values.get(names[1])]
                else {
                    return Err(self.wrong("the name of an object is not text"));
                };
                let global = Global::find(module, name)?;
                self.push(Value::Global(global));
            }
            // REDUCE and NEWOBJ call what the stack names with a tuple of arguments, NEWOBJ_EX with names too.
            b'R' | 0x81 => {
                let call = self.last(2)?;
                self.call(call[0], call[1])?;
            }
            0x92 => {
                let call = self.last(3)?;
                self.call(call[0], call[1])?;
            }
            // BUILD sets attributes, of which none matter to arrays.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = Storage::from_value(&self.values, id)
                    .ok_or_else(|| self.wrong("a reference is not one to a storage"))?;
                let next = self.storages.len();
                let index = *self.known.entry(storage.clone()).or_insert(next);
                if index == next {
                    self.storages.push(storage);
                }
                self.push(Value::Storage(index));
            }
            _ => return Err(TorchError::Instruction { code, at }),
        }
        Ok(None)
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<(), TorchError> {
        let made = globals::call(&mut self.values, &self.storages, function, arguments)
            .ok_or_else(|| self.wrong("a function does not get the arguments that it needs"))?;
        self.stack.push(made);
        Ok(())
    }

    /// Keys and values, one after the other, go into a dictionary.
    fn insert(&mut self, dict: Id, items: &[Id]) -> Result<(), TorchError> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.values.get_mut(dict) {
            Value::Dict(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)))
            }
            Value::Opaque => {}
            _ => return Err(self.wrong("something that is not a dictionary gets entries")),
        }
        Ok(())
    }

    fn length(&mut self, code: u8) -> Result<u64, TorchError> {
        match code {
            0x8c | b'U' | b'C' => Ok(u64::from(self.reader.byte()?)),
            0x8d | 0x8e => self.reader.u64(),
            _ => Ok(u64::from(self.reader.u32()?)),
        }
    }

    fn memo_place(&mut self, code: u8) -> Result<usize, TorchError> {
        match code {
            b'q' | b'h' => Ok(usize::from(self.reader.byte()?)),
            _ => Ok(self.reader.u32()? as usize),
        }
    }

    fn push(&mut self, value: Value) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    /// The values above the last mark.
    fn bottom(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, TorchError> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.bottom() => Ok(id),
            _ => Err(self.wrong("the stack is empty")),
        }
    }

    fn pop(&mut self) -> Result<Id, TorchError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn last(&mut self, count: usize) -> Result<Vec<Id>, TorchError> {
        if self.stack.len() < self.bottom() + count {
            return Err(self.wrong("the stack is empty"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let mark = self.marks.pop().ok_or_else(|| self.wrong("there is no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn wrong(&self, problem: &'static str) -> TorchError {
        TorchError::Pickle { at: self.reader.place().saturating_sub(1), problem }
    }
}
