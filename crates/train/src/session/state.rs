//! What a checkpoint holds of a session.

use convscope_ops::Role;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::layer_meter::LayerMeter;
use crate::metrics::RunningMean;
use crate::run_dir::DataIdentity;
use crate::stop::EarlyStopping;

/// How far a run has come; with the arrays beside it, all that resuming needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) epochs_done: u64,
    /// Batches of the present epoch.
    pub(super) batches_done: usize,
    /// Optimizer steps of the run.
    pub(super) step: u64,
    /// Of the present epoch.
    pub(super) loss: RunningMean,
    pub(super) correct: u64,
    pub(super) epoch_seconds: f64,
    pub(super) data_wait_seconds: f64,
    #[serde(default)]
    pub(super) layers: LayerMeter,
    /// Of the last complete epoch.
    pub(super) train_loss: Option<f64>,
    pub(super) train_accuracy: Option<f64>,
    /// Of all complete epochs.
    pub(super) images: u64,
    pub(super) train_seconds: f64,
    /// Of the run, with its evaluations.
    pub(super) seconds: f64,
    pub(super) stopping: EarlyStopping,
    pub(super) has_stopped: bool,
    /// The images; none in checkpoints of versions that did not record them.
    #[serde(default)]
    pub(super) data: Option<DataIdentity>,
}

impl Progress {
    pub(super) fn new(stopping: EarlyStopping, data: Option<DataIdentity>) -> Progress {
        Progress {
            epochs_done: 0,
            batches_done: 0,
            step: 0,
            loss: RunningMean::default(),
            correct: 0,
            epoch_seconds: 0.0,
            data_wait_seconds: 0.0,
            layers: LayerMeter::default(),
            train_loss: None,
            train_accuracy: None,
            images: 0,
            train_seconds: 0.0,
            seconds: 0.0,
            stopping,
            has_stopped: false,
            data,
        }
    }

    /// Of the present epoch so far.
    pub(super) fn train_accuracy(&self) -> f64 {
        self.correct as f64 / self.loss.images().max(1) as f64
    }
}

impl Session {
    /// Writes a checkpoint.
    pub(super) fn save(&self) -> Result<(), TrainError> {
        let mut checkpoint = Checkpoint::new();
        for tensor in self.parameters.tensors() {
            let name = parameter_name(&tensor.key);
            if tensor.role == Role::BatchesTracked {
                checkpoint.insert(name, vec![tensor.batches]);
            } else {
                checkpoint.insert(name, tensor.slice());
            }
        }
        for (name, values) in self.optimizer.state() {
            checkpoint.insert(name, values);
        }
        let mut steps = vec![self.optimizer.step_count()];
        if let Some(ema) = &self.ema {
            ema.state().for_each(|(name, values)| checkpoint.insert(name, values));
            steps.push(ema.step_count());
        }
        checkpoint.insert(STEPS, steps);
        checkpoint.set_value(&self.progress)?;
        checkpoint.save(&self.run.checkpoint_path(), &self.fingerprint())
    }

    /// Takes up the last checkpoint.
    pub(super) fn restore(&mut self) -> Result<(), TrainError> {
        let checkpoint = Checkpoint::load(&self.run.checkpoint_path(), &self.fingerprint())?;
        let find = |name: &str| checkpoint.f32s(name).ok();
        for tensor in self.parameters.tensors_mut() {
            let name = parameter_name(&tensor.key);
            if tensor.role == Role::BatchesTracked {
                tensor.batches = batches(&checkpoint, &name)?;
                continue;
            }
            crate::optimizer::copy_state(&name, tensor.slice_mut(), find)?;
        }
        let steps = checkpoint.u64s(STEPS)?;
        self.optimizer.restore(steps.first().copied().unwrap_or(0), find)?;
        if let Some(ema) = &mut self.ema {
            ema.restore(steps.get(1).copied().unwrap_or(0), find)?;
        }
        let progress: Progress = checkpoint.value()?;
        if progress.data != self.progress.data {
            return Err(TrainError::CheckpointOfOtherData { path: self.run.checkpoint_path() });
        }
        self.progress = progress;
        Ok(())
    }

    /// Tells one model from another in a checkpoint.
    fn fingerprint(&self) -> String {
        let description = self.graph().description();
        let [channels, height, width] = description.input;
        // FNV-1a: short, and the same in every version of the program.
        let hash = description.to_toml().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let classes = self.graph().classes();
        format!(
            "{} for {channels}x{height}x{width} images of {classes} classes ({hash:016x})",
            description.name
        )
    }
}

const STEPS: &str = "steps";

/// A count of batches, which older checkpoints have as a number of single precision.
fn batches(checkpoint: &Checkpoint, name: &str) -> Result<u64, TrainError> {
    if let Ok(counts) = checkpoint.u64s(name) {
        return Ok(counts.first().copied().unwrap_or(0));
    }
    Ok(checkpoint.f32s(name)?.first().map_or(0, |&count| count as u64))
}

fn parameter_name(key: &str) -> String {
    format!("parameter.{key}")
}
