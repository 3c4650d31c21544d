//! Batches of images, or of their features.

use std::sync::Arc;

use convscope_data::{Batch, DataError, Epoch, Source, Split};
use ndarray::Array4;

use super::{Features, Rows};
use crate::error::TrainError;

/// The batches of an epoch.
pub(crate) enum Batches {
    Images(Epoch),
    Features(FeatureBatches),
}

/// Batches of features in the order of `indices`, in the form of images.
pub(crate) struct FeatureBatches {
    source: Arc<dyn Source>,
    split: Split,
    rows: Rows,
    shape: [usize; 3],
    view: usize,
    batch_size: usize,
    indices: Vec<usize>,
    next: usize,
}

impl FeatureBatches {
    /// The batches from number `first_batch` on of a split whose features are kept.
    pub(crate) fn new(
        features: &Features,
        (source, split): (Arc<dyn Source>, Split),
        (indices, batch_size): (Vec<usize>, usize),
        epoch: u64,
        first_batch: usize,
    ) -> Option<FeatureBatches> {
        let rows = features.rows(split)?.clone();
        let view = if split == Split::Train { (epoch % features.views) as usize } else { 0 };
        let next = first_batch * batch_size;
        Some(FeatureBatches { source, split, rows, shape: features.shape, view, batch_size, indices, next })
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, TrainError> {
        let mut values = Vec::with_capacity(indices.len() * self.rows.table.row_len());
        for &index in indices {
            self.rows.table.read(self.rows.row(self.view, index), &mut values)?;
        }
        let [channels, height, width] = self.shape;
        let images = Array4::from_shape_vec([indices.len(), channels, height, width], values);
        let labels = indices.iter().map(|&index| self.source.label(self.split, index)).collect();
        let images = images.expect("a row has the features of an image");
        Ok(Batch { images, labels, mixed: None, indices: indices.to_vec() })
    }
}

impl Iterator for FeatureBatches {
    type Item = Result<Batch, TrainError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.indices.get(self.next..).filter(|left| !left.is_empty())?;
        let indices = &left[..left.len().min(self.batch_size)];
        self.next += indices.len();
        let indices = indices.to_vec();
        Some(self.batch(&indices))
    }
}

impl Batches {
    /// Whether they have features in the place of images.
    pub(crate) fn are_features(&self) -> bool {
        matches!(self, Batches::Features(_))
    }

    /// Returns a used batch, so that a later one can reuse its memory.
    pub(crate) fn recycle(&self, batch: Batch) {
        if let Batches::Images(epoch) = self {
            epoch.recycle(batch);
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, TrainError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Batches::Images(epoch) => {
                epoch.next().map(|batch| batch.map_err(|error: DataError| error.into()))
            }
            Batches::Features(batches) => batches.next(),
        }
    }
}
