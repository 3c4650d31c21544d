//! Optimizers: from a gradient to a new weight, with PyTorch's formulas and defaults.

mod config;
mod orthogonal;
mod update;

pub use config::{DecayScope, OptimizerConfig};

use crate::error::TrainError;
use convscope_kernels::Buffer;
use convscope_ops::OutOfMemory;
use orthogonal::{Orthogonalizer, Workspaces};
use rayon::prelude::*;
use update::{AdamStep, MuonStep, SgdStep};

/// An optimizer with its state for every parameter of a network.
///
/// A step is [`begin_step`](Self::begin_step) and then [`update`](Self::update) once for each parameter, in any order.
/// Weight decay applies to every parameter that is not [spared](Self::sparing).
///
/// ```
/// use convscope_train::{Optimizer, OptimizerConfig};
/// let config = OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
/// let mut optimizer = Optimizer::new(&config, [2])?;
/// let mut weights = [1.0, 2.0];
/// optimizer.begin_step(0.5, [[1.0, -1.0].as_slice()])?;
/// optimizer.update(0, &mut weights, &[1.0, -1.0]);
/// assert_eq!(weights, [0.5, 2.5]);
/// optimizer.begin_step(0.5, [[0.0, 0.0].as_slice()])?;
/// optimizer.update(0, &mut weights, &[0.0, 0.0]);
/// assert_eq!(weights, [0.5 - 0.45, 2.5 + 0.45]);
/// # Ok::<(), convscope_ops::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    step_count: u64,
    /// The steps at the rate itself and at a slower one, each for all parameters and for those without weight decay.
    steps: [[Update; 2]; 2],
    /// What the rate of slower parameters is multiplied by.
    slowness: f64,
    slots: Vec<Slot>,
    workspaces: Workspaces,
}

/// The running values of one parameter; those that the optimizer does not use are empty.
#[derive(Debug)]
struct Slot {
    first: Buffer,
    second: Buffer,
    is_spared: bool,
    is_slower: bool,
    /// Muon's data for a matrix.
    matrix: Option<Matrix>,
}

#[derive(Debug)]
struct Matrix {
    orthogonalizer: Orthogonalizer,
    /// The direction of the current step.
    direction: Buffer,
}

#[derive(Clone, Copy, Debug)]
enum Update {
    Adam(AdamStep),
    Sgd(SgdStep),
    /// For matrices, and for everything else.
    Muon(MuonStep, AdamStep),
}

