//! Where the time of a run goes.

use super::Executor;
use std::time::Duration;

impl Executor {
    /// Measures the time of every step of the plan from now on, beginning with zero. Runs go on to allocate nothing.
    pub fn start_timing(&mut self) {
        let steps = self.plan.steps.len();
        for lane in &mut self.lanes {
            lane.times.clear();
            lane.times.resize(steps, Duration::ZERO);
        }
    }

    /// Measures no longer; until [`Executor::start_timing`] no step looks at the clock.
    pub fn stop_timing(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.times.clear());
    }

    /// For each step of the plan, the time that was spent on it since [`Executor::start_timing`], that of all threads
    /// together; zero while nothing is measured.
    pub fn step_times(&self) -> Vec<Duration> {
        let of_step = |step| self.lanes.iter().filter_map(|lane| lane.times.get(step)).sum();
        (0..self.plan.steps.len()).map(of_step).collect()
    }
}
