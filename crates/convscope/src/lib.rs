//! Trains convolutional networks on images and shows what happens inside them.
//!
//! This crate is the library under one name; the command `convscope` does the same from a terminal.
//!
//! - [`ops`]: the operators as functions on arrays, with PyTorch's names and arguments, forward and backward;
//! - [`graph`]: networks described as data, planned and run, with observers that see every value;
//! - [`data`]: image sources, splits, augmentation, normalisation, batches;
//! - [`train`]: the training loop with optimizers and schedules, the run directory, trained models;
//! - [`tune`]: searches over settings;
//! - [`report`]: tables, CSV and PNG.
//!
//! One operator on arrays:
//!
//! ```
//! use convscope::ops::{MaxPool2d, max_pool2d};
//! use ndarray::array;
//!
//! let input = array![[[[1.0, 5.0, 2.0], [3.0, 4.0, 0.0]]]];
//! let output = max_pool2d(input.view(), &MaxPool2d::new([2, 1]))?;
//! assert_eq!(output, array![[[[3.0, 5.0, 2.0]]]]);
//! # Ok::<(), convscope::ops::OpError>(())
//! ```
//!
//! A network trained and asked, in the folder `examples` of this crate: `cargo run --release --example train_shapes`.

pub use convscope_data as data;
pub use convscope_graph as graph;
pub use convscope_ops as ops;
pub use convscope_report as report;
pub use convscope_train as train;
pub use convscope_tune as tune;
pub use convscope_verify as verify;

/// The pool of threads that everything is best run in: as many as asked for (0: one for each core), with denormal
/// numbers flushed to zero.
pub use convscope_kernels::threads::pool;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
