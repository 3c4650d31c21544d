//! Trains convolutional networks on images and shows what happens inside them.
//!
//! This crate is the library under one name; the command `convscope` does the same from a terminal. What most programs need
//! is in the [`prelude`].
//!
//! ```
//! use convscope::ndarray::Array4;
//! use convscope::prelude::*;
//!
//! // Images [N, C, H, W] of bytes or numbers, and the class of each: here even rows or even columns.
//! let stripes = |(n, _, y, x): (usize, usize, usize, usize)| ([y, x][n % 2] % 2) as f32 + n as f32 / 100.0;
//! let images = Array4::from_shape_fn([80, 1, 12, 12], stripes);
//! let data = Arrays::new(images, (0..80).map(|n| n % 2).collect())?.with_validation_share(0.25, 1)?;
//!
//! let network = ModelBuilder::new("small", [1, 12, 12])
//!     .add(Conv2d::new(8, 3))
//!     .activation(Activation::Relu)
//!     .add(AdaptiveAvgPool2d::new(2))
//!     .add(Flatten::default())
//!     .add(Linear::new(2))
//!     .build()?;
//!
//! let config = TrainConfig { epochs: 8, batch_size: 12, lr: 0.02, ..TrainConfig::default() };
//! let mut session = Session::with_model(config, network, Arc::new(data))?;
//! let outcome = session.train()?;
//! assert!(outcome.val.unwrap().accuracy > 0.9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`ops`]: the operators as functions on arrays, with PyTorch's names and arguments, forward and backward;
//! - [`graph`]: networks described as data or [in code](graph::ModelBuilder), planned and run, with observers that see every value;
//! - [`data`]: image sources, splits, augmentation, normalisation, batches;
//! - [`train`]: [learners](train::Learner), [sessions](train::Session), [sinks](train::sink), the run directory, trained models;
//! - [`inspect`]: layer tables, findings, feature maps, heat maps;
//! - [`onnx`]: ONNX files as networks with their weights, and networks as ONNX files;
//! - `tune` (with the feature of this name): searches over settings;
//! - `report` (likewise): tables, CSV, pictures and pages;
//! - `verify` (likewise): comparison of the operators with PyTorch's recorded answers.
//!
//! # Features
//! None is on by default, so that a program only gets what it uses. `pictures` reads picture files and folders of them,
//! `download` fetches CIFAR-10, `npz` exports activations, `report`, `tune` and `verify` add the crates above, and
//! `full` enables all of them.
//!
//! # Examples
//! In the folder `examples`: `own_network`, `own_data`, `look_inside`, `onnx_file`, `train_shapes`, and `assignment`. Run one with
//! `cargo run --release --example own_network`.
//!
//! # Threads
//! Work is spread over all cores, or over the rayon pool of the caller; [`pool`] creates one that treats denormal
//! numbers like the default one. Results do not depend on the number of threads.

pub use convscope_data as data;
pub use convscope_graph as graph;
pub use convscope_inspect as inspect;
pub use convscope_onnx as onnx;
pub use convscope_ops as ops;
#[cfg(feature = "report")]
pub use convscope_report as report;
pub use convscope_train as train;
#[cfg(feature = "tune")]
pub use convscope_tune as tune;
#[cfg(feature = "verify")]
pub use convscope_verify as verify;
pub use ndarray;

pub mod prelude;

/// A pool of this many threads (0: one per core), with denormal numbers flushed to zero.
pub use convscope_kernels::threads::pool;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
