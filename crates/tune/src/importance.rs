//! How much a parameter matters.

use crate::distribution::Distribution;
use crate::space::Space;
use crate::trial::{Trial, TrialState};

/// A parameter and how much it matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The parameter.
    pub name: String,
    /// The share of the variance of the validation accuracy that this parameter explains alone, from 0 to 1; `None` if
    /// there are too few completed trials, or all have the same accuracy.
    pub explained: Option<f64>,
}

/// For each parameter, the share of the variance of the completed trials' values that is explained by the means of its
/// groups. The groups are its values; a range with more than four values in use is divided into up to four groups of
/// equally many trials. The share is corrected for the number of groups (epsilon squared: Kelley 1935):
///
/// `1 - (SS_within / (n - k)) / (SS_total / (n - 1))`, at least 0, for `n` trials in `k` groups.
///
/// On a full grid this is the main effect that fANOVA (Hutter et al. 2014) measures. The rest to 1 is due to
/// interactions of parameters and to chance.
pub fn importance<'a>(space: &Space, trials: impl IntoIterator<Item = &'a Trial>) -> Vec<Importance> {
    let completed = trials.into_iter().filter(|trial| trial.state == TrialState::Complete);
    let judged: Vec<(Vec<f64>, f64)> =
        completed.filter_map(|trial| Some((trial.point(space)?, trial.value?))).collect();
    let of = |(axis, parameter): (usize, &crate::Parameter)| {
        let places: Vec<(f64, f64)> = judged.iter().map(|(point, value)| (point[axis], *value)).collect();
        let is_range = !matches!(parameter.distribution, Distribution::Choices(_));
        Importance { name: parameter.name.clone(), explained: explained(&groups(places, is_range)) }
    };
    space.parameters().iter().enumerate().map(of).collect()
}

/// The most groups that a range is divided into.
const GROUPS: usize = 4;

/// The values of each group.
fn groups(mut places: Vec<(f64, f64)>, is_range: bool) -> Vec<Vec<f64>> {
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same: Vec<Vec<f64>> =
        places.chunk_by(|a, b| a.0 == b.0).map(|group| group.iter().map(|place| place.1).collect()).collect();
    if !is_range || same.len() <= GROUPS {
        return same;
    }
    // Trials with the same value stay together.
    let most = GROUPS.min(places.len() / 3).max(1);
    let size = places.len().div_ceil(most);
    let mut groups: Vec<Vec<f64>> = vec![Vec::new()];
    for values in same {
        if groups.last().is_some_and(|last| last.len() >= size) {
            groups.push(Vec::new());
        }
        if let Some(last) = groups.last_mut() {
            last.extend(values);
        }
    }
    groups
}

fn explained(groups: &[Vec<f64>]) -> Option<f64> {
    let all: Vec<f64> = groups.iter().flatten().copied().collect();
    let (n, k) = (all.len(), groups.len());
    let total = squares(&all);
    if k < 2 || n <= k || total <= 0.0 {
        return None;
    }
    let within: f64 = groups.iter().map(|group| squares(group)).sum();
    Some((1.0 - (within / (n - k) as f64) / (total / (n - 1) as f64)).max(0.0))
}

/// The sum of squared distances to the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;

    #[test]
    fn what_decides_explains_all_and_what_does_not_nothing() {
        let space = Space::new(vec![
            Parameter::grid("lr=0.1,0.01,0.001").unwrap(),
            Parameter::grid("batch-size=64,256").unwrap(),
            Parameter::range("momentum=0.0..1").unwrap(),
        ])
        .unwrap();
        let trials: Vec<Trial> = (0..12)
            .map(|number| {
                let place = [(number % 3) as f64, (number / 3 % 2) as f64, number as f64 / 12.0];
                Trial {
                    parameters: space.values(&place).map(|(name, value)| (name.to_owned(), value)).collect(),
                    value: Some([0.8, 0.6, 0.1][number % 3]),
                    ..Trial::new(number, number, TrialState::Complete)
                }
            })
            .collect();
        let found = importance(&space, &trials);
        assert_eq!(found[0], Importance { name: "lr".into(), explained: Some(1.0) });
        assert_eq!(found[1].explained, Some(0.0));
        assert!(found[2].explained.unwrap() < 0.05);
        assert_eq!(importance(&space, &trials[..1])[0].explained, None);
        // By hand: groups {1, 3} and {6, 10} have squares 2 and 8 of 46 within; 1 - (10 / 2) / (46 / 3).
        let by_hand = explained(&[vec![1.0, 3.0], vec![6.0, 10.0]]).unwrap();
        assert!((by_hand - (1.0 - 5.0 / (46.0 / 3.0))).abs() < 1e-12);
    }

    #[test]
    fn a_range_is_cut_into_even_groups() {
        let places = |count: usize| (0..count).map(|n| (n as f64, 0.0)).collect::<Vec<_>>();
        let sizes = |count| groups(places(count), true).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(3), [1, 1, 1]);
        assert_eq!(sizes(8), [4, 4]);
        assert_eq!(sizes(14), [4, 4, 4, 2]);
        assert_eq!(groups(places(8), false).len(), 8);
    }
}
