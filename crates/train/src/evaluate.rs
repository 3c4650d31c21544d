//! Loss, accuracy and confusion over a whole split.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use convscope_data::{Loader, Split};
use convscope_graph::Predictor;
use ndarray::{Array2, ArrayView4};

use crate::error::TrainError;
use crate::features::Batches;
use crate::likelihood::cross_entropy;
use crate::metrics::{Confusion, RunningMean};
use crate::views::Views;
use convscope_ops::argmax;

/// The performance of a network on a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The split.
    pub split: Split,
    /// Number of evaluated images.
    pub images: u64,
    /// Mean cross-entropy, without label smoothing.
    pub loss: f64,
    /// Share of images whose most probable class is the true one.
    pub accuracy: f64,
    /// Images with an output that is not finite, which makes loss and accuracy meaningless.
    pub not_finite: u64,
    /// Labels against predictions.
    pub confusion: Confusion,
    /// How long it took.
    pub seconds: f64,
}

/// Evaluates the predictor's parameters on all batches of `loader`.
pub(crate) fn evaluate_loader(
    predictor: &mut Predictor,
    loader: &Loader,
    split: Split,
    views: Views,
) -> Result<Evaluation, TrainError> {
    let batches = Batches::Images(loader.epoch(0, 0));
    let classes = predictor.graph().classes();
    let logits = |images: ArrayView4<'_, f32>| views.logits(predictor, images);
    match evaluate_unless(&AtomicBool::new(false), classes, batches, split, logits)? {
        ControlFlow::Continue(evaluation) => Ok(evaluation),
        ControlFlow::Break(()) => unreachable!("nothing else has access to the flag"),
    }
}

/// Evaluates what computes `logits` on all batches; ends with a break after the batch in which `interrupt` is set.
pub(crate) fn evaluate_unless(
    interrupt: &AtomicBool,
    classes: usize,
    mut batches: Batches,
    split: Split,
    mut logits: impl FnMut(ArrayView4<'_, f32>) -> Result<Array2<f32>, TrainError>,
) -> Result<ControlFlow<(), Evaluation>, TrainError> {
    let started = Instant::now();
    let mut loss = RunningMean::default();
    let mut confusion = Confusion::new(classes);
    let mut not_finite = 0;
    while let Some(batch) = batches.next() {
        let batch = batch?;
        let logits = logits(batch.images.view())?;
        for (row, &label) in logits.outer_iter().zip(&batch.labels) {
            let row = row.to_slice().expect("rows of a new array are contiguous");
            not_finite += u64::from(!row.iter().all(|logit| logit.is_finite()));
            loss.add(cross_entropy(row, label), 1);
            confusion.record(label, argmax(row))?;
        }
        batches.recycle(batch);
        if interrupt.load(Ordering::Relaxed) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(Evaluation {
        split,
        images: loss.images(),
        loss: loss.mean().unwrap_or(f64::NAN),
        accuracy: confusion.accuracy().unwrap_or(f64::NAN),
        not_finite,
        confusion,
        seconds: started.elapsed().as_secs_f64(),
    }))
}
