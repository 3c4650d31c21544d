//! The choice of the next point.

mod parzen;
mod random;
mod tpe;

pub use tpe::TpeSettings;

use std::collections::HashSet;

use crate::distribution::Distribution;
use crate::space::{Point, Space};
use crate::trial::Trial;
use random::Random;

/// How the points of a study are chosen. The choice depends only on the seed, the number of the trial and the trials
/// before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Every point of a space of lists, the last parameter first.
    Grid,
    /// This many points drawn evenly.
    Random {
        /// How many.
        trials: usize,
    },
    /// This many points, the later ones guided by the results of earlier ones; see [`TpeSettings`].
    Tpe {
        /// How many.
        trials: usize,
        /// The settings of the estimator.
        settings: TpeSettings,
    },
}

/// How often a point that already exists is redrawn.
const TRIES: u64 = 100;

impl Sampler {
    /// `grid`, `random` or `tpe`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random { .. } => "random",
            Self::Tpe { .. } => "tpe",
        }
    }

    /// How many trials there will be: as many as requested, but, for a space of lists or whole numbers, at most as many
    /// as it has points.
    pub fn planned(&self, space: &Space) -> usize {
        let points = space.len();
        match self {
            Self::Grid => points.unwrap_or(0),
            Self::Random { trials } | Self::Tpe { trials, .. } => (*trials).min(points.unwrap_or(usize::MAX)),
        }
    }

    /// The point of the next trial, which has this number among `trials`; `None` if all points are taken. A grid
    /// ignores the number: it continues with the first point that no trial has.
    pub fn suggest(&self, space: &Space, seed: u64, number: u64, trials: &[&Trial]) -> Option<Point> {
        let taken: HashSet<Bits> =
            trials.iter().filter_map(|trial| Some(bits(&trial.point(space)?))).collect();
        let free = || {
            let mut points =
                (0..space.len().unwrap_or(0) as u64).map_while(|number| grid_point(space, number));
            points.find(|point| !taken.contains(&bits(point)))
        };
        let settings = match self {
            Self::Grid => return free(),
            Self::Random { .. } => None,
            Self::Tpe { settings, .. } => Some(settings),
        };
        let mut draws = (0..TRIES).map(|attempt| {
            let mut random = Random::new(seed, number, attempt);
            match settings {
                None => random.point(space),
                Some(settings) => tpe::suggest(settings, space, trials, &mut random),
            }
        });
        // A nearly exhausted space is searched for the remaining points.
        draws.find(|point| !taken.contains(&bits(point))).or_else(free)
    }
}

/// A point in hashable form.
type Bits = Vec<u64>;

fn bits(point: &Point) -> Bits {
    // Zero has two signs but is one value.
    point.iter().map(|place| (place + 0.0).to_bits()).collect()
}

