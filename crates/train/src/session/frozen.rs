//! A run whose body is frozen: its features, and the moment when it is trained too.

use convscope_ops::Precision;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convscope_data::{Augmentation, Loader, Normalization, Order, Source, Split};
use convscope_files::create_folders;
use convscope_graph::{Graph, Predictor};
use convscope_kernels::threads;

use super::Session;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::features::{
    self, Batches, FeatureBatches, FeatureTable, FeatureTableWriter, Features, KeyParts, Rows,
};
use crate::learner::Learner;
use crate::sink::{Sink, Sinks};

/// The training images as the configuration wants them while the body is frozen, or is trained.
pub(super) fn loader(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    normalization: &Normalization,
    is_frozen: bool,
) -> Result<Loader, TrainError> {
    let order = Order::Shuffled { seed: config.seed };
    let loader = Loader::new(Arc::clone(source), Split::Train, config.batch_size, order, normalization)?;
    match config.cached_views.filter(|_| is_frozen) {
        None => Ok(loader.augmented(config.augment, config.seed)?),
        Some(0) => Ok(loader.augmented(Augmentation::NONE, config.seed)?),
        Some(views) => Ok(loader.augmented(config.augment, config.seed)?.with_variants(views)),
    }
}

/// What evaluates a learner: its head, if the rest is frozen.
pub(super) fn evaluator(learner: &Learner, batch: usize) -> Result<Predictor, TrainError> {
    let graph: Arc<Graph> = match learner.frozen() {
        Some(frozen) => Arc::new(frozen.divided().head.clone()),
        None => Arc::clone(learner.graph()),
    };
    Ok(Predictor::new(graph, Precision::F32, batch)?)
}

impl Session {
    /// Trains the body too, if it is time.
    pub(super) fn unfreeze_if_due(&mut self) -> Result<(), TrainError> {
        let epoch = self.progress.epochs_done + 1;
        let is_due = self.config.unfreeze_at.is_some_and(|due| epoch >= due);
        if is_due && self.learner.frozen().is_some() {
            self.unfreeze()?;
        }
        Ok(())
    }

    /// Trains the body too from now on.
    pub(super) fn unfreeze(&mut self) -> Result<(), TrainError> {
        self.features = None;
        self.learner.unfreeze()?;
        self.evaluator = evaluator(&self.learner, self.config.batch_size)?;
        self.loader = loader(&self.config, &self.source, &self.normalization, false)?;
        self.progress.is_unfrozen = true;
        Ok(())
    }

    /// The rest of the current epoch's batches.
    pub(super) fn batches(&self) -> Batches {
        let (epoch, first) = (self.progress.epochs_done, self.progress.batches_done);
        let features = self.features.as_ref().and_then(|features| {
            let order = Order::Shuffled { seed: self.config.seed };
            let indices = order.indices(self.source.len(Split::Train), epoch);
            let images = (Arc::clone(&self.source), Split::Train);
            FeatureBatches::new(features, images, (indices, self.config.batch_size), epoch, first)
        });
        match features {
            Some(batches) => Batches::Features(batches),
            None => Batches::Images(self.loader.epoch(epoch, first)),
        }
    }

    /// Computes the features of a frozen body, if they are to be kept; breaks if interrupted.
    pub(super) fn prepare_features(
        &mut self,
        interrupt: &AtomicBool,
        sinks: &mut Sinks<'_>,
    ) -> Result<ControlFlow<()>, TrainError> {
        let has_epochs = self.progress.epochs_done < self.config.epochs && !self.progress.has_stopped;
        let most =
            self.config.feature_cache.memory().filter(|_| features::are_fixed(&self.config) && has_epochs);
        let (Some(most), Some(frozen)) = (most, self.learner.frozen()) else {
            return Ok(ControlFlow::Continue(()));
        };
        if self.features.is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        let shape = frozen.divided().head.image();
        let len = shape.iter().product::<usize>();
        let views = features::views(&self.config);
        let rows = |split| features::rows(&self.config, &*self.source, split);
        let kept = features::KEPT.into_iter().filter(|&split| !self.source.is_empty(split));
        let kept: Vec<(Split, usize)> = kept.map(|split| (split, rows(split))).collect();
        let total = kept.iter().map(|(_, rows)| rows).sum();
        let folder = match &self.run {
            _ if features::bytes(&self.config, &*self.source, len) <= most => None,
            Some(run) => Some(features::folder(run.path())),
            // Without a run directory there is no place for them.
            None => return Ok(ControlFlow::Continue(())),
        };
        let mut found = Features { shape, views, splits: [None, None, None] };
        let mut progress = Filling { done: 0, total };
        for (split, rows) in kept {
            let Some(table) =
                self.table(split, [rows, len], folder.as_deref(), &mut progress, interrupt, sinks)?
            else {
                return Ok(ControlFlow::Break(()));
            };
            found.splits[split as usize] = Some(Rows::all(table, self.source.len(split)));
        }
        self.features = Some(found);
        Ok(ControlFlow::Continue(()))
    }

