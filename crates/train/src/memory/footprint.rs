//! How much memory a training run will take.

use convscope_graph::{Graph, PlanMemory};
use convscope_kernels::memory;
use convscope_ops::{BindOptions, Mode, Precision};
use serde::Serialize;

use super::memory_limit_bytes;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::optimizer::OptimizerConfig;
use crate::sink::OBSERVED_AT_ONCE;

/// The largest resident memory of a training process, in bytes, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// The program and its threads.
    pub program: u64,
    /// Images held in memory.
    pub images: u64,
    /// Features of a frozen body held in memory.
    pub features: u64,
    /// Batches that are prepared ahead.
    pub batches: u64,
    /// Weights with their gradients, the optimizer's state, averages, and copies of them.
    pub parameters: u64,
    /// The executor that trains.
    pub training: u64,
    /// The executor that validates.
    pub evaluation: u64,
    /// The executor that takes the running statistics of averaged weights.
    pub statistics: u64,
    /// The executors of the teachers. Until they are read, each is taken to be like the network itself.
    pub teachers: u64,
    /// Copies that are made while a checkpoint is written.
    pub saving: u64,
}

impl Footprint {
    /// The footprint of training this network with these settings on the threads of the current rayon pool, with this
    /// many bytes of images in memory.
    pub fn new(config: &TrainConfig, graph: &Graph, image_bytes: u64) -> Footprint {
        let batch = config.batch_size;
        let plan =
            |mode, precision| PlanMemory::new(graph, BindOptions { mode, precision }, batch).total() as u64;
        let all: u64 = parameter_counts(graph).sum();
        let largest = parameter_counts(graph).max().unwrap_or(0);
        let trained = graph.trained_parameters() as u64;
        let average = if config.ema.is_some() { trained } else { 0 };
        let before = if config.sam > 0.0 { all } else { 0 };
        let best = if config.patience.is_some() { all } else { 0 };
        let state = all + trained * optimizer_values(&config.optimizer) + average;
        let divided = config.freeze.divide(graph).ok().flatten();
        let frozen = divided.map(|divided| {
            let plan = |graph, mode| {
                PlanMemory::new(graph, BindOptions { mode, precision: config.precision }, batch).total()
                    as u64
            };
            let features = floats(divided.body.classes() as u64).saturating_mul(batch as u64);
            plan(&divided.body, Mode::Inference) + plan(&divided.head, Mode::Training) + features
        });
        let training = match frozen {
            Some(frozen) if config.unfreeze_at.is_none() => frozen,
            frozen => frozen.unwrap_or(0).max(plan(Mode::Training, config.precision)),
        };
        let observed = PlanMemory::new(graph, Mode::Inference, OBSERVED_AT_ONCE).total() as u64;
        let evaluation = plan(Mode::Inference, Precision::F32) + observed + OBSERVING;
        let statistics = if config.ema.is_some() { training + floats(trained) } else { 0 };
        let input: usize = graph.image().iter().product();
        Footprint {
            program: PROGRAM + THREAD * rayon::current_num_threads() as u64,
            images: image_bytes,
            features: 0,
            batches: BATCHES * floats(input as u64).saturating_mul(batch as u64),
            parameters: floats(state + before + best + trained),
            training,
            evaluation,
            statistics,
            teachers: teacher_bytes(graph, batch) * config.teachers.len() as u64,
            // A checkpoint: the state as arrays and as the file, and one array once more. Weights: a copy, bytes, two files.
            saving: floats((2 * state + largest).max(4 * all)),
        }
    }

    /// The same with these networks as teachers.
    pub(crate) fn with_teachers<'a>(
        self,
        teachers: impl IntoIterator<Item = &'a Graph>,
        batch: usize,
    ) -> Footprint {
        Footprint { teachers: teachers.into_iter().map(|graph| teacher_bytes(graph, batch)).sum(), ..self }
    }

    /// The same with this many bytes of features.
    pub(crate) fn with_features(self, bytes: u64) -> Footprint {
        Footprint { features: bytes, ..self }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        let Footprint {
            program,
            images,
            features,
            batches,
            parameters,
            training,
            evaluation,
            statistics,
            teachers,
            saving,
        } = *self;
        [program, images, features, batches, parameters, training, evaluation, statistics, teachers, saving]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Fails if this is more than the process can have, giving the largest batch that would fit, or if the system
    /// cannot provide it.
    pub(crate) fn check(config: &TrainConfig, graph: &Graph, image_bytes: u64) -> Result<(), TrainError> {
        if let Some(limit) = memory_limit_bytes() {
            check_within(limit, config, graph, image_bytes)?;
        }
        // The images are already in memory.
        ask_for(Footprint::new(config, graph, 0).total())
    }
}

