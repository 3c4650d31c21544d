//! A shard: runs its share of a batch, a chunk at a time, and adds up the results.

use super::ObservationPoints;
use super::workspace::Workspace;
use crate::plan::{Action, Plan, Region, Slot, Step, Wiring};
use crate::{Observation, Observer, ValueId};
use convscope_kernels::memory::{self, OutOfMemory};
use convscope_kernels::{Buffer, elementwise, layout};
use convscope_ops::{
    Activation, Backward, Epilogue, Forward, Inputs, Isa, Labels, Loss, Mode, Onto, Sample, argmax,
};
use std::mem::take;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Runs chunks one after another and keeps their sums.
pub(super) struct Shard {
    /// Which of the shards it is.
    index: usize,
    /// Borrowed while the shard runs.
    workspace: Workspace,
    /// For all images of the shard, from stage to stage.
    kept: Vec<Buffer>,
    /// Packed gradients of each node.
    pub(super) gradients: Vec<Buffer>,
    /// Sums over the shard's chunks of each coupled node.
    pub(super) sums: Vec<Vec<f64>>,
    pub(super) loss: f64,
    pub(super) correct: usize,
    pub(super) logits: Vec<f32>,
    /// Gradients with respect to the images, channels-last.
    pub(super) input_gradient: Vec<f32>,
    /// Time spent on each step of the plan; empty unless timing is on.
    pub(super) times: Vec<Duration>,
}

/// What all shards read.
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    pub(super) wiring: &'a Wiring,
    pub(super) packed: &'a [Buffer],
    pub(super) states: &'a [Buffer],
    pub(super) moments: &'a ObservationPoints,
    pub(super) isa: Isa,
    /// The inputs of the batch in PyTorch's order.
    pub(super) inputs: &'a [&'a [f32]],
    /// Their classes, or the classes to explain.
    pub(super) labels: Labels<'a>,
    pub(super) images: usize,
    pub(super) sample: Sample,
    pub(super) loss: Option<&'a Loss>,
    pub(super) observer: Option<&'a dyn Observer>,
}

/// The images of one chunk.
#[derive(Clone, Copy)]
struct Chunk {
    /// The shard.
    shard: usize,
    /// Position in the shard of the first image.
    in_shard: usize,
    /// Position in the batch of the first image.
    first: usize,
    images: usize,
}

impl Chunk {
    /// The range of the chunk's values in a region.
    fn range(self, region: Region) -> Range<usize> {
        let start = match region.slot {
            Slot::Shard(_) => 0,
            Slot::Kept(_) => self.in_shard * region.len,
        };
        start..start + self.images * region.len
    }
}

impl Shard {
    /// The shards of a plan for batches of at most `batch` images.
    pub(super) fn all(plan: &Plan, wiring: &Wiring, batch: usize) -> Result<Vec<Shard>, OutOfMemory> {
        let images = plan.shard_images(batch);
        let kept = plan.kept_slots.iter().map(|len| len * images);
        let mut trained: Vec<usize> = wiring.own_lens(|bound| bound.gradient_len()).collect();
        trained.truncate(if plan.mode.is_training() { trained.len() } else { 0 });
        let lens = (0..plan.shards).flat_map(|_| kept.clone().chain(trained.iter().copied()));
        let mut memory = Buffer::zeros_together(lens)?.into_iter();
        let shard = |index| {
            let kept = memory.by_ref().take(plan.kept_slots.len()).collect();
            let gradients = memory.by_ref().take(trained.len()).collect();
            Shard::new(index, plan, wiring, images, kept, gradients)
        };
        (0..plan.shards).map(shard).collect()
    }

    fn new(
        index: usize,
        plan: &Plan,
        wiring: &Wiring,
        images: usize,
        kept: Vec<Buffer>,
        gradients: Vec<Buffer>,
    ) -> Result<Shard, OutOfMemory> {
        let graph = &wiring.graph;
        let input_len = if plan.mode == Mode::Attribution { graph.shape(ValueId::Input(0)).len() } else { 0 };
        Ok(Shard {
            index,
            workspace: Workspace::default(),
            kept,
            gradients,
            sums: wiring.zeroed_sums(),
            loss: 0.0,
            correct: 0,
            logits: memory::room(images * graph.classes())?,
            input_gradient: memory::room(images * input_len)?,
            times: Vec::new(),
        })
    }