impl Optimizer {
    /// An optimizer for parameters of these lengths, with all running values zero.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(config: &OptimizerConfig, lens: impl IntoIterator<Item = usize>) -> Result<Self, OutOfMemory> {
        let names = state_names(config, None);
        let lens =
            lens.into_iter().flat_map(|len| [0, 1].map(|index| if index < names.len() { len } else { 0 }));
        let mut memory = Buffer::zeros_together(lens)?.into_iter();
        let mut slots = Vec::with_capacity(memory.len() / 2);
        while let (Some(first), Some(second)) = (memory.next(), memory.next()) {
            slots.push(Slot { first, second, is_spared: false, is_slower: false, matrix: None });
        }
        let steps = [[step(config, 0, 0.0); 2]; 2];
        let workspaces = Workspaces::new([]);
        Ok(Self { config: config.clone(), step_count: 0, steps, slowness: 1.0, slots, workspaces })
    }

    /// The same optimizer without weight decay for these parameters.
    ///
    /// # Panics
    /// If there is no such parameter.
    pub fn sparing(mut self, indices: impl IntoIterator<Item = usize>) -> Self {
        indices.into_iter().for_each(|index| self.slots[index].is_spared = true);
        self
    }

    /// The same optimizer with the learning rate of these parameters multiplied by `factor` in each step.
    ///
    /// # Panics
    /// If there is no such parameter.
    pub fn slowing(mut self, factor: f64, indices: impl IntoIterator<Item = usize>) -> Self {
        self.slowness = factor;
        indices.into_iter().for_each(|index| self.slots[index].is_slower = true);
        self
    }

    /// The same optimizer with these parameters treated as matrices of these rows and columns, which matters only to
    /// [`OptimizerConfig::Muon`].
    ///
    /// # Panics
    /// If there is no such parameter, or it has a different number of elements.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn with_matrices(
        mut self,
        matrices: impl IntoIterator<Item = (usize, [usize; 2])>,
    ) -> Result<Self, OutOfMemory> {
        if !matches!(self.config, OptimizerConfig::Muon { .. }) {
            return Ok(self);
        }
        for (index, size) in matrices {
            let slot = &mut self.slots[index];
            assert_eq!(slot.first.len(), size[0] * size[1]);
            slot.second = Buffer::default();
            let direction = Buffer::zeros(slot.first.len())?;
            slot.matrix = Some(Matrix { orthogonalizer: Orthogonalizer::new(size), direction });
        }
        let matrices = self.slots.iter().filter_map(|slot| slot.matrix.as_ref());
        self.workspaces = Workspaces::new(matrices.map(|matrix| &matrix.orthogonalizer));
        Ok(self)
    }

    /// Starts the next step, whose learning rate is `lr`, for these gradients of all parameters, in order. The
    /// expensive part, Muon's directions, is spread over the rayon pool of the caller.
    ///
    /// # Panics
    /// If there is not exactly one gradient of the right length for each parameter.
    ///
    /// # Errors
    /// [`OutOfMemory`], for the working space that the first step allocates.
    pub fn begin_step<'a>(
        &mut self,
        lr: f64,
        gradients: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<(), OutOfMemory> {
        self.step_count += 1;
        self.steps = [lr, lr * self.slowness].map(|lr| {
            [&self.config, &self.config.without_decay()].map(|config| step(config, self.step_count, lr))
        });
        let Update::Muon(step, _) = self.steps[0][0] else { return Ok(()) };
        let mut gradients = gradients.into_iter();
        for slot in &mut self.slots {
            let gradient = gradients.next().expect("there is a gradient for each parameter");
            if let Some(matrix) = &mut slot.matrix {
                step.aim(gradient, &mut slot.first, &mut matrix.direction);
            }
        }
        let workspaces = &self.workspaces;
        self.slots
            .par_iter_mut()
            .with_max_len(1)
            .filter_map(|slot| slot.matrix.as_mut())
            .try_for_each(|matrix| matrix.orthogonalizer.apply(&mut matrix.direction, workspaces))
    }

    /// Moves parameter `index` against its gradient, in one pass over memory and without allocating. Under Muon,
    /// matrices move in the direction that [`begin_step`](Self::begin_step) computed.
    ///
    /// # Panics
    /// If there is no such parameter or its length is not the one given to [`new`](Self::new).
    pub fn update(&mut self, index: usize, parameter: &mut [f32], gradient: &[f32]) {
        let slot = &mut self.slots[index];
        match self.steps[usize::from(slot.is_slower)][usize::from(slot.is_spared)] {
            Update::Muon(step, other) => match &slot.matrix {
                Some(Matrix { orthogonalizer, direction }) => {
                    step.apply(parameter, direction, orthogonalizer.long_side());
                }
                None => other.apply_in_parts(parameter, gradient, &mut slot.first, &mut slot.second),
            },
            Update::Adam(step) => {
                step.apply_in_parts(parameter, gradient, &mut slot.first, &mut slot.second);
            }
            Update::Sgd(step) if slot.first.is_empty() => step.apply_plain(parameter, gradient),
            Update::Sgd(step) => step.apply_momentum(parameter, gradient, &mut slot.first),
        }
    }

    /// How many steps were started.
    pub fn step_count(&self) -> u64 {
        self.step_count
    }

    /// The state for a checkpoint, apart from the [step count](Self::step_count): `optimizer.<PyTorch's
    /// name>.<parameter index>` (`exp_avg` and `exp_avg_sq`, or `momentum_buffer`).
    pub fn state(&self) -> impl Iterator<Item = (String, &[f32])> {
        self.slots.iter().enumerate().flat_map(move |(index, slot)| {
            let names = state_names(&self.config, slot.matrix.as_ref());
            [&slot.first, &slot.second]
                .into_iter()
                .zip(names)
                .map(move |(values, name)| (state_name(name, index), &values[..]))
        })
    }

    /// Restores a state written from [`state`](Self::state); `find` looks up an array by name.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] if an array is missing or has a different length; the optimizer is then unchanged.
    pub fn restore<'a>(
        &mut self,
        step_count: u64,
        find: impl Fn(&str) -> Option<&'a [f32]>,
    ) -> Result<(), TrainError> {
        let saved: Vec<&[f32]> = self
            .state()
            .map(|(name, values)| saved_state(&name, values.len(), &find))
            .collect::<Result<_, _>>()?;
        let mut saved = saved.into_iter();
        for slot in &mut self.slots {
            let names = state_names(&self.config, slot.matrix.as_ref());
            for (values, _) in [&mut slot.first, &mut slot.second].into_iter().zip(names) {
                values.copy_from_slice(saved.next().expect("there is one array for each name"));
            }
        }
        self.step_count = step_count;
        Ok(())
    }
}

