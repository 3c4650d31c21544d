//! A line for each epoch.

use std::io::Write;

use super::{Sink, SinkResult};
use crate::metrics::EpochMetrics;

/// Writes the progress of each epoch as a readable line: `epoch 3: training loss 1.234, validation accuracy 56.7 %`.
///
/// ```
/// use convscope_train::sink::ProgressSink;
/// let sink = ProgressSink::new(std::io::stderr());
/// ```
pub struct ProgressSink<W> {
    writer: W,
}

impl<W: Write + Send> ProgressSink<W> {
    /// A sink for this writer.
    pub fn new(writer: W) -> ProgressSink<W> {
        ProgressSink { writer }
    }
}

impl<W: Write + Send> Sink for ProgressSink<W> {
    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        let EpochMetrics { epoch, train_loss, val_accuracy, .. } = metrics;
        write!(self.writer, "epoch {epoch}: training loss {train_loss:.3}")?;
        if val_accuracy.is_finite() {
            write!(self.writer, ", validation accuracy {:.1} %", val_accuracy * 100.0)?;
        }
        Ok(writeln!(self.writer)?)
    }
}
