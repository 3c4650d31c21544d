//! Sizes that PyTorch takes as one or two numbers.

use crate::OpError;
use serde::{Deserialize, Serialize};

/// A number for rows and one for columns; in files and in Rust a single number means both.
///
/// ```
/// use convscope_ops::Pair;
/// assert_eq!(Pair::from(3), Pair::from([3, 3]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "OneOrTwo", into = "OneOrTwo")]
pub struct Pair {
    /// For rows (height).
    pub rows: usize,
    /// For columns (width).
    pub columns: usize,
}

impl Pair {
    /// `[rows, columns]`.
    pub fn array(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    pub(crate) fn at_least_one(
        self,
        operator: &'static str,
        argument: &'static str,
    ) -> Result<Self, OpError> {
        self.within(operator, argument, 1)
    }

    /// Fails for numbers below `least`, or above a bound that keeps products of two such numbers from overflowing.
    pub(crate) fn within(
        self,
        operator: &'static str,
        argument: &'static str,
        least: usize,
    ) -> Result<Self, OpError> {
        let Pair { rows, columns } = self;
        let problem = if rows < least || columns < least {
            format!("is [{rows}, {columns}], each number must be at least {least}")
        } else if rows > LARGEST || columns > LARGEST {
            format!("is [{rows}, {columns}], each number must be at most {LARGEST}")
        } else {
            return Ok(self);
        };
        Err(OpError::argument(operator, argument, problem))
    }
}

const LARGEST: usize = 1 << 24;

impl From<usize> for Pair {
    fn from(both: usize) -> Pair {
        Pair { rows: both, columns: both }
    }
}

impl From<[usize; 2]> for Pair {
    fn from([rows, columns]: [usize; 2]) -> Pair {
        Pair { rows, columns }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "must be a whole number of at least 0, or one for rows and one for columns")]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Pair {
    fn from(value: OneOrTwo) -> Pair {
        match value {
            OneOrTwo::One(both) => both.into(),
            OneOrTwo::Two(pair) => pair.into(),
        }
    }
}

impl From<Pair> for OneOrTwo {
    fn from(pair: Pair) -> OneOrTwo {
        if pair.rows == pair.columns { OneOrTwo::One(pair.rows) } else { OneOrTwo::Two(pair.array()) }
    }
}