    /// The features of a split, from its file if they are there; `None` if interrupted.
    fn table(
        &mut self,
        split: Split,
        [rows, len]: [usize; 2],
        folder: Option<&Path>,
        progress: &mut Filling,
        interrupt: &AtomicBool,
        sinks: &mut Sinks<'_>,
    ) -> Result<Option<FeatureTable>, TrainError> {
        let mut writer = match folder {
            None => FeatureTableWriter::in_memory(rows, len)?,
            Some(folder) => {
                create_folders(folder).map_err(TrainError::io("create the folder", folder))?;
                let (path, key) = (folder.join(split.name()), self.feature_key(split));
                if let Some(table) =
                    key.as_deref().map(|key| FeatureTable::open(&path, key, rows, len)).transpose()?.flatten()
                {
                    progress.done += rows;
                    return Ok(Some(table));
                }
                // Images without identities get a key that no other run asks for.
                FeatureTableWriter::in_file(&path, key.as_deref().unwrap_or("unknown"), rows, len)?
            }
        };
        for view in 0..rows / self.source.len(split) {
            let (epoch, loader) = match split {
                Split::Train => {
                    let ordered = Order::Sequential;
                    (view as u64, self.loader.in_order(ordered))
                }
                _ => (0, self.in_order(split, self.config.batch_size)?),
            };
            let mut batches = loader.epoch(epoch, 0);
            while let Some(batch) = batches.next().transpose()? {
                let frozen = self.learner.frozen_mut().expect("only a frozen body has features");
                let features = frozen.features(batch.images.view())?;
                writer.append(features.as_slice().expect("a new array is contiguous"))?;
                progress.done += batch.labels.len();
                batches.recycle(batch);
                sinks.tell(|sink| sink.features(progress.done, progress.total))?;
                if interrupt.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
        }
        writer.finish().map(Some)
    }

    /// `None` if the images have no identities.
    fn feature_key(&self, split: Split) -> Option<String> {
        let divided = self.learner.frozen()?.divided();
        let images = self.source.image_ids(split)?;
        Some(features::key(&KeyParts {
            config: &self.config,
            body: &divided.body,
            parameters: &divided.body_parameters(self.learner.parameters()),
            normalization: &self.normalization,
            images: &images,
            split,
            views: features::views(&self.config),
        }))
    }

    /// Computes the features of all images that are kept; breaks if interrupted.
    pub(crate) fn compute_features(
        &mut self,
        interrupt: &AtomicBool,
        sink: &mut dyn Sink,
    ) -> Result<ControlFlow<()>, TrainError> {
        threads::in_pool(|| self.prepare_features(interrupt, &mut Sinks { first: sink, own: &mut [] }))
    }

    /// Takes over the features of another session's training images, if pictures are prepared for both in the same way: those at
    /// `train` for its training images, those at `test` for its test images.
    pub(crate) fn share_features(&mut self, from: &Session, train: Vec<usize>, test: Vec<usize>) {
        let rows = from.features.as_ref().and_then(|features| features.rows(Split::Train));
        let (Some(rows), Some(features)) = (rows, &from.features) else { return };
        if from.normalization == self.normalization {
            let splits = [Some(rows.choose(train)), None, Some(rows.choose(test))];
            self.features = Some(Features { splits, ..features.clone() });
        }
    }

    /// Removes the files with features, which nothing needs any more.
    pub(super) fn forget_features(&mut self) {
        self.features = None;
        if let Some(run) = &self.run {
            // What stays behind only takes space.
            let _ = std::fs::remove_dir_all(features::folder(run.path()));
        }
    }
}

/// How many rows of all tables are there.
struct Filling {
    done: usize,
    total: usize,
}

#[cfg(test)]
mod tests {
    use convscope_data::{SourceOptions, SplitCounts, open};
    use convscope_graph::Predictor;

    use super::*;
    use crate::config::Freeze;

    /// Every row of the table is what the body, and with the head what the whole network, computes in inference.
    #[test]
    fn features_are_the_forward_in_inference_to_the_last_bit() {
        let shapes = SplitCounts { train: 13, val: 5, test: 2 };
        let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
        for model in ["plain8-bn", "resnet8"] {
            let config = TrainConfig {
                model: model.to_owned(),
                freeze: Freeze::AllButHead,
                batch_size: 4,
                ..TrainConfig::default()
            };
            let mut session = Session::new(config, Arc::clone(&source)).unwrap();
            let mut sinks = Sinks { first: &mut (), own: &mut [] };
            assert!(session.prepare_features(&AtomicBool::new(false), &mut sinks).unwrap().is_continue());
            let whole = session.learner.parameters().clone();
            let divided = session.learner.frozen().unwrap().divided();
            let mut body = Predictor::new(Arc::new(divided.body.clone()), Precision::F32, 7).unwrap();
            body.load(&divided.body_parameters(&whole));
            let mut network = Predictor::new(Arc::clone(session.learner.graph()), Precision::F32, 7).unwrap();
            network.load(&whole);
            let mut head = evaluator(&session.learner, 3).unwrap();
            head.load(&divided.head_parameters(&whole));
            let images = session.in_order(Split::Train, 13).unwrap().epoch(0, 0).next().unwrap().unwrap();
            let features = session.features.as_ref().unwrap();
            let indices = ((0..13).collect(), 13);
            let kept = FeatureBatches::new(features, (Arc::clone(&source), Split::Train), indices, 0, 0);
            let kept = kept.unwrap().next().unwrap().unwrap();
            let computed = body.logits(images.images.view()).unwrap();
            assert_eq!(kept.images.as_slice(), computed.as_slice(), "{model}");
            assert_eq!(kept.labels, images.labels);
            let logits = network.logits(images.images.view()).unwrap();
            assert_eq!(head.logits(kept.images.view()).unwrap(), logits, "{model}");
        }
    }
}
