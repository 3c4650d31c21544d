//! Repeated measurements, and their median and quartiles.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::TrainError;

/// Images per second, over many batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// The median.
    pub images_per_second: f64,
    /// A quarter of the batches were slower.
    pub lower_quartile: f64,
    /// A quarter of the batches were faster.
    pub upper_quartile: f64,
    /// How many batches were timed.
    pub batches: usize,
}

/// Milliseconds until an answer, over many runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub milliseconds: f64,
    /// A quarter of the runs were faster.
    pub lower_quartile: f64,
    /// A quarter of the runs were slower.
    pub upper_quartile: f64,
    /// How many runs were timed.
    pub runs: usize,
}

impl Throughput {
    pub(super) fn new(batch_size: usize, seconds: &[f64]) -> Throughput {
        let [fast, median, slow] = quartiles(seconds).map(|seconds| batch_size as f64 / seconds);
        Throughput {
            images_per_second: median,
            lower_quartile: slow,
            upper_quartile: fast,
            batches: seconds.len(),
        }
    }
}

impl Latency {
    pub(super) fn new(seconds: &[f64]) -> Latency {
        let [lower_quartile, milliseconds, upper_quartile] = quartiles(seconds).map(|seconds| seconds * 1e3);
        Latency { milliseconds, lower_quartile, upper_quartile, runs: seconds.len() }
    }
}

/// The seconds of each run of `work`: two to warm up, which are not counted, then as many as fit in `budget`, at least
/// three.
pub(super) fn repeat(
    budget: Duration,
    mut work: impl FnMut() -> Result<(), TrainError>,
) -> Result<Vec<f64>, TrainError> {
    const WARM_UP: usize = 2;
    const FEWEST: usize = 3;
    for _ in 0..WARM_UP {
        work()?;
    }
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while seconds.len() < FEWEST || begin.elapsed() < budget {
        let started = Instant::now();
        work()?;
        // A clock that does not advance between two readings must not make a rate infinite.
        seconds.push(started.elapsed().as_secs_f64().max(1e-9));
    }
    Ok(seconds)
}

/// The first quartile, the median and the third quartile: the values in the middle of each half, or halfway between two.
pub(super) fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| {
        let at = part * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        below + (above - below) * at.fract()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values() {
        assert_eq!(quartiles(&[5.0, 1.0, 3.0, 2.0, 4.0]), [2.0, 3.0, 4.0]);
        assert_eq!(quartiles(&[4.0, 1.0]), [1.75, 2.5, 3.25]);
        assert_eq!(quartiles(&[7.0]), [7.0; 3]);
    }

    /// Slow batches have a low rate, so the quartiles swap.
    #[test]
    fn rates_and_times_have_their_quartiles_the_right_way_round() {
        let seconds = [1.0, 2.0, 4.0, 8.0, 16.0];
        let rate = Throughput::new(16, &seconds);
        assert_eq!((rate.lower_quartile, rate.images_per_second, rate.upper_quartile), (2.0, 4.0, 8.0));
        let latency = Latency::new(&seconds);
        assert_eq!((latency.lower_quartile, latency.milliseconds, latency.upper_quartile), (2e3, 4e3, 8e3));
    }

    #[test]
    fn warm_up_is_not_counted_and_an_error_ends_it() {
        let mut runs = 0;
        let seconds = repeat(Duration::ZERO, || {
            runs += 1;
            Ok(())
        });
        assert_eq!((seconds.unwrap().len(), runs), (3, 5));
        let failed = repeat(Duration::ZERO, || {
            Err(TrainError::StateMismatch { name: "a".into(), found: "b".into(), expected: "c".into() })
        });
        assert!(failed.is_err());
    }
}
