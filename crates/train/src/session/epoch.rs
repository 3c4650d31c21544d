//! An epoch of training and its validation.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use convscope_data::Split;
use ndarray::Array4;

use super::{BatchEvent, Session};
use crate::error::TrainError;
use crate::metrics::EpochMetrics;
use crate::sink::{Clock, EpochEnd, Sinks, published};
use crate::stop::Verdict;

impl Session {
    /// Trains on the rest of the current epoch; breaks if interrupted.
    pub(super) fn train_epoch(
        &mut self,
        interrupt: &AtomicBool,
        sinks: &mut Sinks<'_>,
        clock: Clock,
    ) -> Result<ControlFlow<()>, TrainError> {
        let started = Instant::now();
        let before = self.progress.epoch_seconds;
        let mut batches = self.batches();
        while self.progress.batches_done < self.loader.batches() {
            let waiting = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            let progress = &mut self.progress;
            progress.data_wait_seconds += waiting.elapsed().as_secs_f64();
            let learned = if batches.are_features() {
                self.learner.step_on_features(batch.images.view(), &batch.labels)?
            } else {
                self.learner.step(&batch)?
            };
            progress.loss.add(learned.loss, learned.images as u64);
            progress.correct += learned.correct as u64;
            progress.batches_done += 1;
            progress.step = self.learner.steps();
            progress.epoch_seconds = before + started.elapsed().as_secs_f64();
            let event = BatchEvent {
                epoch: progress.epochs_done + 1,
                epochs: self.config.epochs,
                batch: progress.batches_done,
                batches: self.loader.batches(),
                images: progress.loss.images() as usize,
                loss: progress.loss.mean().unwrap_or(f64::NAN),
                accuracy: progress.train_accuracy(),
                learning_rate: learned.learning_rate,
            };
            batches.recycle(batch);
            let state = self.state(clock);
            sinks.tell(|sink| sink.batch(&event, &state))?;
            if interrupt.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Validates the epoch, counts it, and notifies the sinks; if interrupted, breaks without counting it.
    pub(super) fn finish_epoch(
        &mut self,
        interrupt: &AtomicBool,
        sinks: &mut Sinks<'_>,
        clock: Clock,
        shown: &Array4<f32>,
    ) -> Result<ControlFlow<()>, TrainError> {
        let published = published(&self.learner, self.statistics.as_mut())?;
        self.load_evaluator(&published);
        let val = match self.evaluate(Split::Val, interrupt, sinks)? {
            ControlFlow::Continue(val) => val,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        let verdict = match &val {
            Some(val) => self.progress.stopping.observe(val.loss),
            None => Verdict::Improved,
        };
        let is_best = verdict == Verdict::Improved;
        if is_best && self.config.patience.is_some() {
            self.best = Some(published.clone());
        }
        let [val_loss, val_accuracy] =
            val.map_or([f64::NAN; 2], |evaluation| [evaluation.loss, evaluation.accuracy]);
        self.progress.has_stopped = verdict == Verdict::Stop;
        let metrics = self.count_epoch(val_loss, val_accuracy, clock);
        let layers = self.learner.take_layer_metrics(metrics.epoch);
        let (state, _) = self.apart(clock);
        let mut end = EpochEnd {
            state,
            metrics: &metrics,
            layers: &layers,
            published: &published,
            is_best,
            summaries: Vec::new(),
            shown: shown.view(),
        };
        sinks.tell(|sink| sink.epoch(&mut end))?;
        sinks.tell(|sink| sink.epoch_saved(&metrics))?;
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the metrics of the finished epoch and starts another.
    fn count_epoch(&mut self, val_loss: f64, val_accuracy: f64, clock: Clock) -> EpochMetrics {
        let progress = &mut self.progress;
        progress.epochs_done += 1;
        let train_loss = progress.loss.mean().unwrap_or(f64::NAN);
        let train_accuracy = progress.train_accuracy();
        (progress.train_loss, progress.train_accuracy) = (Some(train_loss), Some(train_accuracy));
        let images_per_second = progress.loss.images() as f64 / progress.epoch_seconds.max(1e-9);
        progress.images += progress.loss.images();
        progress.train_seconds += progress.epoch_seconds;
        progress.seconds = clock.seconds();
        let metrics = EpochMetrics {
            epoch: progress.epochs_done,
            learning_rate: self.learner.learning_rate_at(progress.step.saturating_sub(1)),
            train_loss,
            train_accuracy,
            val_loss,
            val_accuracy,
            seconds: progress.epoch_seconds,
            images_per_second,
            data_wait_seconds: progress.data_wait_seconds,
        };
        progress.begin_epoch();
        metrics
    }
}
