//! Optimizers, schedules, metrics, the training loop and the run directory.
//!
//! The parts work on plain slices and are independent of each other; the training loop connects them:
//!
//! - [`config`]: the settings of a run, read from TOML, merged from defaults, recipe, file and flags, and checked;
//!   [`recipes`]: the configurations that come with the program;
//! - [`Optimizer`], [`Schedule`], [`sam`], [`clip`], [`ema`], [`stop`]: the arithmetic between a gradient and a new
//!   weight;
//! - [`fine_tuning`], [`folds`]: settings for networks that were trained on other images, and cross-validation;
//! - [`teachers`]: predictions of trained networks that another one learns from; [`TaughtRun`]: training a teacher first;
//! - [`metrics`]: loss, accuracy and the confusion matrix;
//! - [`Learner`]: a network that learns, step by step; [`Session`]: the training loop; [`sink`]: receivers of its
//!   progress; [`lr_find`]: which learning rate to try; [`Evaluation`], [`model`]: using a trained network;
//! - [`benchmark`]: how fast a network trains and predicts;
//! - [`run_dir`], [`Checkpoint`]: the files of a run on disk, readable after a crash at any instant.

pub mod benchmark;
mod checkpoint;
pub mod class_weights;
pub mod clip;
pub mod config;
pub mod ema;
mod error;
mod evaluate;
mod features;
pub mod fine_tuning;
pub mod folds;
mod foreign;
mod layer_meter;
mod learner;
pub mod likelihood;
pub mod lr_find;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod onnx;
mod optimizer;
pub mod recipes;
pub mod run_dir;
pub mod sam;
mod schedule;
mod session;
pub mod sink;
mod start;
mod statistics;
pub mod stop;
mod taught;
pub mod teachers;
mod trained_on;
mod trained_weights;
mod views;

pub use benchmark::Benchmark;
pub use checkpoint::{Array, Checkpoint};
pub use config::{PartialConfig, TrainConfig};
pub use error::{TrainError, ValuesFrom};
pub use evaluate::Evaluation;
pub use foreign::is_trained;
pub use layer_meter::LayerMetrics;
pub use learner::{Exchange, Learned, Learner};
pub use model::{Prediction, TrainedModel, resolve_model};
pub use optimizer::{DecayScope, Optimizer, OptimizerConfig};
pub use run_dir::RunDir;
pub use schedule::{RunLength, Schedule, ScheduleConfig};
pub use session::{BatchEvent, Ending, Outcome, Session, Warning};
pub use sink::Sink;
pub use start::key_map;
pub use taught::TaughtRun;
pub use trained_on::TrainedOn;
pub use views::Views;

#[cfg(test)]
mod reference;
