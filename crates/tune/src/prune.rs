//! Ending bad trials early: successive halving.

use crate::trial::Trial;

/// The share of the trials reaching a rung that continue: one in three.
const FACTOR: u64 = 3;

/// Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020): a trial
/// of `E` epochs has rungs at the epochs `E/3`, `E/9` and so on, rounded down, as long as they are at least 1. At a
/// rung it continues if it is among the best third, at least one, of all trials that have reached that epoch so far,
/// including itself; so the first one always continues.
///
/// ```
/// use convscope_tune::prune::rungs;
/// assert_eq!(rungs(20), [2, 6]);
/// assert_eq!(rungs(2), [0; 0]);
/// ```
pub fn rungs(epochs: u64) -> Vec<u64> {
    let mut rungs: Vec<u64> = std::iter::successors(Some(epochs / FACTOR), |rung| Some(rung / FACTOR))
        .take_while(|&rung| rung > 0)
        .collect();
    rungs.reverse();
    rungs
}

/// Whether a trial of this many epochs with this accuracy after this epoch continues, given the other trials of the
/// study.
pub(crate) fn goes_on<'a>(
    epochs: u64,
    epoch: u64,
    accuracy: f64,
    others: impl IntoIterator<Item = &'a Trial>,
) -> bool {
    if !rungs(epochs).contains(&epoch) {
        return true;
    }
    let peers: Vec<f64> = others.into_iter().filter_map(|trial| trial.curve.get(&epoch).copied()).collect();
    let better = peers.iter().filter(|&&peer| peer > accuracy).count() as u64;
    let seats = ((peers.len() as u64 + 1) / FACTOR).max(1);
    better < seats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::TrialState;

    #[test]
    fn the_best_third_goes_on() {
        let trial = |number, accuracy| Trial {
            curve: [(2, accuracy), (3, 1.0)].into(),
            ..Trial::new(number, number, TrialState::Complete)
        };
        let others: Vec<Trial> =
            [0.1, 0.5, 0.3, 0.4, 0.2].into_iter().enumerate().map(|(n, a)| trial(n, a)).collect();
        let goes_on = |epoch, accuracy, others: &[Trial]| goes_on(20, epoch, accuracy, others);
        // Two of six continue.
        assert!(goes_on(2, 0.6, &others) && goes_on(2, 0.45, &others) && !goes_on(2, 0.35, &others));
        // Equal trials do not displace each other.
        assert!(goes_on(2, 0.5, &others[..4]) && !goes_on(2, 0.45, &others[..4]));
        // One of two continues, and always the first.
        assert!(goes_on(2, 0.0, &[]) && goes_on(2, 0.2, &others[..1]) && !goes_on(2, 0.05, &others[..1]));
        // No trial is stopped between rungs.
        assert!(goes_on(3, 0.0, &others));
    }
}
