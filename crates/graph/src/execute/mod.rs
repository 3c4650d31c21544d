//! Running a plan.

mod attribution;
mod outputs;
mod shard;
mod timing;
mod workspace;

pub use attribution::ClassGradients;

use crate::plan::{Action, Joining, Plan, Step, Wiring};
use crate::{Graph, GraphError, Node, Observer, Parameters};
use convscope_kernels::memory::{self, OutOfMemory};
use convscope_kernels::{Buffer, threads};
use convscope_ops::{BindOptions, Bound, Isa, Labels, Loss, Mode, Sample};
use ndarray::{Array2, ArrayView4};
use rayon::prelude::*;
use shard::{Shard, Shared};
use std::sync::Arc;
use workspace::Workspaces;

/// Runs a graph on batches of images.
///
/// All memory is allocated at creation, ideally on the pool that will run it; a training step allocates nothing. Work
/// is spread over the rayon pool of the caller, and results do not depend on its number of threads.
pub struct Executor {
    graph: Arc<Graph>,
    options: BindOptions,
    plan: Plan,
    wiring: Wiring,
    /// Computes every node's value by itself; exists once somebody has watched a training step.
    watched: Option<Box<Executor>>,
    isa: Isa,
    batch: usize,
    /// Whether a single image is computed on several threads.
    is_divided: bool,
    shards: Vec<Shard>,
    workspaces: Workspaces,
    /// For each node: packed parameters, state and sums over the batch of a coupled node.
    packed: Vec<Buffer>,
    states: Vec<Buffer>,
    sums: Vec<Vec<f64>>,
    gradients: Vec<Vec<f32>>,
    /// For each node that shares its arrays, its part of their gradients.
    shared_gradients: Vec<Vec<Vec<f32>>>,
    moments: ObservationPoints,
}

/// A batch, with what training needs to know about it.
#[derive(Clone, Copy, Debug)]
pub struct TrainingBatch<'a> {
    /// `[N, C, H, W]`.
    pub images: ArrayView4<'a, f32>,
    /// What each image shows.
    pub labels: Labels<'a>,
    /// The run's seed and step, for operators that draw random numbers.
    pub sample: Sample,
}

/// The result of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Mean loss of the batch.
    pub loss: f64,
    /// Images whose largest logit is their class; for a blend, the class with the larger share.
    pub correct: usize,
}

impl Executor {
    /// An executor for batches of at most `batch` images. `options` is a [`Mode`], or one with the precision of products.
    /// Parameters, gradients and all outputs are always `f32`.
    ///
    /// # Errors
    /// [`GraphError::OutOfMemory`].
    pub fn new(
        graph: Arc<Graph>,
        options: impl Into<BindOptions>,
        batch: usize,
    ) -> Result<Executor, GraphError> {
        let options = options.into();
        Executor::wired(graph, options, batch, Joining::of(options.mode))
    }

    /// An executor whose nodes may do the work of others.
    pub(crate) fn wired(
        graph: Arc<Graph>,
        options: BindOptions,
        batch: usize,
        joining: Joining,
    ) -> Result<Executor, GraphError> {
        let mode = options.mode;
        let mut wiring = Wiring::new(&graph, options, joining);
        let threads = threads::in_pool(rayon::current_num_threads);
        let is_divided = mode == Mode::Inference && batch <= 1 && threads > 1;
        if is_divided {
            wiring.bound.iter_mut().for_each(|bound| bound.divide(threads));
        }
        let plan = Plan::of(&wiring, mode, batch);
        let zeros = |len: &dyn Fn(&dyn Bound) -> usize| -> Result<Vec<Buffer>, OutOfMemory> {
            Buffer::zeros_together(wiring.own_lens(len))
        };
        let specs = graph.nodes().iter().flat_map(Node::own_parameters);
        let trained_len = |spec: &convscope_ops::ParameterSpec| {
            if mode.is_training() && spec.role.is_trained() { spec.shape.iter().product() } else { 0 }
        };
        Ok(Executor {
            shards: Shard::all(&plan, &wiring, batch.max(1))?,
            workspaces: Workspaces::new(&plan, &wiring.bound)?,
            packed: zeros(&|bound| bound.packed_len())?,
            states: zeros(&|bound| bound.coupled().map_or(0, |coupled| coupled.state_len()))?,
            sums: wiring.zeroed_sums(),
            gradients: specs.map(|spec| memory::zeros(trained_len(spec))).collect::<Result<_, _>>()?,
            shared_gradients: graph
                .nodes()
                .iter()
                .map(|node| {
                    let shared = if node.weights_of.is_some() { node.parameters.as_slice() } else { &[] };
                    shared.iter().map(|spec| memory::zeros(trained_len(spec))).collect()
                })
                .collect::<Result<_, _>>()?,
            moments: ObservationPoints::new(&plan, graph.nodes().len()),
            isa: Isa::best(),
            batch: batch.max(1),
            is_divided,
            watched: None,
            options,
            wiring,
            plan,
            graph,
        })
    }

