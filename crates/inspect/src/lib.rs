//! Looks inside trained networks: the values in each layer, what they mean, and where the network looks.
//!
//! Everything is observed through the [`Observer`](convscope_graph::Observer) of the same executor that trains and
//! predicts; there is no second forward pass. An [`Inspector`] holds a network; its methods return plain structs,
//! independent of how they are shown:
//!
//! | method | result |
//! |---|---|
//! | [`Inspector::survey`] | a [`Survey`]: the [`LayerTable`], the accuracy, the worst mistakes, the [`Finding`]s |
//! | [`Inspector::example`] | an [`ExampleImage`]: the picture to inspect in detail |
//! | [`Inspector::feature_maps`] | [`FeatureMaps`] of one image |
//! | [`Inspector::attention`] | [`HeatMap`]s of one image: where the network looks |
//! | `Inspector::export_activations` | every node's values of some images, as `.npz` (feature `npz`) |
//! | [`Course::findings`] | [`Finding`]s about the course of training |
//! | [`compare()`] | a [`Comparison`] of several networks on the same images |

pub mod attention;
mod channel_histograms;
pub mod compare;
pub mod course;
pub mod depth;
mod error;
pub mod example;
#[cfg(feature = "npz")]
pub mod export;
pub mod feature_maps;
pub mod findings;
mod gather;
pub mod histogram;
mod inspector;
mod layer_row;
pub mod layers;
pub mod number;
pub mod quantity;
mod rank;
pub mod survey;

pub use attention::{HeatMap, HeatMapMethod, Question};
pub use compare::{Comparison, compare};
pub use course::Course;
pub use depth::{DepthTrend, DepthVerdict};
pub use error::InspectError;
pub use example::{Choice, ExampleImage};
pub use feature_maps::FeatureMaps;
pub use findings::{Finding, FindingKind};
pub use histogram::Histogram;
pub use inspector::Inspector;
pub use layers::{LayerRow, LayerTable};
pub use quantity::Quantity;
pub use survey::{Survey, SurveyOptions, SurveyProgress};