    /// Runs one stage on the shard's images.
    pub(super) fn run(
        &mut self,
        stage: usize,
        images: Range<usize>,
        workspace: &mut Workspace,
        shared: &Shared<'_>,
    ) {
        std::mem::swap(&mut self.workspace, workspace);
        self.run_chunks(stage, images, shared);
        std::mem::swap(&mut self.workspace, workspace);
    }

    fn run_chunks(&mut self, stage: usize, images: Range<usize>, shared: &Shared<'_>) {
        if stage == 0 {
            // Only training allocates gradients.
            for (bound, gradient) in shared.wiring.bound.iter().zip(&mut self.gradients) {
                if !bound.begins_gradient() {
                    gradient.fill(0.0);
                }
            }
            (self.loss, self.correct) = (0.0, 0);
            self.logits.clear();
            self.input_gradient.clear();
        }
        let size = shared.plan.chunks[stage];
        for first in images.clone().step_by(size) {
            let chunk = Chunk {
                shard: self.index,
                in_shard: first - images.start,
                first,
                images: size.min(images.end - first),
            };
            for (index, step) in shared.plan.steps.iter().enumerate().filter(|(_, step)| step.stage == stage)
            {
                // Observers receive a gradient before its first reader, which may change it in place.
                if let (Some(node), Some(observer)) = (shared.moments.gradient[index], shared.observer) {
                    observer.observe_gradient(&self.observation(
                        node,
                        step.gradient.or(step.writes),
                        None,
                        chunk,
                        shared,
                    ));
                }
                let started = (!self.times.is_empty()).then(Instant::now);
                self.step(step, chunk, shared);
                if let Some(started) = started {
                    self.times[index] += started.elapsed();
                }
                if let (Some(node), Some(observer)) = (shared.moments.value[index], shared.observer) {
                    let input = match step.inputs[..] {
                        [input] => Some(input),
                        _ => None,
                    };
                    observer.observe(&self.observation(node, step.writes, input, chunk, shared));
                }
            }
        }
    }