/// Fails if the system cannot provide this many bytes, which are released at once. So a run that cannot get its memory
/// ends before it starts.
///
/// # Errors
/// [`TrainError::OutOfMemory`].
fn ask_for(bytes: u64) -> Result<(), TrainError> {
    memory::room::<u8>(usize::try_from(bytes).unwrap_or(usize::MAX))?;
    Ok(())
}

/// What a network takes that only answers: its executor with the packed parameters.
fn teacher_bytes(graph: &Graph, batch: usize) -> u64 {
    PlanMemory::new(graph, Mode::Inference, batch).total() as u64
}

/// The sizes of all parameters, trained or not.
fn parameter_counts(graph: &Graph) -> impl Iterator<Item = u64> {
    let specs = graph.nodes().iter().flat_map(|node| &node.parameters);
    specs.map(|spec| spec.shape.iter().product::<usize>() as u64)
}

/// The bytes of so many float32 values.
fn floats(count: u64) -> u64 {
    count.saturating_mul(size_of::<f32>() as u64)
}

/// The program itself with what its libraries hold, in bytes.
const PROGRAM: u64 = 12 << 20;

/// A thread's stack and small allocations.
const THREAD: u64 = 1 << 18;

/// A thread of its own for observers, and pages that its memory does not fill.
const OBSERVING: u64 = 4 << 20;

/// Batches in memory at the same time: two waiting, one being made, and one being trained on.
const BATCHES: u64 = 4;

fn check_within(limit: u64, config: &TrainConfig, graph: &Graph, image_bytes: u64) -> Result<(), TrainError> {
    let needed = |batch_size| {
        Footprint::new(&TrainConfig { batch_size, ..config.clone() }, graph, image_bytes).total()
    };
    let all = needed(config.batch_size);
    if all <= limit {
        return Ok(());
    }
    let (mut fits, mut too_large) = (0, config.batch_size);
    while too_large - fits > 1 {
        let middle = fits + (too_large - fits) / 2;
        if needed(middle) <= limit { fits = middle } else { too_large = middle }
    }
    Err(TrainError::TooLarge { needed: all, limit, largest_batch: fits })
}

/// Values that an optimizer keeps for each parameter.
fn optimizer_values(config: &OptimizerConfig) -> u64 {
    match config {
        OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } => 2,
        OptimizerConfig::Sgd { momentum, .. } if *momentum == 0.0 => 0,
        OptimizerConfig::Sgd { .. } => 1,
        // One for most weights; the working space of the iteration needs about as much again.
        OptimizerConfig::Muon { .. } => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::preset;

    #[test]
    fn what_does_not_fit_is_refused_with_the_largest_batch_that_does() {
        let graph = Graph::new(preset("plain8-bn", [3, 32, 32], 10).unwrap()).unwrap();
        let config = TrainConfig { batch_size: 500, ..TrainConfig::default() };
        let needed = |batch_size| {
            Footprint::new(&TrainConfig { batch_size, ..config.clone() }, &graph, 1_000_000).total()
        };
        check_within(needed(500), &config, &graph, 1_000_000).unwrap();
        match check_within(needed(333), &config, &graph, 1_000_000) {
            Err(TrainError::TooLarge { needed: found, limit, largest_batch }) => {
                assert_eq!((found, limit), (needed(500), needed(333)));
                assert!(
                    needed(largest_batch) <= limit && needed(largest_batch + 1) > limit,
                    "{largest_batch}"
                );
            }
            other => panic!("{other:?}"),
        }
        let error = check_within(1_000_000, &config, &graph, 0).unwrap_err().to_string();
        assert!(error.contains("no batch size"), "{error}");
    }

    #[test]
    fn everything_that_is_kept_counts() {
        let graph = Graph::new(preset("plain8-bn", [3, 16, 16], 10).unwrap()).unwrap();
        let plain =
            TrainConfig { optimizer: toml::from_str("name = 'sgd'").unwrap(), ..TrainConfig::default() };
        let total = |config: &TrainConfig| Footprint::new(config, &graph, 0).total();
        let adam = TrainConfig { optimizer: toml::from_str("name = 'adam'").unwrap(), ..plain.clone() };
        for larger in [
            adam,
            TrainConfig { ema: Some(0.9), ..plain.clone() },
            TrainConfig { sam: 0.5, ..plain.clone() },
            TrainConfig { patience: Some(3), ..plain.clone() },
            TrainConfig { teachers: vec!["a".into()], ..plain.clone() },
            TrainConfig { batch_size: plain.batch_size * 2, ..plain.clone() },
        ] {
            assert!(total(&larger) > total(&plain), "{larger:?}");
        }
        assert_eq!(Footprint::new(&plain, &graph, 77).total(), total(&plain) + 77);

        let taught = TrainConfig { teachers: vec!["a".into()], ..plain.clone() };
        let wide = Graph::new(preset("resnet18", [3, 16, 16], 10).unwrap()).unwrap();
        let taught = Footprint::new(&taught, &graph, 0);
        assert!(taught.with_teachers([&wide], plain.batch_size).total() > taught.total());
    }
}