/// Copies the saved array called `name` over `values`.
pub(crate) fn copy_state<'a>(
    name: &str,
    values: &mut [f32],
    find: impl Fn(&str) -> Option<&'a [f32]>,
) -> Result<(), TrainError> {
    values.copy_from_slice(saved_state(name, values.len(), find)?);
    Ok(())
}

/// The saved array called `name`, which must have this many numbers.
pub(crate) fn saved_state<'a>(
    name: &str,
    expected: usize,
    find: impl Fn(&str) -> Option<&'a [f32]>,
) -> Result<&'a [f32], TrainError> {
    match find(name) {
        Some(saved) if saved.len() == expected => Ok(saved),
        found => Err(TrainError::StateMismatch {
            name: name.to_owned(),
            found: found.map_or("no such array".to_owned(), |saved| format!("{} numbers", saved.len())),
            expected: format!("{expected} numbers"),
        }),
    }
}

fn state_names(config: &OptimizerConfig, matrix: Option<&Matrix>) -> &'static [&'static str] {
    match *config {
        OptimizerConfig::Muon { .. } if matrix.is_some() => &["momentum_buffer"],
        OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } | OptimizerConfig::Muon { .. } => {
            &["exp_avg", "exp_avg_sq"]
        }
        OptimizerConfig::Sgd { momentum, .. } if momentum != 0.0 => &["momentum_buffer"],
        OptimizerConfig::Sgd { .. } => &[],
    }
}

fn state_name(name: &str, index: usize) -> String {
    format!("optimizer.{name}.{index}")
}