/// The point with this number, counted like an odometer.
fn grid_point(space: &Space, number: u64) -> Option<Point> {
    let mut rest = number;
    let mut point: Point = Vec::new();
    for parameter in space.parameters().iter().rev() {
        let (low, high) = parameter.distribution.bounds();
        if matches!(parameter.distribution, Distribution::Float { .. }) {
            return None;
        }
        let places = (high - low) as u64 + 1;
        point.push(low + (rest % places) as f64);
        rest /= places;
    }
    point.reverse();
    (rest == 0).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;
    use crate::trial::TrialState;

    fn space(parameters: &[&str]) -> Space {
        let parse = |text: &&str| {
            if text.contains("..") { Parameter::range(text).unwrap() } else { Parameter::grid(text).unwrap() }
        };
        Space::new(parameters.iter().map(parse).collect()).unwrap()
    }

    pub(super) fn trial(space: &Space, number: usize, point: &[f64], value: f64) -> Trial {
        Trial {
            parameters: space.values(point).map(|(name, value)| (name.to_owned(), value)).collect(),
            value: Some(value),
            ..Trial::new(number, number, TrialState::Complete)
        }
    }

    #[test]
    fn a_grid_visits_every_point_once_in_the_order_of_the_command() {
        let space = space(&["lr=0.1,0.01,0.001", "batch-size=64,256", "epochs=2..3"]);
        assert_eq!(Sampler::Grid.planned(&space), 12);
        let points = rest_of_grid(&space, &[]);
        assert_eq!(points.len(), 12);
        assert_eq!(points[..4], [[0.0, 0.0, 2.0], [0.0, 0.0, 3.0], [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]]);
        assert_eq!(points[11], [2.0, 1.0, 3.0]);
    }

    /// The points that a grid still visits.
    fn rest_of_grid(space: &Space, trials: &[Trial]) -> Vec<Point> {
        let mut trials = trials.to_vec();
        let mut points = Vec::new();
        while let Some(point) =
            Sampler::Grid.suggest(space, 0, trials.len() as u64, &trials.iter().collect::<Vec<_>>())
        {
            trials.push(trial(space, trials.len(), &point, 0.5));
            points.push(point);
        }
        points
    }

    #[test]
    fn a_larger_grid_goes_on_with_the_points_that_no_trial_has() {
        let small = space(&["lr=0.1,0.01", "batch-size=64"]);
        let done: Vec<Trial> = rest_of_grid(&small, &[])
            .iter()
            .enumerate()
            .map(|(number, point)| trial(&small, number, point, 0.5))
            .collect();
        // The same values at other indices, and one in the middle.
        let large = space(&["lr=0.01,0.03,0.1", "batch-size=32,64"]);
        assert_eq!(rest_of_grid(&large, &done), [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0]]);
        let other = space(&["lr=0.01", "batch-size=64", "epochs=2,3"]);
        assert_eq!(rest_of_grid(&other, &done).len(), 2, "trials without the parameter do not count");
    }

    #[test]
    fn draws_depend_on_seed_and_number_alone_and_stay_inside() {
        let space =
            space(&["lr=1e-4..1e-1:log", "batch-size=16..256:log", "momentum=0.5..0.9", "augment=none,flip"]);
        let sampler = Sampler::Random { trials: 400 };
        let draw = |seed, number| sampler.suggest(&space, seed, number, &[]).unwrap();
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(2, 5));
        let points: Vec<Point> = (0..400).map(|number| draw(3, number)).collect();
        for (axis, parameter) in space.parameters().iter().enumerate() {
            let (low, high) = parameter.distribution.bounds();
            assert!(points.iter().all(|point| (low..=high).contains(&point[axis])), "{}", parameter.name);
        }
        // Even in the logarithm: half of the rates are below the geometric mean. Five standard deviations are 50.
        let below = points.iter().filter(|point| point[0] < 10f64.powf(-2.5)).count();
        assert!(below.abs_diff(200) < 50, "{below}");
        let below = points.iter().filter(|point| point[1] < 64.0).count();
        assert!(below.abs_diff(200) < 50, "{below}");
        assert!(points.iter().all(|point| point[1].fract() == 0.0 && point[3].fract() == 0.0));
    }

    #[test]
    fn a_small_space_is_used_up_without_repeating() {
        let space = space(&["lr=0.1,0.01,0.001", "epochs=1..4"]);
        for sampler in
            [Sampler::Random { trials: 50 }, Sampler::Tpe { trials: 50, settings: TpeSettings::default() }]
        {
            assert_eq!(sampler.planned(&space), 12);
            let mut trials: Vec<Trial> = Vec::new();
            for number in 0..12 {
                let known: Vec<&Trial> = trials.iter().collect();
                let point = sampler.suggest(&space, 7, number, &known).unwrap();
                assert!(trials.iter().all(|trial| trial.point(&space).unwrap() != point));
                trials.push(trial(&space, number as usize, &point, point[0]));
            }
            let known: Vec<&Trial> = trials.iter().collect();
            assert_eq!(sampler.suggest(&space, 7, 12, &known), None);
        }
    }
}
