//! A learning-rate range test: which rate to try first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convscope_data::{Batch, Loader, Normalization, Order, Source, Split};
use convscope_graph::Graph;
use convscope_kernels::threads;
use serde::Serialize;

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::learner::{Learner, check_batches};
use crate::memory::Footprint;
use crate::schedule::RunLength;
use crate::session::{check_classes, held_bytes, model_of, train_loader};
use crate::start::Start;
use crate::teachers::Teachers;

/// How the rates grow: step `i` of `n` uses `from * (to / from)^(i / (n - 1))` (Smith, "Cyclical Learning Rates for
/// Training Neural Networks", 2015, with fastai's even factors), with one batch per step, repeating the data as needed.
/// If images repeat within a sweep, their loss also falls because they have been memorised, so the loss is then that of
/// validation images, with the statistics of their own batch. The sweep ends early if the smoothed loss is four times
/// its lowest value, or not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrFind {
    /// The first rate. Default 1e-6.
    pub from: f64,
    /// The last rate. Default 1.
    pub to: f64,
    /// The most steps, at least 10. Default 300: a network without batch normalisation takes a few hundred steps before
    /// its loss begins to fall.
    pub steps: usize,
}

impl Default for LrFind {
    fn default() -> Self {
        LrFind { from: 1e-6, to: 1.0, steps: 300 }
    }
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LrStep {
    /// The rate.
    pub learning_rate: f64,
    /// The loss before the step: of the batch that is learned from, or of validation images.
    pub loss: f64,
    /// An average of the losses so far that weights recent ones most: `s = 0.9 s + 0.1 loss`, divided by `1 -
    /// 0.9^steps`.
    pub smoothed: f64,
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrFinding {
    /// The steps in order; the last one may be where the loss explodes.
    pub steps: Vec<LrStep>,
    /// How often a full sweep uses each training image; above 1, images repeat.
    pub passes: f64,
    /// The split that the losses are measured on.
    pub judged_on: Split,
}

/// The weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// A loss this many times the lowest one counts as an explosion.
const EXPLOSION: f64 = 4.0;

impl LrFind {
    /// Checks the values.
    ///
    /// # Errors
    /// [`TrainError::InvalidValue`].
    pub fn validate(&self) -> Result<(), TrainError> {
        let wrong = |field, value: String, accepted| Err(TrainError::InvalidValue { field, value, accepted });
        if !(self.from.is_finite() && self.from > 0.0) {
            return wrong("from", self.from.to_string(), "a finite number above 0");
        }
        if !(self.to.is_finite() && self.to > self.from) {
            return wrong("to", self.to.to_string(), "a finite number above `from`");
        }
        if self.steps < 10 {
            return wrong("steps", self.steps.to_string(), "at least 10");
        }
        Ok(())
    }

    /// Trains a fresh network of this configuration with growing rates and discards it; `None` if interrupted.
    ///
    /// # Errors
    /// A configuration, model or source that cannot be used.
    pub fn run(
        &self,
        config: &TrainConfig,
        source: Arc<dyn Source>,
        interrupt: &AtomicBool,
    ) -> Result<Option<LrFinding>, TrainError> {
        config.validate()?;
        self.validate()?;
        threads::in_pool(|| self.sweep(config, source, interrupt))
    }

    fn sweep(
        &self,
        config: &TrainConfig,
        source: Arc<dyn Source>,
        interrupt: &AtomicBool,
    ) -> Result<Option<LrFinding>, TrainError> {
        let graph = Arc::new(Graph::new(model_of(config, &*source)?)?);
        check_classes(&graph, &*source)?;
        Footprint::check(config, &graph, held_bytes(&*source))?;
        let normalization = config.data.normalization(&*source)?;
        let loader = train_loader(config, &source, &normalization)?;
        check_batches(&graph, &loader)?;
        let length = RunLength { epochs: 1, steps_per_epoch: self.steps as u64 };
        let mut learner = Learner::new(graph, &TrainConfig { ema: None, ..config.clone() }, length)?
            .with_teachers(Teachers::open(config, None, &*source, &normalization)?)
            .with_class_weights(config.class_weights.of(&*source));
        if let Some(start) = Start::open(config, learner.graph())? {
            learner.start_from(start.parameters)?;
        }
        let passes = self.steps as f64 / loader.batches() as f64;
        let held_out = if passes > 1.0 { held_out(config, &source, &normalization)? } else { None };
        let held_out = held_out.filter(|batch| learner.graph().check_batch(batch.labels.len()).is_ok());
        let mut found = Smoother::default();
        let mut epoch = 0;
        let mut batches = loader.epoch(epoch, 0);
        for step in 0..self.steps {
            if interrupt.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if step > 0 && step % loader.batches() == 0 {
                epoch += 1;
                batches = loader.epoch(epoch, 0);
            }
            let Some(batch) = batches.next().transpose()? else { break };
            let rate = self.from * libm::pow(self.to / self.from, step as f64 / (self.steps - 1) as f64);
            let seen = held_out.as_ref().map(|batch| learner.loss_of(batch)).transpose()?;
            let outcome = match learner.differentiate(&batch) {
                Err(TrainError::Diverged { .. }) => break,
                outcome => outcome?,
            };
            if !found.goes_on(rate, seen.unwrap_or(outcome.loss)) {
                break;
            }
            match learner.update(rate) {
                Err(TrainError::Diverged { .. }) => break,
                updated => updated?,
            }
            batches.recycle(batch);
        }
        let judged_on = if held_out.is_some() { Split::Val } else { Split::Train };
        Ok(Some(LrFinding { steps: found.steps, passes, judged_on }))
    }
}

/// The first validation images, at most a batch; `None` if there are none.
fn held_out(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    normalization: &Normalization,
) -> Result<Option<Batch>, TrainError> {
    let images = source.len(Split::Val).min(config.batch_size);
    if images == 0 {
        return Ok(None);
    }
    let loader = Loader::new(Arc::clone(source), Split::Val, images, Order::Sequential, normalization)?;
    Ok(loader.epoch(0, 0).next().transpose()?)
}

impl LrFinding {
    /// The rate at which the smoothed loss is lowest.
    pub fn lowest(&self) -> Option<f64> {
        self.lowest_step().map(|index| self.steps[index].learning_rate)
    }

    /// The rate to try: where the loss falls most steeply over the logarithm of the rate, before the smoothed loss is
    /// lowest. The slope at a step is that of the straight line through the losses within a tenth of all steps on
    /// either side, by least squares. `None` if the loss does not fall.
    pub fn steepest(&self) -> Option<f64> {
        let end = self.lowest_step()? + 1;
        let reach = (self.steps.len() / 10).max(2);
        let slope = |middle: usize| slope(&self.steps[middle - reach..(middle + reach + 1).min(end)]);
        let steepest = (reach..end.saturating_sub(1)).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then(|| self.steps[steepest].learning_rate)
    }

    fn lowest_step(&self) -> Option<usize> {
        let finite = self.steps.iter().enumerate().filter(|(_, step)| step.smoothed.is_finite());
        finite.min_by(|(_, a), (_, b)| a.smoothed.total_cmp(&b.smoothed)).map(|(index, _)| index)
    }
}

/// The slope of the line through the losses over the logarithm of the rate.
fn slope(steps: &[LrStep]) -> f64 {
    let count = steps.len() as f64;
    let mean = |value: fn(&LrStep) -> f64| steps.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|step| libm::log(step.learning_rate)), mean(|step| step.loss));
    let products =
        steps.iter().map(|step| (libm::log(step.learning_rate) - x) * (step.loss - y)).sum::<f64>();
    products / steps.iter().map(|step| (libm::log(step.learning_rate) - x).powi(2)).sum::<f64>()
}

