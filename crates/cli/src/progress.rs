//! The progress of training: a bar on a terminal, otherwise a line per epoch, and occasional lines within a long epoch.

use std::time::{Duration, Instant};

use convscope_data::Split;
use convscope_report::number::{duration, percent, thousands};
use convscope_report::table;
use convscope_train::BatchEvent;
use convscope_train::metrics::EpochMetrics;
use convscope_train::sink::{RunState, Sink, SinkResult};
use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;

/// Shows the events of a training run.
pub(crate) struct TrainingProgress {
    console: Console,
    /// What is trained, before each line; empty if there is only one network.
    label: &'static str,
    bar: Option<ProgressBar>,
    epochs: u64,
    /// The end of the evaluation before the current epoch, and how many of its images were done by then.
    epoch: Option<(Instant, usize)>,
    left: TimeLeft,
    /// When the last line was written, if there is no bar.
    told: Option<Instant>,
    /// When the frozen body began to compute features.
    features: Option<Instant>,
}

/// The interval between lines within a long epoch.
const SILENCE: Duration = Duration::from_secs(30);

impl TrainingProgress {
    /// Nothing is drawn until the first event.
    pub(crate) fn new(epochs: u64, console: Console) -> Self {
        let bar = console.draws_bars().then(|| {
            // One text per batch is one redraw per batch; length, position and prefix would each cause another.
            let style = ProgressStyle::with_template("{msg}").expect("the template is well-formed");
            ProgressBar::no_length().with_style(style)
        });
        TrainingProgress {
            console,
            label: "",
            bar,
            epochs,
            epoch: None,
            left: TimeLeft::new(Instant::now()),
            told: None,
            features: None,
        }
    }

    /// The same, with this before each line.
    pub(crate) fn labelled(self, label: &'static str) -> Self {
        TrainingProgress { label, ..self }
    }

    /// Removes the bar; the lines of the epochs stay.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.console.note(line),
        }
    }
}

impl Sink for TrainingProgress {
    fn features(&mut self, done: usize, total: usize) -> SinkResult {
        let now = Instant::now();
        let began = *self.features.get_or_insert(now);
        let (done, total) = (done as u64, total as u64);
        if done == total {
            self.left = TimeLeft::new(now);
            self.line(&format!(
                "features of {} images computed in {}",
                thousands(total),
                duration(now - began)
            ));
        } else if let Some(bar) = &self.bar {
            bar.set_message(format!("features of {} of {} images", thousands(done), thousands(total)));
        } else if self.told.is_none_or(|told| now - told >= SILENCE) {
            if self.told.is_some() {
                self.console.note(&format!("features of {} of {} images", thousands(done), thousands(total)));
            }
            self.told = Some(now);
        }
        Ok(())
    }

    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        let now = Instant::now();
        let done = (event.epoch - 1) as f64 + event.batch as f64 / event.batches as f64;
        self.left.observe(now, done);
        let (since, before) = *self.epoch.get_or_insert((now, event.images));
        let seconds = now.duration_since(since).as_secs_f64();
        let speed = (event.images - before) as f64 / seconds;
        let mut parts =
            vec![format!("loss {}", loss(event.loss)), format!("accuracy {}", percent(event.accuracy))];
        if speed.is_finite() {
            parts.push(format!("{} images/s", thousands(speed.round() as u64)));
        }
        if let Some(left) = self.left.until(now, event.epochs as f64) {
            parts.push(format!("{} left", duration(left)));
        }
        let share = event.batch as f64 / event.batches as f64;
        let epoch = format!("{}{}", self.label, counter(event.epoch, event.epochs));
        if let Some(bar) = &self.bar {
            let drawn = format!("{epoch} [{:<width$}]", table::bar(share, BAR), width = BAR);
            bar.set_message(fitted(drawn, &parts, self.console.width()));
        } else if event.batch < event.batches && self.told.is_none_or(|told| now - told >= SILENCE) {
            // The interval starts with the first batch.
            if self.told.is_some() {
                let line = format!("{epoch}, {:.0} % of it", (100.0 * share).floor());
                self.console.note(&fitted(line, &parts, None));
            }
            self.told = Some(now);
        }
        Ok(())
    }

    fn evaluating(&mut self, split: Split) -> SinkResult {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("evaluating the {} images", split.adjective()));
        }
        Ok(())
    }

    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        let now = Instant::now();
        self.epoch = None;
        self.told = Some(now);
        self.left.observe(now, metrics.epoch as f64);
        let left = match self.left.until(now, self.epochs as f64) {
            Some(left) if metrics.epoch < self.epochs => format!("  {} left", duration(left)),
            _ => String::new(),
        };
        self.line(&format!("{}{}{left}", self.label, epoch_line(metrics, self.epochs)));
        Ok(())
    }
}

