//! A plan in numbers: what each step does, reads and writes.

use super::{Action, Joining, Plan, PlanMemory, Region, Slot, Step, Wiring};
use crate::{Graph, ValueId};
use convscope_kernels::peak::Peak;
use convscope_ops::{Activation, Algorithm, BindOptions, Mode, Precision};
use serde::Serialize;

/// A plan with the work of each step. Multiply-adds and bytes are per image.
#[derive(Clone, Debug, Serialize)]
pub struct PlanSummary {
    /// Name of the model.
    pub model: String,
    /// Channels, rows and columns of the images.
    pub input: Vec<usize>,
    /// Images in a batch.
    pub batch: usize,
    /// What it is for.
    pub mode: Mode,
    /// The requested precision.
    pub precision: Precision,
    /// Number of stages.
    pub stages: usize,
    /// For each stage, how many images run through it together.
    pub chunks: Vec<usize>,
    /// Parts of the batch that may run at the same time.
    pub shards: usize,
    /// The steps in order.
    pub steps: Vec<StepSummary>,
    /// Bytes of each slot of a shard, for the images that run together.
    pub shard_slot_bytes: Vec<usize>,
    /// Bytes of each slot that a shard keeps from stage to stage, for all its images.
    pub kept_slot_bytes: Vec<usize>,
    /// Multiply-adds as the operators are defined.
    pub multiply_adds: u64,
    /// Multiply-adds that are performed; the Winograd algorithm performs fewer, but adds in its transforms.
    pub multiply_adds_made: u64,
    /// Bytes that the steps read and write, most of them in a core's cache.
    pub bytes: usize,
    /// The part of them in kept slots, which goes out to memory between stages.
    pub kept_bytes: usize,
    /// What an executor holds for a batch.
    pub memory: PlanMemory,
}

/// One step of a plan with its work.
#[derive(Clone, Debug, Serialize)]
pub struct StepSummary {
    /// Its stage.
    pub stage: usize,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Name of the node that it belongs to.
    pub name: Option<String>,
    /// Name of the node before it whose work it does too.
    pub joins: Option<String>,
    /// Whether a bias is added as part of the step.
    pub fuses_bias: bool,
    /// The activation that is applied as part of the step.
    pub fuses_activation: Option<Activation>,
    /// How products are summed, if the step does that.
    pub algorithm: Option<Algorithm>,
    /// The precision of these products.
    pub precision: Option<Precision>,
    /// What it reads.
    pub reads: Vec<RegionSummary>,
    /// What it writes.
    pub writes: Option<RegionSummary>,
    /// Multiply-adds as the operator is defined.
    pub multiply_adds: u64,
    /// Multiply-adds that are performed.
    pub multiply_adds_made: u64,
    /// Bytes that are read and written, without parameters.
    pub bytes: usize,
}

/// A value or gradient of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegionSummary {
    /// Where it lies.
    #[serde(flatten)]
    pub slot: Slot,
    /// Its bytes.
    pub bytes: usize,
}

/// Images per second if only multiply-adds took time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// With the multiply-adds as the operators are defined, all of them in the plan's precision.
    pub direct: f64,
    /// With the multiply-adds that are performed, each step in its own precision.
    pub made: f64,
}

