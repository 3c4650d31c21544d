//! What most programs need: `use convscope::prelude::*;`.

pub use std::sync::Arc;
pub use std::sync::atomic::AtomicBool;

pub use convscope_data::{
    Arrays, Augmentation, ImageSize, Normalize, Pixels, Source, SourceOptions, Split, SplitCounts, open,
};
pub use convscope_graph::{Graph, ModelBuilder, ModelDescription, ModelFile, Observer, Parameters, preset};
pub use convscope_inspect::{Choice, HeatMapMethod, Inspector, Question, SurveyOptions};
pub use convscope_ops::{
    Activation, AdaptiveAvgPool2d, Add, AvgPool2d, BatchNorm, Concat, Conv2d, ConvTranspose2d, Dropout,
    Flatten, Linear, MaxPool2d,
};
pub use convscope_train::run_dir::RunLocation;
pub use convscope_train::sink::{ProgressSink, Sink};
pub use convscope_train::{
    Evaluation, Learner, OptimizerConfig, ScheduleConfig, Session, TrainConfig, TrainedModel,
};
pub use ndarray;
