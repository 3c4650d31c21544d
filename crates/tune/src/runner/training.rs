//! What trains trials, in another process or in this one.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use crate::TuneError;

/// Trains configurations.
///
/// A training that was stopped or that failed because of the machine is continued from its last checkpoint when it is started
/// again.
pub trait TrialRunner {
    /// Starts to train the configuration in `file`, into the folder with its name without `.toml`, or continues it. The training
    /// tells every epoch of the run once, those of earlier attempts too, and at last how it ended.
    ///
    /// # Errors
    /// It cannot be started.
    fn start(&self, file: &Path, threads: usize, tell: Teller) -> Result<Box<dyn Training>, TuneError>;
}

/// A training under way. It stops when this is dropped.
pub trait Training {
    /// Asks it to save its state and end.
    fn stop(&mut self);
}

/// What a training tells.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    /// An epoch is done.
    Epoch {
        /// Its number, from 1.
        epoch: u64,
        /// The accuracy on the validation images after it, from 0 to 1.
        accuracy: f64,
    },
    /// It is over.
    Ended(Ended),
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is complete, and its run directory has a summary.
    Completed,
    /// It has saved its state, because it was asked to stop.
    Stopped,
    /// It would fail again, for this reason.
    Failed(String),
    /// It failed because of the machine, for this reason: a file could not be read or written, memory was short, it was killed.
    SetBack(String),
}

/// The place for what a training tells. It can be given to another thread.
#[derive(Clone, Debug)]
pub struct Teller {
    pub(super) training: u64,
    pub(super) to: Sender<(u64, TrainingEvent)>,
}

impl Teller {
    /// A place of its own, and where to hear what is told; for tests of a [`TrialRunner`].
    pub fn channel() -> (Teller, impl Iterator<Item = TrainingEvent>) {
        let (to, from) = channel();
        (Teller { training: 0, to }, from.into_iter().map(|(_, event)| event))
    }

    /// Tells an event. After the end, nothing is heard any more.
    pub fn tell(&self, event: TrainingEvent) {
        // Nobody listens any more if the search has ended with an error.
        let _ = self.to.send((self.training, event));
    }
}
