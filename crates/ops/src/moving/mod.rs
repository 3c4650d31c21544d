//! Operators that only move values: the same numbers in other places.

mod gathered;
mod reordered;
mod strided;

pub(crate) use gathered::Gathered;
pub(crate) use reordered::Reordered;
pub(crate) use strided::Strided;