#[derive(Default)]
struct Smoother {
    steps: Vec<LrStep>,
    sum: f64,
}

impl Smoother {
    /// Adds the loss of a step; false if it has exploded.
    fn goes_on(&mut self, learning_rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return false;
        }
        self.sum = SMOOTHING * self.sum + (1.0 - SMOOTHING) * loss;
        let count = self.steps.len() as i32 + 1;
        let smoothed = self.sum / (1.0 - SMOOTHING.powi(count));
        self.steps.push(LrStep { learning_rate, loss, smoothed });
        let lowest = self.steps.iter().map(|step| step.smoothed).fold(f64::INFINITY, f64::min);
        smoothed <= EXPLOSION * lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PartialConfig;
    use convscope_data::{SourceOptions, SplitCounts, open};

    fn finding(losses: &[f64]) -> LrFinding {
        let mut found = Smoother::default();
        for (index, &loss) in losses.iter().enumerate() {
            if !found.goes_on(10f64.powf(index as f64 / 10.0 - 5.0), loss) {
                break;
            }
        }
        LrFinding { steps: found.steps, passes: 0.5, judged_on: Split::Train }
    }

    #[test]
    fn the_suggestion_lies_on_the_slope_before_the_lowest_point() {
        // Flat, falling around the 30th step, flat, exploding after the 45th.
        let loss = |step: f64| 2.3 - 2.0 / (1.0 + (30.0 - step).exp()) + (step - 48.0).exp();
        let losses: Vec<f64> = (0..60).map(|step| loss(f64::from(step))).collect();
        let found = finding(&losses);
        assert!(found.steps.len() < 56, "it ends when the loss explodes: {}", found.steps.len());
        let place = |rate: f64| (rate.log10() + 5.0) * 10.0;
        let (steepest, lowest) = (place(found.steepest().unwrap()), place(found.lowest().unwrap()));
        assert!((28.0..32.0).contains(&steepest), "{steepest}");
        assert!((38.0..50.0).contains(&lowest), "{lowest}");
        assert_eq!(finding(&[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]).steepest(), None);
        assert_eq!(finding(&[f64::NAN]).steepest(), None);
    }

