//! Turns a model description into a graph and a plan, and executes it.
//!
//! A [`ModelDescription`] is plain data: a preset or a TOML file. [`Graph::new`] checks it once and works out every
//! shape. A [`Plan`] orders the steps of a graph, for training or inference, and assigns a buffer to every value; an
//! [`Executor`] runs it without allocating. An [`Observer`] sees every value that is computed. [`Parameters`] holds the
//! weights in PyTorch's layouts; [`WeightsFile`] stores them with everything that prediction needs.

mod arrays_file;
mod blocks;
mod builder;
mod classifier;
mod description;
mod divided;
mod error;
mod execute;
mod graph;
mod initializer;
mod input;
mod keras;
mod key_map;
mod keys;
pub mod limits;
mod mismatch;
mod model_file;
mod names;
mod node;
mod observer;
mod options;
mod parameters;
mod plan;
mod predictor;
mod presets;
mod summary;
mod timm;
mod weights;

pub use arrays_file::{ArraysFile, LoadedArrays};
pub use builder::ModelBuilder;
pub use description::{ModelDescription, NodeDescription, Pretrained};
pub use divided::Divided;
pub use error::GraphError;
pub use execute::{ClassGradients, Executor, StepOutcome, TrainingBatch};
pub use graph::Graph;
pub use initializer::Initializer;
pub use input::ModelInput;
pub use key_map::KeyMap;
pub use mismatch::Mismatch;
pub use model_file::ModelFile;
pub use node::{Node, ValueId};
pub use observer::{FirstNonFinite, Observation, Observer};
pub use options::ModelOptions;
pub use parameters::Parameters;
pub use plan::{
    Action, Ceiling, Plan, PlanMemory, PlanSummary, Region, RegionSummary, Slot, Step, StepSummary,
};
pub use predictor::Predictor;
pub use presets::{PRESETS, preset, preset_file};
pub use summary::{LayerSummary, ModelSummary};
pub use weights::{DataDescription, InputDescription, WeightsFile};
