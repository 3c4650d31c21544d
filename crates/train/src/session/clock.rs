//! When a run began, and when it needs a checkpoint.

use std::time::{Duration, Instant};

/// How long a run goes on at most without a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// The run's time, over all its sessions.
pub(super) struct Clock {
    started: Instant,
    before: f64,
    checkpoint: Instant,
}

impl Clock {
    pub(super) fn start(before: f64) -> Clock {
        Clock { started: Instant::now(), before, checkpoint: Instant::now() }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    pub(super) fn checkpoint_is_due(&mut self) -> bool {
        let is_due = self.checkpoint.elapsed() >= CHECKPOINT_INTERVAL;
        if is_due {
            self.checkpoint_made();
        }
        is_due
    }

    pub(super) fn checkpoint_made(&mut self) {
        self.checkpoint = Instant::now();
    }
}
