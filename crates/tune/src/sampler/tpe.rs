//! The tree-structured Parzen estimator.

use super::parzen::Parzen;
use super::random::Random;
use crate::space::{Point, Space};
use crate::trial::{Trial, ranked};

/// TPE (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011) with Optuna's defaults: the finished
/// trials are divided into a good tenth, at most 25 of them, and the rest. For each parameter separately, a Parzen
/// estimator is made from each part, `l` and `g`; of some values drawn from `l`, the one with the largest `l/g` is
/// chosen. Pruned trials count as worse than completed ones, and failed ones as the worst, so that the search avoids
/// settings that diverge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpeSettings {
    /// The number of trials that are drawn evenly first. Default 10.
    pub startup_trials: usize,
    /// The number of values that are compared. Default 24.
    pub candidates: usize,
}

impl Default for TpeSettings {
    fn default() -> Self {
        TpeSettings { startup_trials: 10, candidates: 24 }
    }
}

/// The largest number of trials that count as good.
const MOST_GOOD: usize = 25;

/// The next point.
pub(super) fn suggest(
    settings: &TpeSettings,
    space: &Space,
    trials: &[&Trial],
    random: &mut Random,
) -> Point {
    let finished = ranked(trials.iter().copied());
    if finished.len() < settings.startup_trials.max(1) {
        return random.point(space);
    }
    let good = finished.len().div_ceil(10).min(MOST_GOOD);
    let points = |part: &[&Trial]| {
        let mut part = part.to_vec();
        // Recent trials weigh more, so they are in the order of their numbers.
        part.sort_by_key(|trial| trial.number);
        part.iter().filter_map(|trial| trial.point(space)).collect::<Vec<Point>>()
    };
    let (good, rest) = (points(&finished[..good]), points(&finished[good..]));
    let axes = space.parameters().iter().enumerate();
    axes.map(|(axis, parameter)| {
        let density = |points: &[Point]| {
            let places: Vec<f64> = points.iter().map(|point| point[axis]).collect();
            Parzen::new(&parameter.distribution, &places)
        };
        let (low, high) = (density(&good), density(&rest));
        let candidates = (0..settings.candidates.max(1)).map(|_| low.draw(random));
        let judged = candidates.map(|place| (low.log_density(place) - high.log_density(place), place));
        judged.reduce(|best, next| if next.0 > best.0 { next } else { best }).map_or(0.0, |(_, place)| place)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::trial;
    use super::super::{Sampler, TpeSettings};
    use crate::space::{Parameter, Space};
    use crate::trial::{Trial, TrialState};

    fn space() -> Space {
        Space::new(vec![
            Parameter::range("lr=1e-5..1:log").unwrap(),
            Parameter::range("batch-size=1..64").unwrap(),
            Parameter::grid("optimizer=adam,adamw,sgd").unwrap(),
        ])
        .unwrap()
    }

    /// Largest, 0, at a rate of 0.01, a batch size of 20 and the second optimizer.
    fn objective(point: &[f64]) -> f64 {
        let rate = (point[0].log10() + 2.0) / 5.0;
        let batch = (point[1] - 20.0) / 64.0;
        -(rate * rate + batch * batch + if point[2] == 1.0 { 0.0 } else { 0.1 })
    }

    fn best_of(sampler: &Sampler, seed: u64, count: usize) -> f64 {
        let space = space();
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..count {
            let known: Vec<&Trial> = trials.iter().collect();
            let point = sampler.suggest(&space, seed, number as u64, &known).unwrap();
            trials.push(trial(&space, number, &point, objective(&point)));
        }
        trials.iter().filter_map(|trial| trial.value).fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn finds_more_than_random_draws_do() {
        let median = |sampler: &Sampler| {
            let mut best: Vec<f64> = (0..15).map(|seed| best_of(sampler, seed, 60)).collect();
            best.sort_by(f64::total_cmp);
            best[7]
        };
        let random = median(&Sampler::Random { trials: 60 });
        let tpe = median(&Sampler::Tpe { trials: 60, settings: TpeSettings::default() });
        assert!(tpe > random / 3.0, "TPE ends at {tpe}, random draws at {random}");
    }

    #[test]
    fn keeps_away_from_what_fails() {
        let space = space();
        let sampler = Sampler::Tpe { trials: 99, settings: TpeSettings::default() };
        // All rates above 0.01 fail; the others are equally good.
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..60 {
            let known: Vec<&Trial> = trials.iter().collect();
            let point = sampler.suggest(&space, 5, number, &known).unwrap();
            let mut next = trial(&space, number as usize, &point, 0.5);
            if point[0] > 0.01 {
                (next.state, next.value) = (TrialState::Failed, None);
            }
            trials.push(next);
        }
        let failed = |part: &[Trial]| part.iter().filter(|trial| trial.state == TrialState::Failed).count();
        assert!(failed(&trials[..10]) >= 2 && failed(&trials[30..]) <= 6, "{}", failed(&trials[30..]));
    }
}