    /// The plan it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The graph it runs.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The shares into which batches are divided at most. Their number does not depend on the number of threads.
    pub fn shares(&self) -> usize {
        self.plan.shards
    }

    /// The gradients of the last training step, parallel to [`Parameters::tensors`]; empty for arrays that are not
    /// trained.
    pub fn gradients(&self) -> &[Vec<f32>] {
        &self.gradients
    }

    /// The gradients of the last training step, for clipping.
    pub fn gradients_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.gradients
    }

    /// Computes the loss of a batch and the gradients with respect to all trained parameters; updates running
    /// statistics. The first step with an observer allocates memory for the values that other steps do not compute.
    ///
    /// # Errors
    /// Images of a different shape from the graph's, or more of them than the executor was created for; a single value
    /// per channel in a batch normalisation; too little memory for an observer.
    pub fn train_step(
        &mut self,
        parameters: &mut Parameters,
        batch: TrainingBatch<'_>,
        loss: &Loss,
        observer: Option<&dyn Observer>,
    ) -> Result<StepOutcome, GraphError> {
        let images = self.check(&batch.images, self.batch)?;
        self.graph.check_batch(images)?;
        if let Some(observer) = observer.filter(|_| self.wiring.is_changed()) {
            return self.watched_step(parameters, batch, loss, observer);
        }
        self.load(parameters);
        let input = batch.images.as_standard_layout();
        let shared = RunInputs {
            images,
            inputs: &[input.as_slice().unwrap_or(&[])],
            labels: batch.labels,
            sample: batch.sample,
        };
        for stage in 0..self.plan.stages {
            self.run_stage(stage, &shared, Some(loss), observer)?;
            self.finish_stage(stage, images, Some(parameters));
        }
        self.collect_gradients(images, parameters);
        let shards = self.active_shards(images);
        Ok(StepOutcome {
            loss: shards.iter().map(|shard| shard.loss).sum::<f64>() / images as f64,
            correct: shards.iter().map(|shard| shard.correct).sum(),
        })
    }

    /// A training step in which every node has a value of its own.
    fn watched_step(
        &mut self,
        parameters: &mut Parameters,
        batch: TrainingBatch<'_>,
        loss: &Loss,
        observer: &dyn Observer,
    ) -> Result<StepOutcome, GraphError> {
        let watched = match &mut self.watched {
            Some(watched) => watched,
            none => {
                let graph = Arc::clone(&self.graph);
                let made = Executor::wired(graph, self.options, self.batch, Joining::Forbidden)?;
                none.insert(Box::new(made))
            }
        };
        let outcome = watched.train_step(parameters, batch, loss, Some(observer))?;
        std::mem::swap(&mut self.gradients, &mut watched.gradients);
        Ok(outcome)
    }

    /// Updates the running statistics from a batch, as [`train_step`](Self::train_step) does, but without loss or
    /// gradients. The executor must have been created for training.
    ///
    /// # Errors
    /// As [`train_step`](Self::train_step).
    pub fn follow_statistics(
        &mut self,
        parameters: &mut Parameters,
        images: ArrayView4<'_, f32>,
        sample: Sample,
    ) -> Result<(), GraphError> {
        let total = self.check(&images, self.batch)?;
        self.graph.check_batch(total)?;
        self.load(parameters);
        let input = images.as_standard_layout();
        let input = input.as_slice().unwrap_or(&[]);
        let batch = RunInputs { images: total, inputs: &[input], labels: Labels::default(), sample };
        let is_measured = |step: &&Step| matches!(step.action, Action::ReduceForward { .. });
        // The loss is one stage after the last reduction.
        let stages = self.plan.steps.iter().rfind(is_measured).map_or(0, |last| last.stage + 1);
        for stage in 0..stages {
            self.run_stage(stage, &batch, None, None)?;
            self.finish_stage(stage, total, Some(parameters));
        }
        Ok(())
    }

    /// Loads parameters; [`Executor::logits`] uses the last ones loaded.
    pub fn load(&mut self, parameters: &Parameters) {
        self.packed
            .par_iter_mut()
            .zip(&self.wiring.bound)
            .enumerate()
            // The last nodes of a network have most of its weights.
            .with_max_len(1)
            .filter(|(node, _)| self.wiring.is_owner(*node))
            .for_each(|(node, (packed, bound))| bound.pack(parameters.of_node(node), packed));
    }

    /// The values before the softmax, `[N, classes]`, for any number of images. Observers see the probabilities.
    ///
    /// # Errors
    /// Images of a different shape from the graph's.
    pub fn logits(
        &mut self,
        images: ArrayView4<'_, f32>,
        observer: Option<&dyn Observer>,
    ) -> Result<Array2<f32>, GraphError> {
        let (total, classes) = (images.dim().0, self.graph.classes());
        let mut logits = memory::room(total * classes)?;
        self.logits_into(images, observer, &mut logits)?;
        Ok(Array2::from_shape_vec((total, classes), logits).expect("every shard outputs its images"))
    }

    /// As [`logits`](Self::logits), replacing the contents of the vector; reusing a vector avoids an allocation.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn logits_into(
        &mut self,
        images: ArrayView4<'_, f32>,
        observer: Option<&dyn Observer>,
        logits: &mut Vec<f32>,
    ) -> Result<(), GraphError> {
        let total = self.check(&images, usize::MAX)?;
        let input = images.as_standard_layout();
        let input = input.as_slice().unwrap_or(&[]);
        let image_len = input.len() / total.max(1);
        logits.clear();
        for first in (0..total).step_by(self.batch) {
            let images = self.batch.min(total - first);
            let input = &input[first * image_len..][..images * image_len];
            let sample = Sample { first_image: first, ..Sample::default() };
            let batch = RunInputs { images, inputs: &[input], labels: Labels::default(), sample };
            for stage in 0..self.plan.stages {
                self.run_stage(stage, &batch, None, observer)?;
            }
            self.active_shards(images).iter().for_each(|shard| logits.extend_from_slice(&shard.logits));
        }
        Ok(())
    }

    fn check(&self, images: &ArrayView4<'_, f32>, most: usize) -> Result<usize, GraphError> {
        self.graph.check_classifier()?;
        let expected = self.graph.image();
        if images.shape()[1..] != expected || images.shape()[0] == 0 || images.shape()[0] > most {
            let expected = format!("[1 to {most}, {}, {}, {}]", expected[0], expected[1], expected[2]);
            return Err(GraphError::Input { expected, found: images.shape().to_vec() });
        }
        Ok(images.shape()[0])
    }

    fn active_shards(&self, images: usize) -> &[Shard] {
        let shard_images = self.plan.shard_images(images);
        &self.shards[..images.div_ceil(shard_images)]
    }

    fn run_stage(
        &mut self,
        stage: usize,
        batch: &RunInputs<'_>,
        loss: Option<&Loss>,
        observer: Option<&dyn Observer>,
    ) -> Result<(), OutOfMemory> {
        threads::in_pool(|| self.run_shards(stage, batch, loss, observer))
    }

    fn run_shards(
        &mut self,
        stage: usize,
        batch: &RunInputs<'_>,
        loss: Option<&Loss>,
        observer: Option<&dyn Observer>,
    ) -> Result<(), OutOfMemory> {
        let shard_images = self.plan.shard_images(batch.images);
        let active = batch.images.div_ceil(shard_images);
        self.workspaces.provide(&self.plan, &self.wiring.bound)?;
        let shared = Shared {
            plan: &self.plan,
            wiring: &self.wiring,
            packed: &self.packed,
            states: &self.states,
            moments: &self.moments,
            isa: self.isa,
            inputs: batch.inputs,
            labels: batch.labels,
            images: batch.images,
            sample: batch.sample,
            loss,
            observer,
        };
        self.shards[..active].par_iter_mut().enumerate().with_max_len(1).try_for_each(|(index, shard)| {
            let first = index * shard_images;
            let images = first..(first + shard_images).min(batch.images);
            self.workspaces.lend(&self.plan, &self.wiring.bound, |workspace| {
                let run = || shard.run(stage, images, workspace, &shared);
                if self.is_divided { threads::attended(run) } else { run() }
            })
        })
    }

    /// Adds up the sums of the shards, in order, from which coupled nodes compute their state.
    fn finish_stage(&mut self, stage: usize, images: usize, parameters: Option<&mut Parameters>) {
        let Some(parameters) = parameters else { return };
        let active = self.active_shards(images).len();
        for step in self.plan.steps.iter().filter(|step| step.stage == stage) {
            let (node, is_forward) = match step.action {
                Action::ReduceForward { node } => (node, true),
                Action::ReduceBackward { node } => (node, false),
                _ => continue,
            };
            let Some(coupled) = self.wiring.bound[node].coupled() else { continue };
            let node = self.wiring.owners[node];
            let sums = &mut self.sums[node];
            sums.fill(0.0);
            for shard in &mut self.shards[..active] {
                sums.iter_mut().zip(&shard.sums[node]).for_each(|(sum, part)| *sum += part);
                shard.sums[node].fill(0.0);
            }
            let state = &mut self.states[node];
            if is_forward {
                coupled.finish_forward(images, sums, parameters.of_node_mut(node), state);
            } else {
                coupled.finish_backward(images, sums, state, &mut self.shards[0].gradients[node]);
            }
        }
    }

    /// Adds up the gradients of the shards, in order, in the memory of the first, and converts them to PyTorch's layouts.
    fn collect_gradients(&mut self, images: usize, parameters: &Parameters) {
        let active = images.div_ceil(self.plan.shard_images(images));
        let Some((first, others)) = self.shards[..active].split_first_mut() else { return };
        let nodes = self.graph.nodes();
        let all = Collected { nodes, wiring: &self.wiring, first: 0, others };
        all.collect(&mut first.gradients, &mut self.gradients);
        for (node, described) in nodes.iter().enumerate().filter(|(_, node)| node.weights_of.is_some()) {
            debug_assert!(described.weights_of < Some(node), "the owner has written its part");
            let part = &mut self.shared_gradients[node];
            self.wiring.bound[node].unpack_gradient(&first.gradients[node], part);
            for (sum, part) in self.gradients[parameters.range(node)].iter_mut().zip(part) {
                sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += *value);
            }
        }
    }
}

