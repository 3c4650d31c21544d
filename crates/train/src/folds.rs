//! Cross-validation: every image is tested once, by a network that was not trained on it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use convscope_data::{Fold, Source, Split, all_for_training, folds};
use serde::Serialize;

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::Evaluation;
use crate::session::{Ending, Session};
use crate::sink::Sink;

/// The accuracy of networks that were each trained on all images but a part, and tested on that part.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossValidation {
    /// The evaluation of each part.
    pub folds: Vec<Evaluation>,
}

/// Their accuracies as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldSpread {
    /// The mean of the accuracies of the folds.
    pub mean: f64,
    /// Their standard deviation, with one less than their number in the denominator.
    pub deviation: f64,
    /// The share of all images whose most probable class is the true one.
    pub accuracy: f64,
    /// All images.
    pub images: u64,
}

impl CrossValidation {
    /// Trains a network of a configuration for each of `count` parts of all images of a source, from 2, in memory. `done` hears of
    /// each. `None` if interrupted. The features of a frozen body are computed once for all, if they are kept.
    ///
    /// ```
    /// use convscope_data::{SourceOptions, SplitCounts, open};
    /// use convscope_train::TrainConfig;
    /// use convscope_train::folds::CrossValidation;
    /// let shapes = SplitCounts { train: 30, val: 10, test: 10 };
    /// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    /// let config = TrainConfig { model: "resnet8".to_owned(), epochs: 1, batch_size: 8, ..TrainConfig::default() };
    /// let found = CrossValidation::run(&config, &source, 2, &false.into(), &mut (), |_| {})?.unwrap();
    /// assert_eq!((found.folds.len(), found.spread().images), (2, 50));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`check`](Self::check), [`Session::new`] and [`Session::run`].
    pub fn run(
        config: &TrainConfig,
        source: &Arc<dyn Source>,
        count: usize,
        interrupt: &AtomicBool,
        sink: &mut dyn Sink,
        mut done: impl FnMut(&Evaluation),
    ) -> Result<Option<CrossValidation>, TrainError> {
        CrossValidation::check(config, &**source, count)?;
        let parts = folds(source, count, config.data.split_seed.unwrap_or(config.seed));
        let Some(shared) = shared(config, source, interrupt, sink)? else { return Ok(None) };
        let mut found = Vec::new();
        for Fold { source, train, test } in parts {
            let config = config.clone().with_batch_within(train.len());
            let mut session = Session::new(config, source)?;
            if let Some(shared) = &shared {
                session.share_features(shared, train, test);
            }
            let outcome = session.run(interrupt, sink)?;
            let (Ending::Completed | Ending::StoppedEarly, Some(test)) = (outcome.ending, outcome.test)
            else {
                return Ok(None);
            };
            done(&test);
            found.push(test);
        }
        Ok(Some(CrossValidation { folds: found }))
    }

    /// Checks that a source can be divided into so many parts, and that nothing has seen the images of a part before it is tested
    /// on them.
    ///
    /// # Errors
    /// Another number of parts than from 2 to that of the images; teachers.
    pub fn check(config: &TrainConfig, source: &dyn Source, count: usize) -> Result<(), TrainError> {
        let images: usize = Split::ALL.into_iter().map(|split| source.len(split)).sum();
        if count < 2 || count > images {
            let accepted = "from 2 to the number of images";
            return Err(TrainError::InvalidValue { field: "folds", value: count.to_string(), accepted });
        }
        if config.teacher.is_some() || !config.teachers.is_empty() {
            let accepted = "left out with teachers, who know the images that a fold is tested on";
            return Err(TrainError::InvalidValue { field: "folds", value: count.to_string(), accepted });
        }
        Ok(())
    }

    /// The accuracies as numbers.
    pub fn spread(&self) -> FoldSpread {
        let count = self.folds.len() as f64;
        let mean = self.folds.iter().map(|fold| fold.accuracy).sum::<f64>() / count;
        let squares: f64 = self.folds.iter().map(|fold| (fold.accuracy - mean).powi(2)).sum();
        let images: u64 = self.folds.iter().map(|fold| fold.images).sum();
        let right: f64 = self.folds.iter().map(|fold| fold.accuracy * fold.images as f64).sum();
        FoldSpread {
            mean,
            deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
            accuracy: right / images.max(1) as f64,
            images,
        }
    }
}

/// A session that has the features of all images, if they are the same in each fold; the outer `None` if interrupted.
fn shared(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    interrupt: &AtomicBool,
    sink: &mut dyn Sink,
) -> Result<Option<Option<Session>>, TrainError> {
    if config.freeze.is_none() || config.cached_views.is_some_and(|views| views > 0) {
        return Ok(Some(None));
    }
    let mut session = Session::new(config.clone(), all_for_training(Arc::clone(source)))?;
    if session.compute_features(interrupt, sink)?.is_break() {
        return Ok(None);
    }
    Ok(Some(Some(session)))
}
