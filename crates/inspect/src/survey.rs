//! One pass over a split: the layer table, the accuracy and the worst mistakes.

use std::sync::Arc;
use std::time::Instant;

use convscope_data::{Loader, Order, Source, Split};
use convscope_ops::argmax;
use convscope_train::likelihood::cross_entropy;
use convscope_train::metrics::{Confusion, RunningMean};
use ndarray::s;
use serde::Serialize;

use crate::findings::findings;
use crate::gather::Gatherer;
use crate::inspector::probabilities;
use crate::{Finding, InspectError, Inspector, LayerTable};

/// The images of a survey and what it gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyOptions {
    /// The split. Default [`Split::Train`].
    pub split: Split,
    /// At most this many images, starting with the first. Default none: all of them.
    pub limit: Option<usize>,
    /// How many of the most confidently wrong pictures are kept. Default 16.
    pub mistakes: usize,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        SurveyOptions { split: Split::Train, limit: None, mistakes: 16 }
    }
}

/// The results of a network on a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survey {
    /// Name of the model.
    pub model: String,
    /// The data.
    pub data: String,
    /// The split.
    pub split: Split,
    /// Number of images.
    pub images: u64,
    /// Mean cross-entropy of the logits.
    pub loss: f64,
    /// Share of images whose most probable class is the true one.
    pub accuracy: f64,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Labels against predictions.
    pub confusion: Confusion,
    /// The most confidently wrong pictures, the most confident first.
    pub mistakes: Vec<Mistake>,
    /// The layer table.
    pub layers: LayerTable,
    /// Its meaning in words.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub seconds: f64,
}

/// A picture that the network is wrong about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Its position in the split.
    pub index: usize,
    /// The file, if it has one.
    pub path: Option<String>,
    /// Its true class.
    pub label: usize,
    /// The predicted class.
    pub prediction: usize,
    /// The probability of that class.
    pub confidence: f32,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Interleaved red, green and blue, row by row.
    pub rgb: Vec<u8>,
}

/// The progress of a survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyProgress {
    /// Images done.
    pub done: usize,
    /// Images to do.
    pub total: usize,
}

/// The most confidently wrong pictures so far, the most confident first, ties in order of position.
struct Worst {
    most: usize,
    found: Vec<Candidate>,
}

#[derive(Clone, Copy)]
struct Candidate {
    index: usize,
    label: usize,
    prediction: usize,
    confidence: f32,
}

impl Worst {
    fn offer(&mut self, candidate: Candidate) {
        let place = self.found.partition_point(|other| other.confidence >= candidate.confidence);
        if place < self.most {
            self.found.insert(place, candidate);
            self.found.truncate(self.most);
        }
    }

    fn pictures(self, source: &dyn Source, split: Split) -> Result<Vec<Mistake>, InspectError> {
        let size = source.image_size();
        let picture = |candidate: Candidate| {
            let Candidate { index, label, prediction, confidence } = candidate;
            let mut rgb = vec![0; size.bytes()];
            source.read_rgb(split, index, &mut rgb)?;
            let path = source.path(split, index).map(|path| path.display().to_string());
            let (height, width) = (size.height, size.width);
            Ok(Mistake { index, path, label, prediction, confidence, height, width, rgb })
        };
        self.found.into_iter().map(picture).collect()
    }
}

impl Inspector {
    /// Passes over a split once, in fixed memory, and gathers the layer table, the accuracy and the worst mistakes. The
    /// numbers do not depend on the number of threads.
    ///
    /// # Errors
    /// Data of a different size or with different classes, an empty split, an image that cannot be read.
    ///
    /// ```
    /// use convscope_data::{SourceOptions, Split, SplitCounts, open};
    /// use convscope_graph::{InputDescription, Parameters, WeightsFile, Graph, preset};
    /// use convscope_inspect::{Inspector, SurveyOptions};
    ///
    /// let shapes = SplitCounts { train: 8, val: 4, test: 4 };
    /// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    /// let model = preset("plain8", [3, 32, 32], source.classes().len())?;
    /// let parameters = Parameters::new(&Graph::new(model.clone())?, 1)?;
    /// let input = InputDescription { size: [32, 32], resize: "squash".into(), background: "white".into(), scale: 1.0 / 255.0, mean: vec![0.5; 3], std: vec![0.25; 3] };
    /// let mut inspector = Inspector::new(WeightsFile { model, classes: source.classes().to_vec(), input, data: None, parameters })?;
    /// let survey = inspector.survey(source, SurveyOptions { split: Split::Test, ..SurveyOptions::default() }, &mut |_| {})?;
    /// let softmax = survey.layers.rows.last().unwrap();
    /// assert!((softmax.mean_abs_activation - 1.0 / survey.classes.len() as f64).abs() < 1e-7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn survey(
        &mut self,
        source: Arc<dyn Source>,
        options: SurveyOptions,
        progress: &mut dyn FnMut(SurveyProgress),
    ) -> Result<Survey, InspectError> {
        let started = Instant::now();
        self.check_source(&*source)?;
        let SurveyOptions { split, limit, mistakes } = options;
        let loader =
            Loader::new(Arc::clone(&source), split, self.batch(), Order::Sequential, self.normalization())?;
        let total = loader.images().min(limit.unwrap_or(usize::MAX)).max(1);
        let mut gatherer = Gatherer::new(self.executor(), total);
        let mut confusion = Confusion::new(self.graph().classes());
        let (mut loss, mut done) = (RunningMean::default(), 0);
        let mut worst = Worst { most: mistakes, found: Vec::new() };
        let mut batches = loader.epoch(0, 0);
        while done < total
            && let Some(batch) = batches.next()
        {
            let batch = batch?;
            let count = batch.labels.len().min(total - done);
            let logits = gatherer.batch(self.executor_mut(), batch.images.slice(s![..count, .., .., ..]))?;
            for ((row, &label), &index) in logits.outer_iter().zip(&batch.labels).zip(&batch.indices) {
                let row = row.to_slice().expect("rows of a new array are contiguous");
                let prediction = argmax(row);
                loss.add(cross_entropy(row, label), 1);
                confusion.record(label, prediction)?;
                if prediction != label {
                    let confidence = probabilities(row)[prediction];
                    worst.offer(Candidate { index, label, prediction, confidence });
                }
            }
            done += count;
            progress(SurveyProgress { done, total });
            batches.recycle(batch);
        }
        let images = done as u64;
        let layers = LayerTable::new(self.graph(), self.parameters(), images, &gatherer.finish());
        Ok(Survey {
            model: self.graph().name().to_string(),
            data: source.name().to_string(),
            split,
            images,
            loss: loss.mean().unwrap_or(f64::NAN),
            accuracy: confusion.accuracy().unwrap_or(f64::NAN),
            classes: self.classes().to_vec(),
            confusion,
            mistakes: worst.pictures(&*source, split)?,
            findings: findings(&layers),
            layers,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
