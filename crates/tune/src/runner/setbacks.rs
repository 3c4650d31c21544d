//! How a search waits after failures of the machine, and when it gives up.

use std::time::{Duration, Instant};

/// This many failures of the machine in a row, without an epoch in between, end the search.
const MOST_IN_A_ROW: u32 = 4;
/// Each pause is this many times as long as the one before.
const GROWTH: u32 = 3;

/// The failures of the machine since a trial made progress.
#[derive(Debug)]
pub(super) struct Setbacks {
    /// The first pause.
    pause: Duration,
    in_a_row: u32,
    /// No trial starts before this time.
    until: Option<Instant>,
    last: String,
}

impl Setbacks {
    pub(super) fn new(pause: Duration) -> Setbacks {
        Setbacks { pause, in_a_row: 0, until: None, last: String::new() }
    }

    /// Counts a failure at this moment. Failures during a pause have the same cause as the one before it, as when
    /// several trials run at once, and are not counted again.
    pub(super) fn count(&mut self, reason: String, now: Instant) {
        self.last = reason;
        if self.pauses(now) {
            return;
        }
        self.in_a_row += 1;
        let pause = self.pause.saturating_mul(GROWTH.saturating_pow(self.in_a_row - 1));
        self.until = now.checked_add(pause);
    }

    /// A trial has trained an epoch, so the machine works.
    pub(super) fn forget(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether a trial may start.
    pub(super) fn allows(&self, now: Instant) -> bool {
        !self.pauses(now) && self.in_a_row < MOST_IN_A_ROW
    }

    /// The last reason, if there were too many.
    pub(super) fn gave_up(&self) -> Option<&str> {
        (self.in_a_row >= MOST_IN_A_ROW).then_some(self.last.as_str())
    }

    fn pauses(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_threefold_and_the_fourth_failure_is_the_last() {
        let mut setbacks = Setbacks::new(2 * SECOND);
        let mut now = Instant::now();
        for pause in [2, 6, 18] {
            assert!(setbacks.allows(now) && setbacks.gave_up().is_none());
            setbacks.count(format!("before {pause}"), now);
            assert!(!setbacks.allows(now + (pause - 1) * SECOND), "{pause}");
            now += pause * SECOND;
        }
        assert!(setbacks.allows(now));
        setbacks.count("the end".into(), now);
        assert_eq!(setbacks.gave_up(), Some("the end"));
        assert!(!setbacks.allows(now + 1000 * SECOND));
        // A trial that was still running has trained an epoch.
        setbacks.forget();
        assert!(setbacks.gave_up().is_none() && setbacks.allows(now + 1000 * SECOND));
    }

    #[test]
    fn failures_during_a_pause_count_as_one() {
        let mut setbacks = Setbacks::new(SECOND);
        let now = Instant::now();
        for _ in 0..9 {
            setbacks.count("away".into(), now);
        }
        assert!(setbacks.gave_up().is_none() && setbacks.allows(now + SECOND));
        let mut at_once = Setbacks::new(Duration::ZERO);
        for _ in 0..3 {
            at_once.count("away".into(), now);
            assert!(at_once.allows(now));
        }
        at_once.count("away".into(), now);
        assert!(!at_once.allows(now));
    }
}
