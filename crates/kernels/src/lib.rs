//! Loops over slices and sizes, with SIMD chosen at run time.
//!
//! The only crate of the workspace that may contain `unsafe`.
#![allow(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]
