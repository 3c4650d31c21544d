//! Features of a frozen body, computed once and read in every epoch.

mod batches;
mod key;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use convscope_data::{Source, Split};
use convscope_graph::Graph;

pub(crate) use batches::{Batches, FeatureBatches};
pub(crate) use key::{KeyParts, key};
pub(crate) use table::{FeatureTable, FeatureTableWriter};

use crate::config::TrainConfig;
use crate::error::TrainError;

/// The features of the images of a run.
#[derive(Clone)]
pub(crate) struct Features {
    /// Channels, rows and columns of an image's features.
    pub(crate) shape: [usize; 3],
    /// Variants of each training image.
    pub(crate) views: u64,
    /// In the order of [`Split::ALL`]; a split without rows is computed when it is needed.
    pub(crate) splits: [Option<Rows>; 3],
}

/// The features of a split: those of all its images, one variant after the other.
#[derive(Clone)]
pub(crate) struct Rows {
    table: Arc<FeatureTable>,
    /// The row of each image in the table, if it has those of others too.
    chosen: Option<Arc<[usize]>>,
    images: usize,
}

impl Rows {
    /// All rows of a table of so many images.
    pub(crate) fn all(table: FeatureTable, images: usize) -> Rows {
        Rows { table: Arc::new(table), chosen: None, images }
    }

    /// Some of the images.
    pub(crate) fn choose(&self, images: Vec<usize>) -> Rows {
        Rows { table: Arc::clone(&self.table), images: images.len(), chosen: Some(images.into()) }
    }

    fn row(&self, view: usize, image: usize) -> usize {
        match &self.chosen {
            Some(rows) => rows[image],
            None => view * self.images + image,
        }
    }
}

impl Features {
    /// The features of a split, if they are kept.
    pub(crate) fn rows(&self, split: Split) -> Option<&Rows> {
        self.splits[split as usize].as_ref()
    }
}

/// Whether the features of a configuration's frozen body are the same whenever they are computed.
pub(crate) fn are_fixed(config: &TrainConfig) -> bool {
    let is_fixed = config.cached_views.is_some() || config.augment.is_none();
    is_fixed && config.teachers.is_empty() && config.teacher.is_none()
}

/// Variants of each training image in a configuration whose features [are fixed](are_fixed).
pub(crate) fn views(config: &TrainConfig) -> u64 {
    config.cached_views.unwrap_or(0).max(1)
}

/// Where tables go that do not fit into memory.
pub(crate) fn folder(run: &std::path::Path) -> PathBuf {
    run.join("features")
}

/// Rows of a split.
pub(crate) fn rows(config: &TrainConfig, source: &dyn Source, split: Split) -> usize {
    let views = if split == Split::Train { views(config) as usize } else { 1 };
    source.len(split).saturating_mul(views)
}

/// The splits whose features are kept; test images are seen once.
pub(crate) const KEPT: [Split; 2] = [Split::Train, Split::Val];

/// The bytes of all features that are kept, wherever that is.
pub(crate) fn bytes(config: &TrainConfig, source: &dyn Source, len: usize) -> u64 {
    let total: usize = KEPT.into_iter().map(|split| rows(config, source, split)).sum();
    (total as u64).saturating_mul((len * size_of::<f32>()) as u64)
}

/// The bytes of the features that a run keeps in memory.
///
/// # Errors
/// The network cannot be divided as the configuration wants it.
pub(crate) fn kept_bytes(
    config: &TrainConfig,
    graph: &Graph,
    source: &dyn Source,
) -> Result<u64, TrainError> {
    let Some(most) = config.feature_cache.memory().filter(|_| are_fixed(config)) else { return Ok(0) };
    let divided = config.freeze.divide(graph)?;
    let needed = divided.map_or(0, |divided| bytes(config, source, divided.body.classes()));
    Ok(if needed <= most { needed } else { 0 })
}