    #[test]
    fn a_small_network_has_a_suggestion_and_the_same_each_time() {
        let shapes = SplitCounts { train: 64, val: 8, test: 8 };
        let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
        let options: PartialConfig =
            toml::from_str("batch_size = 16\nmodel_options.width = 0.125\n[optimizer]\nname = 'sgd'")
                .unwrap();
        let config = TrainConfig::default().merged(&options).unwrap();
        let search = LrFind { from: 1e-4, to: 100.0, steps: 40 };
        let run = |config: &TrainConfig| {
            search.run(config, Arc::clone(&source), &AtomicBool::new(false)).unwrap().unwrap()
        };
        let found = run(&config);
        assert_eq!(found, run(&config));
        let climbing = run(&TrainConfig { sam: 0.5, ..config.clone() });
        assert_eq!(climbing.steps[0], found.steps[0]);
        assert_ne!(climbing.steps[1].loss, found.steps[1].loss);
        assert!(found.steps.len() > 15, "{}", found.steps.len());
        assert!(found.steps.windows(2).all(|pair| pair[0].learning_rate < pair[1].learning_rate));
        assert!(search.run(&config, source, &AtomicBool::new(true)).unwrap().is_none());
        assert!(LrFind { to: 1e-5, ..search }.validate().is_err());
    }

    /// Random labels: only images seen before can be known, and no rate helps with others.
    #[test]
    fn what_is_learned_by_heart_is_not_taken_for_learning() {
        let shapes = SplitCounts { train: 32, val: 32, test: 8 };
        let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
        let source: Arc<dyn Source> = Arc::new(Guessing(source));
        let options: PartialConfig =
            toml::from_str("model = 'plain8-bn'\nbatch_size = 32\nmodel_options.width = 0.25").unwrap();
        let config = TrainConfig::default().merged(&options).unwrap();
        let search = LrFind { from: 1e-5, to: 0.1, steps: 60 };
        let found = search.run(&config, source, &AtomicBool::new(false)).unwrap().unwrap();
        assert_eq!((found.passes, found.judged_on), (60.0, Split::Val));
        let lowest = found.steps.iter().map(|step| step.loss).fold(f64::INFINITY, f64::min);
        assert!(lowest > 0.8 * found.steps[0].loss, "{lowest} of {}", found.steps[0].loss);
    }

    struct Guessing(Arc<dyn Source>);

    impl Source for Guessing {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn classes(&self) -> &[String] {
            self.0.classes()
        }
        fn image_size(&self) -> convscope_data::ImageSize {
            self.0.image_size()
        }
        fn len(&self, split: Split) -> usize {
            self.0.len(split)
        }
        fn label(&self, _split: Split, index: usize) -> usize {
            (index * index * 7 + 3 * index) % 11 % 10
        }
        fn read(
            &self,
            split: Split,
            index: usize,
            pixels: &mut [u8],
        ) -> Result<(), convscope_data::DataError> {
            self.0.read(split, index, pixels)
        }
    }
}
