//! The time spent on each step of a run.

use super::Executor;
use std::time::Duration;

impl Executor {
    /// Starts timing every step of the plan, from zero. Runs still allocate nothing.
    pub fn start_timing(&mut self) {
        let steps = self.plan.steps.len();
        for shard in &mut self.shards {
            shard.times.clear();
            shard.times.resize(steps, Duration::ZERO);
        }
    }

    /// Stops timing; no step reads the clock until the next [`Executor::start_timing`].
    pub fn stop_timing(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.times.clear());
    }

    /// For each step of the plan, the time spent on it since [`Executor::start_timing`], summed over all threads; zero
    /// if timing is off.
    pub fn step_times(&self) -> Vec<Duration> {
        let of_step = |step| self.shards.iter().filter_map(|shard| shard.times.get(step)).sum();
        (0..self.plan.steps.len()).map(of_step).collect()
    }
}
