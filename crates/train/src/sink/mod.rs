//! Receivers of a training run's progress: files, terminals, and sinks of library users.

mod checkpoint;
mod history;
mod layer_metrics;
mod metrics;
mod progress;
mod state;
mod tensorboard;
mod tensorboard_summary;

pub use checkpoint::CheckpointSink;
pub use history::HistorySink;
pub use layer_metrics::LayerMetricsSink;
pub use metrics::MetricsSink;
pub use progress::ProgressSink;
pub(crate) use state::{Clock, OBSERVED_AT_ONCE, fingerprint, published};
pub use state::{EpochEnd, Interruption, RunEnd, RunState};
pub use tensorboard::{BATCHES, TensorBoardSink};
pub use tensorboard_summary::TensorBoardSummary;

use convscope_data::Split;

use crate::error::TrainError;
use crate::metrics::EpochMetrics;
use crate::session::BatchEvent;

/// Follows the progress of a run. By default, every method does nothing.
///
/// A [`Session`](crate::Session) first calls the sink that is passed to [`run`](crate::Session::run), then those of its
/// run directory in this order: `metrics.csv`, `layer_metrics.csv`, TensorBoard, weights and checkpoint. If the first
/// one fails, those of the run directory are still called, so that everything is saved, and then the run ends with the
/// error. If one of the run directory fails, those after it are not called, so a checkpoint never counts an epoch that
/// is missing from the tables.
///
/// `()` ignores all events; a pair calls one sink after the other.
///
/// ```
/// use convscope_train::sink::{EpochEnd, Sink, SinkResult};
///
/// /// Keeps the validation accuracies.
/// #[derive(Default)]
/// struct Accuracies(Vec<f64>);
///
/// impl Sink for Accuracies {
///     fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
///         self.0.push(end.metrics.val_accuracy);
///         Ok(())
///     }
/// }
/// ```
pub trait Sink: Send {
    /// Training starts, or continues from a checkpoint.
    fn begin(&mut self, _state: &RunState<'_>) -> SinkResult {
        Ok(())
    }

    /// The frozen body has computed the features of this many of all images, which are kept.
    fn features(&mut self, _done: usize, _total: usize) -> SinkResult {
        Ok(())
    }

    /// A batch has been learned.
    fn batch(&mut self, _event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        Ok(())
    }

    /// A split is about to be evaluated.
    fn evaluating(&mut self, _split: Split) -> SinkResult {
        Ok(())
    }

    /// An epoch is over and has been validated.
    fn epoch(&mut self, _end: &mut EpochEnd<'_>) -> SinkResult {
        Ok(())
    }

    /// All sinks have processed the epoch, so it is saved.
    fn epoch_saved(&mut self, _metrics: &EpochMetrics) -> SinkResult {
        Ok(())
    }

    /// Training was interrupted and may continue later.
    fn interrupted(&mut self, _at: &mut Interruption<'_>) -> SinkResult {
        Ok(())
    }

    /// The run is complete, or has stopped early.
    fn end(&mut self, _end: &RunEnd<'_>) -> SinkResult {
        Ok(())
    }
}

/// What a sink returns: any error ends the run.
pub type SinkResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Sink for () {}

impl<A: Sink, B: Sink> Sink for (A, B) {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.0.begin(state).and(self.1.begin(state))
    }

    fn features(&mut self, done: usize, total: usize) -> SinkResult {
        self.0.features(done, total).and(self.1.features(done, total))
    }

    fn batch(&mut self, event: &BatchEvent, state: &RunState<'_>) -> SinkResult {
        self.0.batch(event, state).and(self.1.batch(event, state))
    }

    fn evaluating(&mut self, split: Split) -> SinkResult {
        self.0.evaluating(split).and(self.1.evaluating(split))
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        self.0.epoch(end).and(self.1.epoch(end))
    }

    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        self.0.epoch_saved(metrics).and(self.1.epoch_saved(metrics))
    }

    fn interrupted(&mut self, at: &mut Interruption<'_>) -> SinkResult {
        self.0.interrupted(at).and(self.1.interrupted(at))
    }

    fn end(&mut self, end: &RunEnd<'_>) -> SinkResult {
        self.0.end(end).and(self.1.end(end))
    }
}

impl<S: Sink> Sink for Option<S> {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.begin(state))
    }

    fn features(&mut self, done: usize, total: usize) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.features(done, total))
    }

    fn batch(&mut self, event: &BatchEvent, state: &RunState<'_>) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.batch(event, state))
    }

    fn evaluating(&mut self, split: Split) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.evaluating(split))
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.epoch(end))
    }

    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.epoch_saved(metrics))
    }

    fn interrupted(&mut self, at: &mut Interruption<'_>) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.interrupted(at))
    }

    fn end(&mut self, end: &RunEnd<'_>) -> SinkResult {
        self.as_mut().map_or(Ok(()), |sink| sink.end(end))
    }
}

/// The sinks of a run, in order.
pub(crate) struct Sinks<'a> {
    pub(crate) first: &'a mut dyn Sink,
    pub(crate) own: &'a mut [Box<dyn Sink>],
}

impl Sinks<'_> {
    /// Calls all sinks: those of the run directory up to one that fails, even if the first sink fails.
    pub(crate) fn tell(
        &mut self,
        mut tell: impl FnMut(&mut dyn Sink) -> SinkResult,
    ) -> Result<(), TrainError> {
        let first = tell(self.first).map_err(TrainError::Sink);
        let own = self.own.iter_mut().try_for_each(|sink| tell(&mut **sink));
        own.map_err(|error| match error.downcast::<TrainError>() {
            Ok(error) => *error,
            Err(error) => TrainError::Sink(error),
        })?;
        first
    }
}
