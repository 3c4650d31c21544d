//! A look at the messages of a file before they are decoded.

/// Most messages in a file: its nodes, arguments, arrays, names and axes.
const MOST_MESSAGES: usize = 2_000_000;

/// Most levels of messages within each other.
const MOST_LEVELS: usize = 32;

/// What is wrong with a file that would take far more memory than its bytes: a message of two bytes can stand for hundreds.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut left = MOST_MESSAGES;
    walk(bytes, Level::Model, 0, &mut left).map_err(|stop| match stop {
        Stop::Many => format!("has more than {MOST_MESSAGES} parts"),
        Stop::Deep => format!("has more than {MOST_LEVELS} networks in each other"),
    })
}

enum Stop {
    Many,
    Deep,
}

/// The messages whose fields are counted.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Texts and messages of fixed size.
    Leaf,
}

impl Level {
    /// What a field holds, if it is counted.
    fn inner(self, field: u64) -> Option<Level> {
        Some(match (self, field) {
            (Level::Model, 7) | (Level::Attribute, 6 | 11) => Level::Graph,
            (Level::Model, 25) => Level::Function,
            (Level::Graph, 1) | (Level::Function, 7) => Level::Node,
            (Level::Graph, 5) | (Level::Attribute, 5 | 10) => Level::Tensor,
            (Level::Graph, 11..=13) => Level::ValueInfo,
            (Level::Node, 5) | (Level::Function, 11) => Level::Attribute,
            (Level::ValueInfo, 2) => Level::Type,
            (Level::Type, 1) => Level::TensorType,
            (Level::TensorType, 2) => Level::Shape,
            (Level::Model, 8 | 14)
            | (Level::Function, 4..=6 | 9)
            | (Level::Node, 1 | 2 | 9)
            | (Level::Attribute, 9)
            | (Level::Tensor, 13)
            | (Level::Shape, 1) => Level::Leaf,
            _ => return None,
        })
    }
}

/// Counts the messages; damage is left to the decoder.
fn walk(mut bytes: &[u8], level: Level, depth: usize, left: &mut usize) -> Result<(), Stop> {
    if depth > MOST_LEVELS {
        return Err(Stop::Deep);
    }
    while let Some(key) = varint(&mut bytes) {
        match key & 7 {
            0 => {
                varint(&mut bytes);
            }
            1 => bytes = bytes.get(8..).unwrap_or_default(),
            5 => bytes = bytes.get(4..).unwrap_or_default(),
            2 => {
                let len = varint(&mut bytes).and_then(|len| usize::try_from(len).ok());
                let Some((inner, rest)) = len.and_then(|len| bytes.split_at_checked(len)) else {
                    return Ok(());
                };
                bytes = rest;
                if let Some(next) = level.inner(key >> 3) {
                    *left = left.checked_sub(1).ok_or(Stop::Many)?;
                    walk(inner, next, depth + 1, left)?;
                }
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut len = inner.len();
        while len > 127 {
            bytes.push(len as u8 | 128);
            len >>= 7;
        }
        bytes.push(len as u8);
        [bytes, inner.to_vec()].concat()
    }

    #[test]
    fn many_small_parts_are_refused() {
        let graph = |nodes: usize| field(7, &field(1, &[]).repeat(nodes));
        assert!(check(&graph(MOST_MESSAGES - 1)).is_ok());
        assert!(check(&graph(MOST_MESSAGES)).unwrap_err().contains("parts"));
    }

    #[test]
    fn networks_in_each_other_are_counted() {
        let nested = |levels: usize| {
            let inner = (0..levels).fold(Vec::new(), |graph, _| field(1, &field(5, &field(6, &graph))));
            field(7, &inner)
        };
        assert!(check(&nested(9)).is_ok());
        assert!(check(&nested(20)).unwrap_err().contains("in each other"));
    }
}
