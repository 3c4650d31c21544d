//! Random numbers for one trial.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::distribution::{Distribution, Scale};
use crate::space::{Point, Space};

/// The random numbers of one attempt at one trial.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64, trial: u64, attempt: u64) -> Random {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&trial.to_le_bytes());
        key[16..24].copy_from_slice(&attempt.to_le_bytes());
        key[24..].copy_from_slice(b"cs-tune1");
        Random(ChaCha8Rng::from_seed(key))
    }

    /// A number in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// An index with these weights, which need not add up to one.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// A normally distributed number (Box and Muller 1958).
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        mean + deviation * radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// A point drawn evenly.
    pub(super) fn point(&mut self, space: &Space) -> Point {
        space.parameters().iter().map(|parameter| self.place(&parameter.distribution)).collect()
    }

    fn place(&mut self, distribution: &Distribution) -> f64 {
        match distribution {
            Distribution::Choices(values) => self.below(values.len()) as f64,
            other => {
                let line = Line::of(other);
                line.place(line.low + self.unit() * (line.high - line.low))
            }
        }
    }
}

/// A range as an even line: logarithms if the scale is logarithmic, and half a unit more at both ends for whole
/// numbers.
pub(super) struct Line {
    pub(super) low: f64,
    pub(super) high: f64,
    bounds: (f64, f64),
    scale: Scale,
    is_whole: bool,
}

impl Line {
    pub(super) fn of(distribution: &Distribution) -> Line {
        let bounds = distribution.bounds();
        let (scale, is_whole) = match distribution {
            Distribution::Choices(_) => (Scale::Linear, true),
            Distribution::Float { scale, .. } => (*scale, false),
            Distribution::Int { scale, .. } => (*scale, true),
        };
        let half = if is_whole { 0.5 } else { 0.0 };
        let mut line = Line { low: 0.0, high: 0.0, bounds, scale, is_whole };
        line.low = line.along(bounds.0 - half);
        line.high = line.along(bounds.1 + half);
        line
    }

    /// The position of a value on the line.
    pub(super) fn along(&self, place: f64) -> f64 {
        if self.scale == Scale::Logarithm { libm::log(place) } else { place }
    }

    /// The value at this position.
    pub(super) fn place(&self, along: f64) -> f64 {
        let place = if self.scale == Scale::Logarithm { libm::exp(along) } else { along };
        let place = if self.is_whole { place.round() } else { self.readable(place) };
        place.clamp(self.bounds.0, self.bounds.1)
    }

    /// The number with its significant digits: steps of at most a ten-thousandth of the range or, on a logarithmic
    /// scale, a thousandth of the number itself.
    fn readable(&self, place: f64) -> f64 {
        let power = |step: f64| step.log10().floor() as i32;
        let of_range = power((self.bounds.1 - self.bounds.0) * 1e-4);
        let of_number = power(place.abs().max(f64::MIN_POSITIVE)) - 3;
        let power = if self.scale == Scale::Logarithm { of_range.min(of_number) } else { of_range };
        let decimals = usize::try_from(-power).unwrap_or(0);
        format!("{place:.decimals$}").parse().unwrap_or(place)
    }

    /// The stretch of the line that becomes this value; `None` for a number that is not whole.
    pub(super) fn stretch(&self, place: f64) -> Option<(f64, f64)> {
        self.is_whole.then(|| (self.along(place - 0.5), self.along(place + 0.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let place =
            |low, high, scale, along| Line::of(&Distribution::Float { low, high, scale }).place(along);
        assert_eq!(place(0.0, 1.0, Scale::Linear, 0.123_456_789), 0.1235);
        assert_eq!(place(10.0, 5000.0, Scale::Linear, 123.456_789), 123.5);
        assert_eq!(place(1e-5, 1.0, Scale::Logarithm, 2.691_821e-4_f64.ln()), 2.692e-4);
        assert_eq!(place(1.0, 1.002, Scale::Logarithm, 1.000_456_78_f64.ln()), 1.000_456_8);
    }
}
