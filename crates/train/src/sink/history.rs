//! The metrics of all epochs in memory.

use super::{EpochEnd, Sink, SinkResult};
use crate::metrics::EpochMetrics;

/// Collects the metrics of each epoch, like Keras' `History`.
///
/// ```
/// # use convscope_data::{SourceOptions, SplitCounts, open};
/// # use convscope_train::{Session, TrainConfig};
/// use convscope_train::sink::HistorySink;
/// # let shapes = SplitCounts { train: 20, val: 5, test: 5 };
/// # let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// # let config = TrainConfig { epochs: 2, batch_size: 10, ..TrainConfig::default() };
/// # let mut session = Session::new(config, source)?;
/// let mut history = HistorySink::default();
/// session.run(&false.into(), &mut history)?;
/// assert_eq!(history.epochs.len(), 2);
/// assert!(history.epochs[1].train_loss.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistorySink {
    /// The metrics in the order of the epochs.
    pub epochs: Vec<EpochMetrics>,
}

impl Sink for HistorySink {
    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        self.epochs.push(*end.metrics);
        Ok(())
    }
}
