//! One walk over a split: the layer table, the accuracy and the worst mistakes.

use convscope_data::Split;
use convscope_train::metrics::Confusion;
use serde::Serialize;

use crate::{Finding, LayerTable};

/// Which images a survey takes and what it gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyOptions {
    /// The split. Default [`Split::Train`].
    pub split: Split,
    /// At most so many images, from the first on. Default none: all of them.
    pub limit: Option<usize>,
    /// How many of the most confidently wrong pictures are kept. Default 16.
    pub mistakes: usize,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        SurveyOptions { split: Split::Train, limit: None, mistakes: 16 }
    }
}

/// What a network does over a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survey {
    /// What the model is called.
    pub model: String,
    /// The data.
    pub data: String,
    /// The split.
    pub split: Split,
    /// Images that were looked at.
    pub images: u64,
    /// Mean cross-entropy of the logits.
    pub loss: f64,
    /// Share of images whose most probable class is theirs.
    pub accuracy: f64,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Labels against predictions.
    pub confusion: Confusion,
    /// The most confidently wrong pictures, the most confident first.
    pub mistakes: Vec<Mistake>,
    /// The layer table.
    pub layers: LayerTable,
    /// What it means.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub seconds: f64,
}

/// A picture that the network is wrong about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Its position in the split.
    pub index: usize,
    /// The file, where it has one.
    pub path: Option<String>,
    /// Its class.
    pub label: usize,
    /// What the network takes it for.
    pub prediction: usize,
    /// The probability that the network gives to that.
    pub confidence: f32,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Interleaved red, green and blue, row by row.
    pub rgb: Vec<u8>,
}

/// How far a survey has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyProgress {
    /// Images done.
    pub done: usize,
    /// Images to do.
    pub total: usize,
}