    fn observation(
        &self,
        node: usize,
        region: Option<Region>,
        input: Option<Region>,
        chunk: Chunk,
        shared: &Shared<'_>,
    ) -> Observation<'_> {
        Observation {
            node,
            share: chunk.shard,
            first_image: shared.sample.first_image + chunk.first,
            images: chunk.images,
            shape: shared.wiring.graph.nodes()[node].shape,
            values: self.read_optional(region, chunk),
            input: input.map(|input| self.read(input, chunk)),
        }
    }

    fn step(&mut self, step: &Step, chunk: Chunk, shared: &Shared<'_>) {
        let Wiring { graph, bound, owners, .. } = shared.wiring;
        // The buffer to write is moved out of the shard, so that the others can be read meanwhile.
        let mut written = step.writes.map_or(Buffer::default(), |region| take(self.slot(region)));
        let target = &mut written[step.writes.map_or(0..0, |region| chunk.range(region))];
        let mut scratch = take(&mut self.workspace.scratch);
        match step.action {
            Action::LoadInput { input } => {
                let shape = graph.shape(ValueId::Input(input));
                let planes = &shared.inputs[input][chunk.first * shape.len()..][..chunk.images * shape.len()];
                layout::to_channels_last(planes, shape.channels(), shape.len(), target);
            }
            Action::Forward { node } | Action::Recompute { node } => {
                let activation = graph.nodes()[node].activation.and_then(Activation::epilogue);
                let (bound, owner) = (&bound[node], owners[node]);
                bound.forward(Forward {
                    isa: shared.isa,
                    images: chunk.images,
                    sample: shared.sample_of(node, chunk),
                    inputs: Inputs(&|index| self.read(step.inputs[index], chunk)),
                    packed: &shared.packed[owner],
                    state: &shared.states[owner],
                    epilogue: activation
                        .filter(|&epilogue| bound.fuses(epilogue))
                        .unwrap_or(Epilogue::Linear),
                    output: target,
                    scratch: &mut scratch,
                });
            }
            Action::Activate { node } => {
                let node = &graph.nodes()[node];
                if let Some(activation) = node.activation {
                    activation.apply(shared.isa, target, node.shape.channels());
                }
            }
            Action::ReduceForward { node } => {
                if let Some(coupled) = bound[node].coupled() {
                    let node = owners[node];
                    let mut sums = take(&mut self.sums[node]);
                    coupled.reduce_forward(shared.isa, self.read(step.inputs[0], chunk), &mut sums);
                    self.sums[node] = sums;
                }
            }
            Action::Output => {
                let mut logits = take(&mut self.logits);
                logits.extend_from_slice(self.read_optional(step.output, chunk));
                self.logits = logits;
            }
            Action::Loss => self.loss_step(step, chunk, shared, target),
            Action::SelectClass => {
                target.fill(0.0);
                let classes = shared.wiring.graph.classes();
                for (row, &class) in
                    target.chunks_exact_mut(classes).zip(&shared.labels.classes()[chunk.first..])
                {
                    row[class] = 1.0;
                }
            }
            Action::InputGradient => {
                let mut kept = take(&mut self.input_gradient);
                kept.extend_from_slice(self.read_optional(step.gradient, chunk));
                self.input_gradient = kept;
            }
            Action::ActivateBackward { node } => {
                let node = &graph.nodes()[node];
                if let Some(activation) = node.activation {
                    let output = self.read_optional(step.output, chunk);
                    activation.backward(shared.isa, output, target, node.shape.channels());
                }
            }
            Action::ReduceBackward { node } => {
                if let Some(coupled) = bound[node].coupled() {
                    let node = owners[node];
                    let mut sums = take(&mut self.sums[node]);
                    let input = self.read(step.inputs[0], chunk);
                    let d_output = self.read_optional(step.gradient, chunk);
                    coupled.reduce_backward(shared.isa, input, d_output, &shared.states[node], &mut sums);
                    self.sums[node] = sums;
                }
            }
            Action::BackwardParameters { node } => {
                let mut gradient = take(&mut self.gradients[node]);
                let inputs = |index: usize| self.read(step.inputs[index], chunk);
                let call = self.backward(node, step, chunk, shared, &inputs, &mut scratch);
                bound[node].backward_parameters(call, &mut gradient);
                self.gradients[node] = gradient;
            }
            Action::BackwardInput { node, input } => {
                let inputs = |index: usize| self.read(step.inputs[index], chunk);
                let call = self.backward(node, step, chunk, shared, &inputs, &mut scratch);
                bound[node].backward_input(input, call, target);
            }
            Action::Accumulate { .. } => {
                elementwise::add_assign(shared.isa, target, self.read_optional(step.gradient, chunk));
            }
        }
        self.workspace.scratch = scratch;
        if let Some(region) = step.writes {
            *self.slot(region) = written;
        }
    }

    fn loss_step(&mut self, step: &Step, chunk: Chunk, shared: &Shared<'_>, d_logits: &mut [f32]) {
        let Some(loss) = shared.loss else { return };
        let labels = shared.labels.part(chunk.first..chunk.first + chunk.images);
        let logits = self.read_optional(step.output, chunk);
        let classes = logits.len() / chunk.images;
        let sum = loss.evaluate(logits, labels, classes, shared.images, d_logits);
        let correct = logits
            .chunks_exact(classes)
            .enumerate()
            .filter(|&(image, row)| argmax(row) == labels.largest(image))
            .count();
        self.loss += sum;
        self.correct += correct;
    }

    fn backward<'a>(
        &'a self,
        node: usize,
        step: &Step,
        chunk: Chunk,
        shared: &Shared<'a>,
        inputs: &'a dyn Fn(usize) -> &'a [f32],
        scratch: &'a mut [f32],
    ) -> Backward<'a> {
        Backward {
            isa: shared.isa,
            images: chunk.images,
            sample: shared.sample_of(node, chunk),
            inputs: Inputs(inputs),
            output: self.read_optional(step.output, chunk),
            d_output: self.read_optional(step.gradient, chunk),
            onto: if chunk.in_shard == 0 { Onto::Nothing } else { Onto::Sum },
            packed: &shared.packed[shared.wiring.owners[node]],
            state: &shared.states[shared.wiring.owners[node]],
            scratch,
        }
    }

    fn slot(&mut self, region: Region) -> &mut Buffer {
        match region.slot {
            Slot::Shard(slot) => &mut self.workspace.slots[slot],
            Slot::Kept(slot) => &mut self.kept[slot],
        }
    }

    fn read(&self, region: Region, chunk: Chunk) -> &[f32] {
        let slot = match region.slot {
            Slot::Shard(slot) => &self.workspace.slots[slot],
            Slot::Kept(slot) => &self.kept[slot],
        };
        &slot[chunk.range(region)]
    }

    fn read_optional(&self, region: Option<Region>, chunk: Chunk) -> &[f32] {
        region.map_or(&[], |region| self.read(region, chunk))
    }
}

impl Shared<'_> {
    fn sample_of(&self, node: usize, chunk: Chunk) -> Sample {
        Sample { node, first_image: self.sample.first_image + chunk.first, ..self.sample }
    }
}