impl PlanSummary {
    /// The plan for batches of at most `batch` images.
    ///
    /// ```
    /// use convscope_graph::{Graph, PlanSummary, preset};
    /// use convscope_ops::Mode;
    /// let graph = Graph::new(preset("plain8", [3, 32, 32], 10)?)?;
    /// let plan = PlanSummary::new(&graph, Mode::Training, 256);
    /// assert_eq!(plan.stages, 1);
    /// assert!(plan.multiply_adds_made < plan.multiply_adds);
    /// # Ok::<(), convscope_graph::GraphError>(())
    /// ```
    pub fn new(graph: &Graph, options: impl Into<BindOptions>, batch: usize) -> PlanSummary {
        let options = options.into();
        let (wiring, mode) = (Wiring::new(graph, options, Joining::of(options.mode)), options.mode);
        let plan = Plan::of(&wiring, mode, batch);
        let steps: Vec<StepSummary> =
            plan.steps.iter().map(|step| StepSummary::new(graph, &wiring, step)).collect();
        let slot_bytes =
            |lens: &[usize], images: usize| lens.iter().map(|len| len * images * size_of::<f32>()).collect();
        let regions = || steps.iter().flat_map(|step| step.reads.iter().chain(&step.writes));
        let kept = regions().filter(|region| matches!(region.slot, Slot::Kept(_)));
        PlanSummary {
            model: graph.name().to_string(),
            input: graph.shape(ValueId::Input(0)).axes().to_vec(),
            batch,
            mode,
            precision: options.precision,
            stages: plan.stages,
            chunks: plan.chunks.clone(),
            shards: plan.shards,
            shard_slot_bytes: slot_bytes(&plan.shard_slots, plan.largest_chunk()),
            kept_slot_bytes: slot_bytes(&plan.kept_slots, plan.shard_images(batch)),
            multiply_adds: steps.iter().map(|step| step.multiply_adds).sum(),
            multiply_adds_made: steps.iter().map(|step| step.multiply_adds_made).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
            kept_bytes: kept.map(|region| region.bytes).sum(),
            memory: PlanMemory::of(&plan, &wiring, batch),
            steps,
        }
    }

    /// The upper bound for a machine with this peak.
    pub fn ceiling(&self, peak: &Peak) -> Ceiling {
        let seconds =
            |step: &StepSummary| step.multiply_adds_made as f64 / peak.of(step.precision.unwrap_or_default());
        Ceiling {
            direct: peak.of(self.precision) / self.multiply_adds as f64,
            made: 1.0 / self.steps.iter().map(seconds).sum::<f64>(),
        }
    }
}

impl StepSummary {
    /// `graph` is the network as it was given.
    fn new(graph: &Graph, wiring: &Wiring, step: &Step) -> StepSummary {
        let bound = &wiring.bound;
        let node = step.action.node();
        let multiplies = match step.action {
            Action::Forward { node }
            | Action::BackwardParameters { node }
            | Action::BackwardInput { node, .. } => Some(node),
            _ => None,
        };
        let products = multiplies.and_then(|node| bound[node].products());
        let multiply_adds = multiplies.map_or(0, |node| wiring.graph.nodes()[node].multiply_adds);
        let forward = match step.action {
            Action::Forward { node } => Some(node),
            _ => None,
        };
        let has_bias = |node: &usize| graph.nodes()[*node].parameters.iter().any(|spec| spec.name == "bias");
        let reads: Vec<RegionSummary> =
            step.inputs.iter().chain(&step.output).chain(&step.gradient).map(RegionSummary::new).collect();
        let writes = step.writes.as_ref().map(RegionSummary::new);
        StepSummary {
            stage: step.stage,
            action: step.action,
            name: node.map(|node| graph.nodes()[node].name.clone()),
            joins: node
                .map(|node| wiring.owners[node])
                .filter(|owner| Some(*owner) != node)
                .map(|owner| graph.nodes()[owner].name.clone()),
            fuses_bias: products.is_some() && forward.as_ref().is_some_and(has_bias),
            fuses_activation: forward.and_then(|node| {
                graph.nodes()[node].activation.filter(|activation| {
                    wiring.is_activated(node)
                        || activation.epilogue().is_some_and(|epilogue| bound[node].fuses(epilogue))
                })
            }),
            algorithm: products.map(|products| products.algorithm),
            precision: products.map(|products| products.precision),
            multiply_adds,
            multiply_adds_made: products.map_or(multiply_adds, |products| products.multiply_adds),
            bytes: reads.iter().chain(&writes).map(|region| region.bytes).sum(),
            reads,
            writes,
        }
    }
}

