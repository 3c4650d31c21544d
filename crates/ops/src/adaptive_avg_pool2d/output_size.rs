//! A size in which either number may be taken from the input.

use crate::Pair;
use serde::{Deserialize, Serialize};

/// Rows and columns of an output; `None` stands for the input's. In files, a single number means both, and `"none"` (in
/// JSON also `null`) means `None`.
///
/// ```
/// use convscope_ops::OutputSize;
/// assert_eq!(OutputSize::from(7), OutputSize { rows: Some(7), columns: Some(7) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "OneOrTwo", into = "OneOrTwo")]
pub struct OutputSize {
    /// Rows.
    pub rows: Option<usize>,
    /// Columns.
    pub columns: Option<usize>,
}

impl From<usize> for OutputSize {
    fn from(both: usize) -> OutputSize {
        OutputSize { rows: Some(both), columns: Some(both) }
    }
}

impl From<[usize; 2]> for OutputSize {
    fn from([rows, columns]: [usize; 2]) -> OutputSize {
        OutputSize { rows: Some(rows), columns: Some(columns) }
    }
}

impl From<Pair> for OutputSize {
    fn from(pair: Pair) -> OutputSize {
        OutputSize { rows: Some(pair.rows), columns: Some(pair.columns) }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "output_size must be a whole number or \"none\", or one for rows and one for columns"
)]
enum OneOrTwo {
    Two([Number; 2]),
    One(Number),
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(untagged, expecting = "output_size must be a whole number or \"none\"")]
enum Number {
    Given(usize),
    Named(Named),
    Null(()),
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    None,
}

impl From<Number> for Option<usize> {
    fn from(number: Number) -> Option<usize> {
        match number {
            Number::Given(number) => Some(number),
            Number::Named(Named::None) | Number::Null(()) => None,
        }
    }
}

impl From<Option<usize>> for Number {
    fn from(number: Option<usize>) -> Number {
        number.map_or(Number::Named(Named::None), Number::Given)
    }
}

impl From<OneOrTwo> for OutputSize {
    fn from(value: OneOrTwo) -> OutputSize {
        let [rows, columns] = match value {
            OneOrTwo::One(both) => [both; 2],
            OneOrTwo::Two(pair) => pair,
        };
        OutputSize { rows: rows.into(), columns: columns.into() }
    }
}

impl From<OutputSize> for OneOrTwo {
    fn from(OutputSize { rows, columns }: OutputSize) -> OneOrTwo {
        if rows == columns {
            OneOrTwo::One(rows.into())
        } else {
            OneOrTwo::Two([rows.into(), columns.into()])
        }
    }
}