/// A line with as many of its parts as fit.
fn fitted(mut line: String, parts: &[String], width: Option<usize>) -> String {
    let room = width.unwrap_or(usize::MAX);
    for part in parts {
        if line.chars().count() + 2 + part.chars().count() >= room {
            break;
        }
        line = format!("{line}  {part}");
    }
    line
}

/// A loss with four decimals, or `n/a`.
pub(crate) fn loss(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "n/a".into() }
}

/// Columns on screen.
const BAR: usize = 20;

fn counter(epoch: u64, epochs: u64) -> String {
    let width = epochs.to_string().len();
    format!("epoch {epoch:>width$}/{epochs}")
}

fn epoch_line(metrics: &EpochMetrics, epochs: u64) -> String {
    let mut line = format!(
        "{}  training loss {} accuracy {}",
        counter(metrics.epoch, epochs),
        loss(metrics.train_loss),
        percent(metrics.train_accuracy)
    );
    if metrics.val_accuracy.is_finite() {
        line += &format!(
            "  validation loss {} accuracy {}",
            loss(metrics.val_loss),
            percent(metrics.val_accuracy)
        );
    }
    line += &format!("  {} images/s", thousands(metrics.images_per_second.round() as u64));
    if metrics.data_wait_seconds > NOTABLE_WAIT * metrics.seconds {
        let share = metrics.data_wait_seconds / metrics.seconds * 100.0;
        line += &format!("  ({share:.0} % of the time waiting for images)");
    }
    line
}

/// The share of an epoch spent waiting for images that is not worth mentioning.
const NOTABLE_WAIT: f64 = 0.1;

/// An estimate from the epochs since this process started; a resumed run has earlier ones.
struct TimeLeft {
    started: Instant,
    /// Epochs done at that time, known from the first event.
    first: Option<f64>,
    done: f64,
}

impl TimeLeft {
    fn new(started: Instant) -> Self {
        TimeLeft { started, first: None, done: 0.0 }
    }

    fn observe(&mut self, now: Instant, epochs_done: f64) {
        if self.first.is_none() {
            // The time before the first event is unknown; measuring starts with it.
            self.first = Some(epochs_done);
            self.started = now;
        }
        self.done = epochs_done;
    }

    fn until(&self, now: Instant, epochs: f64) -> Option<Duration> {
        let here = self.done - self.first?;
        let elapsed = now.checked_duration_since(self.started)?.as_secs_f64();
        if here <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64((elapsed / here * (epochs - self.done)).max(0.0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_counts_what_this_program_did() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut left = TimeLeft::new(start);
        assert_eq!(left.until(after(1), 10.0), None);
        // Resumed in the middle of the fifth epoch: two epochs take 30 s, three and a half are left.
        left.observe(after(5), 4.5);
        left.observe(after(35), 6.5);
        assert_eq!(left.until(after(35), 10.0), Some(Duration::from_secs_f64(52.5)));
        assert_eq!(left.until(after(35), 6.5), Some(Duration::ZERO));
    }

    #[test]
    fn a_bar_has_the_parts_that_fit() {
        let parts = ["loss 0.5000", "accuracy 25.00 %", "12 images/s"].map(String::from);
        let line = |width| fitted("epoch 3/12 [█████     ]".to_owned(), &parts, width);
        assert_eq!(line(Some(40)), "epoch 3/12 [█████     ]  loss 0.5000");
        assert_eq!(line(Some(80)), "epoch 3/12 [█████     ]  loss 0.5000  accuracy 25.00 %  12 images/s");
        assert_eq!(line(None), line(Some(200)));
    }

    #[test]
    fn the_line_of_an_epoch_says_what_there_is() {
        let metrics = EpochMetrics {
            epoch: 3,
            learning_rate: 0.1,
            train_loss: 0.5,
            train_accuracy: 0.25,
            val_loss: 1.5,
            val_accuracy: 0.75,
            seconds: 10.0,
            images_per_second: 1234.4,
            data_wait_seconds: 0.5,
        };
        assert_eq!(
            epoch_line(&metrics, 12),
            "epoch  3/12  training loss 0.5000 accuracy 25.00 %  validation loss 1.5000 accuracy 75.00 %  1,234 images/s"
        );
        let without =
            EpochMetrics { val_loss: f64::NAN, val_accuracy: f64::NAN, data_wait_seconds: 4.0, ..metrics };
        assert_eq!(
            epoch_line(&without, 3),
            "epoch 3/3  training loss 0.5000 accuracy 25.00 %  1,234 images/s  (40 % of the time waiting for images)"
        );
    }
}
