//! The progress of a study, and how long it will take.

use std::time::{Duration, Instant};

use super::job::Job;
use crate::study::Study;
use crate::trial::{Trial, TrialState};

/// The progress of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyProgress {
    /// The trials that this process works on, by their numbers.
    pub running: Vec<RunningTrial>,
    /// How many trials are finished.
    pub finished: usize,
    /// How many there will be.
    pub planned: usize,
    /// How long the rest will take, from the epochs done since this process started; `None` before the first.
    pub left: Option<Duration>,
}

/// A trial that is being trained.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningTrial {
    /// Its number.
    pub number: usize,
    /// How many epochs it has done.
    pub epoch: u64,
    /// How many it will have.
    pub epochs: u64,
    /// The validation accuracy after the last of them.
    pub accuracy: Option<f64>,
}

/// Epochs against time.
pub(super) struct Pace {
    started: Instant,
    /// Epochs that were done before.
    before: u64,
}

impl Pace {
    pub(super) fn start(study: &Study) -> Pace {
        Pace { started: Instant::now(), before: done(&study.trials()) }
    }

    pub(super) fn progress(&self, study: &Study, jobs: &[Job]) -> StudyProgress {
        let trials = study.trials();
        let mut running: Vec<RunningTrial> = jobs
            .iter()
            .filter(|job| !job.is_settled)
            .map(|job| {
                let trial = trials.iter().find(|trial| trial.id == job.trial);
                let last = trial.and_then(|trial| trial.curve.last_key_value());
                RunningTrial {
                    number: job.number,
                    epoch: last.map_or(0, |(epoch, _)| *epoch),
                    epochs: job.epochs,
                    accuracy: last.map(|(_, accuracy)| *accuracy),
                }
            })
            .collect();
        running.sort_by_key(|trial| trial.number);
        let planned = study.planned();
        let finished = trials.iter().filter(|trial| trial.state.is_finished()).count();
        let here = done(&trials).saturating_sub(self.before);
        let each = self.started.elapsed().as_secs_f64() / here as f64;
        let left = (each * rest(&trials, planned)).max(0.0);
        StudyProgress { running, finished, planned, left: Duration::try_from_secs_f64(left).ok() }
    }
}

/// The epochs of all trials.
fn done(trials: &[Trial]) -> u64 {
    trials.iter().map(Trial::epoch).sum()
}

/// The remaining epochs: those of the running trials, and for each one to come the mean over the finished ones, which
/// pruned ones reduce.
fn rest(trials: &[Trial], planned: usize) -> f64 {
    let finished =
        || trials.iter().filter(|trial| trial.state.is_finished() && trial.state != TrialState::Failed);
    let asked: Vec<u64> = trials.iter().filter_map(Trial::epochs).collect();
    let mean = match finished().count() {
        0 => asked.iter().sum::<u64>() as f64 / asked.len().max(1) as f64,
        count => finished().map(Trial::epoch).sum::<u64>() as f64 / count as f64,
    };
    let under_way = trials.iter().filter(|trial| !trial.state.is_finished());
    let under_way: u64 =
        under_way.map(|trial| trial.epochs().unwrap_or(0).saturating_sub(trial.epoch())).sum();
    under_way as f64 + mean * planned.saturating_sub(trials.len()) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_counts_running_and_coming_trials() {
        let trial = |number, state, epochs: u64, done: u64| {
            let mut trial = Trial::new(number, number, state);
            trial.attributes.insert("epochs".into(), json!(epochs));
            trial.curve = (1..=done).map(|epoch| (epoch, 0.5)).collect();
            trial
        };
        let trials = [
            trial(0, TrialState::Complete, 20, 20),
            trial(1, TrialState::Pruned, 20, 2),
            trial(2, TrialState::Failed, 20, 1),
            trial(3, TrialState::Running, 40, 10),
        ];
        assert_eq!(done(&trials), 33);
        // 30 of the running one, and 11 for each of two more.
        assert_eq!(rest(&trials, 6), 30.0 + 2.0 * 11.0);
        assert_eq!(rest(&trials[3..], 2), 30.0 + 40.0);
    }
}
