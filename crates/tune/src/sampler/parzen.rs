//! Parzen estimators: a density from a few points.

use super::random::{Line, Random};
use crate::distribution::Distribution;

/// The weight of the prior relative to one point.
const PRIOR_WEIGHT: f64 = 1.0;

/// The number of points beyond which older ones weigh less.
const RECENT: usize = 25;

/// The density of one parameter, from the values of some trials in the order of their numbers.
pub(super) enum Parzen {
    /// The probability of each choice.
    Choices(Vec<f64>),
    /// Normal distributions truncated at the ends of the line, the prior last.
    Normals { line: Line, weights: Vec<f64>, means: Vec<f64>, deviations: Vec<f64> },
}

impl Parzen {
    pub(super) fn new(distribution: &Distribution, places: &[f64]) -> Parzen {
        let mut weights = recent_weights(places.len());
        weights.push(PRIOR_WEIGHT);
        match distribution {
            Distribution::Choices(values) => Self::Choices(choices(values.len(), places, &weights)),
            other => {
                let line = Line::of(other);
                let mut means: Vec<f64> = places.iter().map(|&place| line.along(place)).collect();
                means.push((line.low + line.high) / 2.0);
                let deviations = deviations(&line, &means);
                Self::Normals { line, weights, means, deviations }
            }
        }
    }

    /// A value drawn from the density.
    pub(super) fn draw(&self, random: &mut Random) -> f64 {
        match self {
            Self::Choices(probabilities) => random.weighted(probabilities) as f64,
            Self::Normals { line, weights, means, deviations } => {
                let kernel = random.weighted(weights);
                // Every mean is on the line and no deviation is longer than the line, so at least a third of the draws
                // are accepted.
                let along = loop {
                    let along = random.normal(means[kernel], deviations[kernel]);
                    if (line.low..=line.high).contains(&along) {
                        break along;
                    }
                };
                line.place(along)
            }
        }
    }

    /// The logarithm of the density at a value; for a whole number, that of its probability.
    pub(super) fn log_density(&self, place: f64) -> f64 {
        match self {
            Self::Choices(probabilities) => libm::log(probabilities[place as usize]),
            Self::Normals { line, weights, means, deviations } => {
                let total: f64 = weights.iter().sum();
                let kernels = weights.iter().zip(means).zip(deviations);
                let density: f64 = kernels
                    .map(|((weight, &mean), &deviation)| {
                        let below = |along: f64| normal_below((along - mean) / deviation);
                        let inside = below(line.high) - below(line.low);
                        let here = match line.stretch(place) {
                            Some((low, high)) => below(high) - below(low),
                            None => normal_density((line.along(place) - mean) / deviation) / deviation,
                        };
                        weight / total * here / inside
                    })
                    .sum();
                libm::log(density.max(f64::MIN_POSITIVE))
            }
        }
    }
}

/// The last 25 points weigh 1 each, those before them from `1/n` for the first up to 1 for the last.
fn recent_weights(count: usize) -> Vec<f64> {
    let ramp = count.saturating_sub(RECENT);
    let first = 1.0 / count.max(1) as f64;
    let step = if ramp > 1 { (1.0 - first) / (ramp - 1) as f64 } else { 0.0 };
    (0..count).map(|index| if index < ramp { first + step * index as f64 } else { 1.0 }).collect()
}

/// Each point gives its choice one vote on top of an even share of the prior.
fn choices(count: usize, places: &[f64], weights: &[f64]) -> Vec<f64> {
    let kernels = places.len() + 1;
    let even = PRIOR_WEIGHT / kernels as f64;
    let total: f64 = weights.iter().sum();
    let mut probabilities = vec![0.0; count];
    for (kernel, weight) in weights.iter().enumerate() {
        let own = places.get(kernel).map(|&place| place as usize);
        let votes = even * count as f64 + if own.is_some() { 1.0 } else { 0.0 };
        for (choice, probability) in probabilities.iter_mut().enumerate() {
            let vote = even + if own == Some(choice) { 1.0 } else { 0.0 };
            *probability += weight / total * vote / votes;
        }
    }
    probabilities
}

/// For each mean, the distance to the further of its neighbours (the first and last have only one); at least a
/// hundredth of the line, or a larger share for few points, and at most the line. The prior is as wide as the line.
fn deviations(line: &Line, means: &[f64]) -> Vec<f64> {
    let length = line.high - line.low;
    let least = length / (1.0 + means.len() as f64).min(100.0);
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]).then(a.cmp(&b)));
    let mut deviations = vec![length; means.len()];
    for (rank, &index) in order.iter().enumerate() {
        let gap = |other: Option<usize>| {
            other.and_then(|other| order.get(other)).map(|&other| (means[index] - means[other]).abs())
        };
        let widest = gap(rank.checked_sub(1)).unwrap_or(0.0).max(gap(Some(rank + 1)).unwrap_or(0.0));
        deviations[index] = widest.clamp(least, length);
    }
    if let Some(prior) = deviations.last_mut() {
        *prior = length;
    }
    deviations
}

fn normal_density(x: f64) -> f64 {
    libm::exp(-x * x / 2.0) / std::f64::consts::TAU.sqrt()
}

fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scale, Value};

    #[test]
    fn densities_add_up_to_one() {
        let float = Distribution::Float { low: 1e-3, high: 10.0, scale: Scale::Logarithm };
        let density = Parzen::new(&float, &[0.01, 0.02, 5.0]);
        let steps = 20_000;
        let (low, high) = (1e-3f64.ln(), 10f64.ln());
        let sum: f64 = (0..steps)
            .map(|step| {
                density.log_density((low + (step as f64 + 0.5) / steps as f64 * (high - low)).exp()).exp()
            })
            .sum();
        assert!((sum * (high - low) / steps as f64 - 1.0).abs() < 1e-3, "{sum}");
        let whole = Distribution::Int { low: 2, high: 9, scale: Scale::Linear };
        let density = Parzen::new(&whole, &[3.0, 3.0, 9.0]);
        let sum: f64 = (2..=9).map(|place| density.log_density(f64::from(place)).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        let three = Distribution::Choices(vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
        let Parzen::Choices(of_three) = Parzen::new(&three, &[2.0, 2.0, 1.0]) else { panic!() };
        assert!((of_three.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(of_three[2] > of_three[1] && of_three[1] > of_three[0]);
    }

    #[test]
    fn draws_follow_the_density() {
        let whole = Distribution::Int { low: 1, high: 100, scale: Scale::Logarithm };
        let density = Parzen::new(&whole, &[3.0, 4.0, 3.0, 40.0]);
        let mut random = Random::new(1, 2, 3);
        let mut counts = [0.0; 101];
        for _ in 0..20_000 {
            counts[density.draw(&mut random) as usize] += 1.0 / 20_000.0;
        }
        for place in [1, 3, 4, 10, 40, 100] {
            let expected = density.log_density(place as f64).exp();
            assert!((counts[place] - expected).abs() < 0.012, "{place}: {} not {expected}", counts[place]);
        }
    }

    #[test]
    fn old_points_weigh_less() {
        assert_eq!(recent_weights(3), [1.0; 3]);
        let weights = recent_weights(50);
        assert_eq!((weights[0], weights[24], weights[49]), (0.02, 1.0, 1.0));
        assert!(weights[10] < weights[11]);
    }
}
