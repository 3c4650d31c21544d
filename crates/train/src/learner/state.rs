//! The state of a learner in a checkpoint.

use convscope_ops::Role;

use super::Learner;
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::layer_meter::LayerMeter;
use crate::optimizer::copy_state;

const STEPS: &str = "steps";
/// Where they are not those of the optimizer, because it has started anew.
const ALL_STEPS: &str = "all_steps";

impl Learner {
    /// Saves parameters, optimizer and moving average into a checkpoint.
    pub fn save_into(&self, checkpoint: &mut Checkpoint) {
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
        if self.optimizer.step_count() != self.step {
            checkpoint.insert(ALL_STEPS, vec![self.step]);
        }
    }

    /// Restores what [`save_into`](Self::save_into) saved.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] for an array that is missing or has a different length.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let find = |name: &str| checkpoint.f32s(name).ok();
        for tensor in self.parameters.tensors_mut() {
            let name = parameter_name(&tensor.key);
            if tensor.role == Role::BatchesTracked {
                tensor.batches = batches(checkpoint, &name)?;
                continue;
            }
            copy_state(&name, tensor.slice_mut(), find)?;
        }
        let steps = checkpoint.u64s(STEPS)?;
        let own = steps.first().copied().unwrap_or(0);
        self.step = checkpoint.u64s(ALL_STEPS).ok().and_then(<[u64]>::first).copied().unwrap_or(own);
        self.optimizer.restore(own, find)?;
        if let Some(ema) = &mut self.ema {
            ema.restore(steps.get(1).copied().unwrap_or(0), find)?;
        }
        self.reload_body();
        Ok(())
    }

    /// Measurements of the layers since [`take_layer_metrics`](Self::take_layer_metrics).
    pub(crate) fn meter(&self) -> &LayerMeter {
        &self.meter
    }

    /// Continues measuring after this many steps.
    pub(crate) fn set_meter(&mut self, meter: LayerMeter, steps: usize) {
        self.meter = meter.after(steps);
    }
}

/// A count of batches, which older checkpoints store in single precision.
fn batches(checkpoint: &Checkpoint, name: &str) -> Result<u64, TrainError> {
    if let Ok(counts) = checkpoint.u64s(name) {
        return Ok(counts.first().copied().unwrap_or(0));
    }
    Ok(checkpoint.f32s(name)?.first().map_or(0, |&count| count as u64))
}

fn parameter_name(key: &str) -> String {
    format!("parameter.{key}")
}
