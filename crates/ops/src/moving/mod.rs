//! Operators that only move values: the same numbers in other places.

mod reordered;
mod strided;

pub(crate) use reordered::Reordered;
pub(crate) use strided::Strided;
