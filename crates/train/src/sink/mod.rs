//! What is told how a training run goes on: files, terminals, and what library users add.

mod checkpoint;
mod history;
mod layer_metrics;
mod metrics;
mod progress;
mod state;
mod tensorboard;

pub use checkpoint::CheckpointSink;
pub use history::HistorySink;
pub use layer_metrics::LayerMetricsSink;
pub use metrics::MetricsSink;
pub use progress::ProgressSink;
pub(crate) use state::{Clock, fingerprint, published};
pub use state::{EpochEnd, Interruption, RunEnd, RunState};
pub use tensorboard::{BATCHES, TensorBoardSink, TensorBoardSummary};

use convscope_data::Split;

use crate::error::TrainError;
use crate::metrics::EpochMetrics;
use crate::session::BatchEvent;

/// Is told how a run goes on. Every method does nothing unless it is written out.
///
/// A [`Session`](crate::Session) tells the sink that is handed to [`run`](crate::Session::run) first, then those of its run
/// directory in this order: `metrics.csv`, `layer_metrics.csv`, TensorBoard, weights and checkpoint. When the first one fails, the
/// run directory is still told, so that everything is saved, and then the run ends with the error. When one of the run directory
/// fails, those after it are not told: a checkpoint never counts an epoch that the tables do not have.
///
/// `()` ignores all events, a pair tells one sink after the other.
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
    /// Training begins, or goes on where a checkpoint left it.
    fn begin(&mut self, _state: &RunState<'_>) -> SinkResult {
        Ok(())
    }

    /// A batch was learned from.
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

    /// All sinks have taken the epoch, so it is saved.
    fn epoch_saved(&mut self, _metrics: &EpochMetrics) -> SinkResult {
        Ok(())
    }

    /// Training was interrupted and may go on later.
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

/// The sinks of a run in their order.
pub(crate) struct Sinks<'a> {
    pub(crate) first: &'a mut dyn Sink,
    pub(crate) own: &'a mut [Box<dyn Sink>],
}

impl Sinks<'_> {
    /// Tells all sinks something: those of the run directory up to one that fails, also when the first sink fails.
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