fn step(config: &OptimizerConfig, count: u64, lr: f64) -> Update {
    match *config {
        OptimizerConfig::Adam { betas, eps, weight_decay } => {
            Update::Adam(AdamStep::new(betas, eps, lr, count).with_l2(weight_decay))
        }
        OptimizerConfig::AdamW { betas, eps, weight_decay } => {
            Update::Adam(AdamStep::new(betas, eps, lr, count).with_decoupled(lr * weight_decay))
        }
        OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => {
            Update::Sgd(SgdStep::new(lr, momentum, nesterov, weight_decay))
        }
        OptimizerConfig::Muon { momentum, nesterov, betas, eps, weight_decay } => {
            let other = AdamStep::new(betas, eps, lr, count).with_decoupled(lr * weight_decay);
            Update::Muon(MuonStep::new(lr, momentum, nesterov, weight_decay), other)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Reference, reference};
    use std::ops::Range;

    /// A case recorded from PyTorch, to be replayed.
    struct Replay {
        config: OptimizerConfig,
        matrices: Vec<[usize; 2]>,
        parameters: Vec<Vec<f32>>,
        rates: Vec<f64>,
        gradients: Vec<Vec<Vec<f32>>>,
        after: Vec<Vec<Vec<f64>>>,
    }

    impl Replay {
        fn optimizer(&self) -> Optimizer {
            Optimizer::new(&self.config, self.parameters.iter().map(Vec::len))
                .and_then(|plain| plain.with_matrices(self.matrices.iter().copied().enumerate()))
                .unwrap()
        }

        fn run(&self, optimizer: &mut Optimizer, parameters: &mut [Vec<f32>], steps: Range<usize>) {
            for step in steps {
                let gradients = &self.gradients[step];
                optimizer.begin_step(self.rates[step], gradients.iter().map(Vec::as_slice)).unwrap();
                for (index, parameter) in parameters.iter_mut().enumerate() {
                    optimizer.update(index, parameter, &gradients[index]);
                }
            }
        }
    }

    fn replays() -> Vec<Replay> {
        let Reference { start, gradients, rates, optimizers, muon, .. } = reference();
        assert_eq!((optimizers.len(), muon.len()), (8, 2));
        let optimizers = optimizers.into_iter().map(|case| Replay {
            config: case.config,
            matrices: Vec::new(),
            parameters: start.clone(),
            rates: rates.clone(),
            gradients: gradients.clone(),
            after: case.after,
        });
        let muon = muon.into_iter().map(|case| Replay {
            config: case.config,
            matrices: case.matrices,
            parameters: [case.start, start.clone()].concat(),
            rates: rates.clone(),
            gradients: case
                .gradients
                .into_iter()
                .zip(&gradients)
                .map(|(a, b)| [a, b.clone()].concat())
                .collect(),
            after: case.after,
        });
        optimizers.chain(muon).collect()
    }

    #[test]
    fn follows_pytorch_over_several_steps() {
        for replay in replays() {
            let mut parameters = replay.parameters.clone();
            let mut optimizer = replay.optimizer();
            for (step, expected) in replay.after.iter().enumerate() {
                replay.run(&mut optimizer, &mut parameters, step..step + 1);
                for (ours, theirs) in parameters.iter().flatten().zip(expected.iter().flatten()) {
                    let error = (f64::from(*ours) - theirs).abs();
                    assert!(
                        error <= 1e-6 * theirs.abs().max(1.0),
                        "{:?}, step {step}: {ours} is not {theirs}",
                        replay.config
                    );
                }
            }
        }
    }

    #[test]
    fn spared_parameters_do_not_shrink() {
        for name in ["adam", "adamw", "sgd", "muon"] {
            let decaying = format!(r#"{{"name": "{name}", "weight_decay": 0.1}}"#);
            let config: OptimizerConfig = serde_json::from_str(&decaying).unwrap();
            let mut optimizer = Optimizer::new(&config, [1, 1, 1]).unwrap().sparing([1]);
            optimizer.begin_step(0.5, [[0.0].as_slice(); 3]).unwrap();
            let mut values = [2.0f32; 3];
            for (index, value) in values.iter_mut().enumerate() {
                optimizer.update(index, std::slice::from_mut(value), &[0.0]);
            }
            assert_eq!(values[1], 2.0, "{name}");
            assert!(values[0] < 2.0 && values[0] == values[2], "{name}: {values:?}");
        }
    }

    #[test]
    fn slower_parameters_move_as_at_their_own_rate() {
        for name in ["adam", "adamw", "sgd", "muon"] {
            let config: OptimizerConfig =
                serde_json::from_str(&format!(r#"{{"name": "{name}", "weight_decay": 0.1}}"#)).unwrap();
            let mut mixed = Optimizer::new(&config, [1, 1]).unwrap().slowing(0.25, [1]);
            let mut alone = [0.5, 0.125].map(|_| Optimizer::new(&config, [1]).unwrap());
            let (mut values, mut expected) = ([2.0_f32; 2], [2.0_f32; 2]);
            for gradient in [[0.5_f32], [-1.0], [0.25]] {
                mixed.begin_step(0.5, [gradient.as_slice(); 2]).unwrap();
                for (index, value) in values.iter_mut().enumerate() {
                    mixed.update(index, std::slice::from_mut(value), &gradient);
                }
                for ((optimizer, value), lr) in alone.iter_mut().zip(&mut expected).zip([0.5, 0.125]) {
                    optimizer.begin_step(lr, [gradient.as_slice()]).unwrap();
                    optimizer.update(0, std::slice::from_mut(value), &gradient);
                }
            }
            assert_eq!(values, expected, "{name}");
            assert_ne!(values[0], values[1], "{name}");
        }
    }

    #[test]
    fn restored_optimizer_continues_with_the_same_bits() {
        for replay in replays() {
            let mut parameters = replay.parameters.clone();
            let mut optimizer = replay.optimizer();
            replay.run(&mut optimizer, &mut parameters, 0..3);
            let saved: Vec<(String, Vec<f32>)> =
                optimizer.state().map(|(name, values)| (name, values.to_vec())).collect();
            let mut resumed = replay.optimizer();
            let find =
                |name: &str| saved.iter().find(|entry| entry.0 == name).map(|entry| entry.1.as_slice());
            resumed.restore(optimizer.step_count(), find).unwrap();
            let mut resumed_parameters = parameters.clone();
            replay.run(&mut optimizer, &mut parameters, 3..6);
            replay.run(&mut resumed, &mut resumed_parameters, 3..6);
            assert_eq!(parameters, resumed_parameters, "{:?}", replay.config);
        }
    }

    #[test]
    fn state_of_another_network_is_refused() {
        let small = Optimizer::new(&OptimizerConfig::adam(), [5, 2]).unwrap();
        let saved: Vec<(String, Vec<f32>)> =
            small.state().map(|(name, values)| (name, values.to_vec())).collect();
        let find = |name: &str| saved.iter().find(|entry| entry.0 == name).map(|entry| entry.1.as_slice());
        let error = Optimizer::new(&OptimizerConfig::adam(), [5, 3])
            .unwrap()
            .restore(1, find)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("optimizer.exp_avg.1: the saved state has 2 numbers, but this run needs 3"),
            "{error}"
        );
        let error = Optimizer::new(&OptimizerConfig::adam(), [5, 2, 1])
            .unwrap()
            .restore(1, find)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("optimizer.exp_avg.2: the saved state has no such array"), "{error}");
    }
}