impl RegionSummary {
    fn new(region: &Region) -> RegionSummary {
        RegionSummary { slot: region.slot, bytes: region.len * size_of::<f32>() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    fn plan(name: &str, mode: Mode, precision: Precision) -> PlanSummary {
        let graph = Graph::new(preset(name, [3, 32, 24], 10).unwrap()).unwrap();
        PlanSummary::new(&graph, BindOptions { mode, precision }, 40)
    }

    /// The figures for one convolution of 16 to 16 channels on 32 rows and 24 columns, worked out by hand.
    #[test]
    fn a_step_says_what_it_does() {
        let plan = plan("plain8", Mode::Training, Precision::F32);
        let of = |name: &str| plan.steps.iter().find(|step| step.name.as_deref() == Some(name)).unwrap();
        let step = of("conv2d_1");
        assert_eq!(step.action, Action::Forward { node: 1 });
        assert!(step.fuses_bias);
        assert_eq!(step.fuses_activation, Some(Activation::Relu));
        assert_eq!(step.algorithm, Some(Algorithm::Winograd));
        assert_eq!(step.multiply_adds, 32 * 24 * 16 * 16 * 9);
        assert_eq!(step.multiply_adds_made, 16 * 12 * 16 * 16 * 16);
        assert_eq!(step.bytes, 2 * 32 * 24 * 16 * 4);
        let first = of("conv2d");
        assert_eq!((first.algorithm, first.precision), (Some(Algorithm::Direct), Some(Precision::F32)));
        assert_eq!(first.multiply_adds_made, first.multiply_adds);
        let pool = of("max_pooling2d");
        assert_eq!((pool.algorithm, pool.multiply_adds, pool.fuses_bias), (None, 0, false));
    }

    /// A convolution counts once in inference and three times in training, but the first one twice: the gradient with
    /// respect to the images is not needed.
    #[test]
    fn training_takes_three_times_the_multiply_adds_of_inference() {
        let inference = plan("plain8", Mode::Inference, Precision::F32);
        let training = plan("plain8", Mode::Training, Precision::F32);
        assert_eq!(training.multiply_adds, 3 * inference.multiply_adds - 32 * 24 * 3 * 16 * 9);
        assert_eq!(inference.memory.gradients, 0);
        assert!(training.memory.gradients > training.memory.packed_parameters);
    }

    #[test]
    fn only_a_plan_of_several_stages_moves_bytes_between_them() {
        assert_eq!(plan("plain8", Mode::Training, Precision::F32).kept_bytes, 0);
        let coupled = plan("plain8-bn", Mode::Training, Precision::F32);
        assert!(coupled.stages > 1 && coupled.kept_bytes > 0 && coupled.kept_bytes < coupled.bytes);
        assert_eq!(coupled.kept_slot_bytes.is_empty(), coupled.memory.kept_slots == 0);
    }

    /// At one multiply-add per second the ceiling is the reciprocal of their number; steps in bfloat16 use its peak.
    #[test]
    fn the_ceiling_follows_from_the_peak_of_each_step() {
        let peak = Peak { f32: 1.0, bf16: 4.0 };
        let single = plan("plain8", Mode::Training, Precision::F32);
        let ceiling = single.ceiling(&peak);
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
        assert!(near(ceiling.direct, 1.0 / single.multiply_adds as f64));
        assert!(near(ceiling.made, 1.0 / single.multiply_adds_made as f64));
        let half = plan("plain8", Mode::Training, Precision::Bf16);
        let exact: u64 = half
            .steps
            .iter()
            .filter(|step| step.precision != Some(Precision::Bf16))
            .map(|s| s.multiply_adds_made)
            .sum();
        let rounded = half.multiply_adds_made - exact;
        assert!(exact > 0 && rounded > exact);
        assert!(near(half.ceiling(&peak).made, 1.0 / (exact as f64 + rounded as f64 / 4.0)));
    }

    #[test]
    fn json_names_what_each_step_is() {
        let plan = plan("plain8-bn", Mode::Training, Precision::Bf16);
        let json: serde_json::Value = serde_json::to_value(&plan).unwrap();
        assert_eq!((json["mode"].as_str(), json["precision"].as_str()), (Some("training"), Some("bf16")));
        let step = json["steps"].as_array().unwrap().iter().find(|step| step["name"] == "conv2d_1").unwrap();
        assert_eq!(
            (step["action"].as_str(), step["algorithm"].as_str()),
            (Some("forward"), Some("winograd"))
        );
        assert_eq!(step["fuses_activation"], "relu");
        let written = step["writes"].as_object().unwrap();
        assert!(written.contains_key("shard") ^ written.contains_key("kept"), "{step}");
        assert_eq!(written["bytes"], 32 * 24 * 16 * 4);
    }
}