/// Some nodes whose gradients are collected, from the node `first` of the network on.
#[derive(Clone, Copy)]
struct Collected<'a> {
    nodes: &'a [Node],
    wiring: &'a Wiring,
    first: usize,
    /// All shards but the first.
    others: &'a [Shard],
}

impl Collected<'_> {
    /// Adds the others' gradients to `sums`, and writes those of arrays that belong to these nodes to `gradients`.
    fn collect(self, sums: &mut [Buffer], gradients: &mut [Vec<f32>]) {
        const STRETCH: usize = 4096;
        let [node] = self.nodes else {
            let half = self.nodes.len() / 2;
            let arrays: usize = self.nodes[..half].iter().map(|node| node.own_parameters().len()).sum();
            let (sums, more_sums) = sums.split_at_mut(half);
            let (gradients, more_gradients) = gradients.split_at_mut(arrays);
            let (nodes, more_nodes) = self.nodes.split_at(half);
            let more = Collected { nodes: more_nodes, first: self.first + half, ..self };
            rayon::join(
                || Collected { nodes, ..self }.collect(sums, gradients),
                || more.collect(more_sums, more_gradients),
            );
            return;
        };
        let sum = &mut sums[0];
        sum.par_chunks_mut(STRETCH).enumerate().for_each(|(stretch, sum)| {
            let part = stretch * STRETCH..stretch * STRETCH + sum.len();
            for other in self.others {
                let other = &other.gradients[self.first][part.clone()];
                sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
            }
        });
        if node.weights_of.is_none() && self.wiring.is_owner(self.first) {
            self.wiring.bound[self.first].unpack_gradient(sum, gradients);
        }
    }
}

/// The inputs of one run through the plan, in PyTorch's order.
struct RunInputs<'a> {
    images: usize,
    inputs: &'a [&'a [f32]],
    labels: Labels<'a>,
    sample: Sample,
}

/// Which values observers receive, and when.
struct ObservationPoints {
    /// For each step, the node whose value is final after it.
    value: Vec<Option<usize>>,
    /// For each step, the node whose gradient is complete before it.
    gradient: Vec<Option<usize>>,
}

impl ObservationPoints {
    fn new(plan: &Plan, nodes: usize) -> ObservationPoints {
        let (mut value, mut gradient) = (vec![None; nodes], vec![None; nodes]);
        for (index, step) in plan.steps.iter().enumerate() {
            match step.action {
                // If an in-place activation follows, the value is final only after it.
                Action::Forward { node } | Action::Activate { node } => value[node] = Some(index),
                Action::ActivateBackward { node }
                | Action::ReduceBackward { node }
                | Action::BackwardParameters { node }
                | Action::BackwardInput { node, .. } => gradient[node] = gradient[node].or(Some(index)),
                _ => {}
            }
        }
        let by_step = |of_node: Vec<Option<usize>>| {
            let mut by_step = vec![None; plan.steps.len()];
            for (node, step) in of_node.into_iter().enumerate() {
                if let Some(step) = step {
                    by_step[step] = Some(node);
                }
            }
            by_step
        };
        ObservationPoints { value: by_step(value), gradient: by_step(gradient) }
    }
}
