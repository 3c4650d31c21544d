//! Weight initialisation.

use convscope_ops::{ParameterSpec, Role};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A rule for the initial values of weights and biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))`, biases zero: Keras' default.
    /// (Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.)
    #[default]
    GlorotUniform,
    /// Normal with deviation `sqrt(2 / fan_in)`, cut off at two deviations as Keras does, biases zero.
    /// (He et al., "Delving Deep into Rectifiers", 2015.)
    HeNormal,
    /// Normal with deviation `sqrt(2 / fan_out)`, biases zero: torchvision's `kaiming_normal_(mode="fan_out")`. As there,
    /// `fan_out` counts the output channels of all groups. (The same paper.)
    HeNormalFanOut,
    /// Uniform in `±sqrt(6 / fan_in)`, biases zero. (The same paper.)
    HeUniform,
    /// Normal with deviation 0.01, biases zero, as torchvision has it for last layers: the network starts with nearly equal
    /// probabilities.
    SmallNormal,
    /// Uniform in `±1 / sqrt(fan_in)`, biases too, as PyTorch does for `Conv2d` and `Linear`.
    Pytorch,
}

impl Initializer {
    /// Fills `values`, the network's parameter at `index`, from `seed`.
    pub fn fill(self, spec: &ParameterSpec, seed: u64, index: usize, values: &mut [f32]) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(index as u64);
        let mut uniform = |bound: f64, values: &mut [f32]| {
            values.iter_mut().for_each(|value| *value = ((2.0 * unit(&mut random) - 1.0) * bound) as f32);
        };
        match (spec.role, self) {
            (Role::Weight { fan_in, fan_out }, Initializer::GlorotUniform) => {
                uniform((6.0 / (fan_in + fan_out) as f64).sqrt(), values);
            }
            (Role::Weight { fan_in, .. }, Initializer::HeUniform) => {
                uniform((6.0 / fan_in as f64).sqrt(), values)
            }
            (Role::Weight { fan_in, .. } | Role::Bias { fan_in }, Initializer::Pytorch) => {
                uniform(1.0 / (fan_in as f64).sqrt(), values);
            }
            (Role::Weight { fan_in, .. }, Initializer::HeNormal) => {
                // Truncating at two deviations narrows the distribution; this factor, also used by Keras, makes up for
                // it.
                let deviation = (2.0 / fan_in as f64).sqrt() / 0.879_625_661_034_239_8;
                values
                    .iter_mut()
                    .for_each(|value| *value = (truncated_normal(&mut random) * deviation) as f32);
            }
            (Role::Weight { .. }, Initializer::HeNormalFanOut) => {
                let fan_out = spec.shape[0] * spec.shape[2.min(spec.shape.len())..].iter().product::<usize>();
                let deviation = (2.0 / fan_out as f64).sqrt();
                values.iter_mut().for_each(|value| *value = (normal(&mut random) * deviation) as f32);
            }
            (Role::Weight { .. }, Initializer::SmallNormal) => {
                values.iter_mut().for_each(|value| *value = (normal(&mut random) * 0.01) as f32);
            }
            (Role::Bias { .. } | Role::Shift | Role::RunningMean | Role::BatchesTracked, _) => {
                values.fill(0.0)
            }
            (Role::Scale | Role::RunningVar, _) => values.fill(1.0),
            (Role::Value { start } | Role::Fixed { start }, _) => values.fill(start),
        }
    }
}

/// Uniform in [0, 1).
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Standard normal, by the Box-Muller transform.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - unit(random))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * unit(random))
}

/// Standard normal, redrawn until it is within two deviations.
fn truncated_normal(random: &mut ChaCha8Rng) -> f64 {
    loop {
        let value = normal(random);
        if value.abs() <= 2.0 {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(initializer: Initializer, role: Role) -> Vec<f32> {
        let mut values = vec![9.0; 20_000];
        initializer.fill(&spec(role, &[20_000]), 7, 3, &mut values);
        values
    }

    fn spec(role: Role, shape: &[usize]) -> ParameterSpec {
        ParameterSpec { name: "weight", shape: shape.to_vec(), role }
    }

    fn deviation(values: &[f32]) -> f64 {
        (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn each_rule_has_its_spread() {
        let weight = Role::Weight { fan_in: 27, fan_out: 144 };
        let largest = |values: &[f32]| values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let uniform = [
            (Initializer::GlorotUniform, (6.0f64 / 171.0).sqrt()),
            (Initializer::HeUniform, (6.0f64 / 27.0).sqrt()),
            (Initializer::Pytorch, (1.0f64 / 27.0).sqrt()),
        ];
        for (initializer, bound) in uniform {
            let values = filled(initializer, weight);
            assert!(f64::from(largest(&values)) <= bound && f64::from(largest(&values)) > 0.99 * bound);
            assert!((deviation(&values) * 3f64.sqrt() / bound - 1.0).abs() < 0.02, "{initializer:?}");
        }
        let normal = filled(Initializer::HeNormal, weight);
        assert!((deviation(&normal) / (2.0f64 / 27.0).sqrt() - 1.0).abs() < 0.02);
    }

    /// 64 channels, each by itself, 3x3: torchvision's `fan_out` is 64 * 9, though an input reaches 9 outputs.
    #[test]
    fn fan_out_counts_the_channels_of_all_groups() {
        let weight = spec(Role::Weight { fan_in: 9, fan_out: 9 }, &[64, 1, 3, 3]);
        let mut values = vec![9.0; 64 * 9];
        Initializer::HeNormalFanOut.fill(&weight, 7, 3, &mut values);
        let ratio = deviation(&values) / (2.0f64 / 576.0).sqrt();
        assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
        let linear = spec(Role::Weight { fan_in: 100, fan_out: 50 }, &[50, 100]);
        let mut values = vec![9.0; 5000];
        Initializer::HeNormalFanOut.fill(&linear, 7, 3, &mut values);
        assert!((deviation(&values) / 0.2 - 1.0).abs() < 0.05);
        Initializer::SmallNormal.fill(&linear, 7, 3, &mut values);
        assert!((deviation(&values) / 0.01 - 1.0).abs() < 0.05);
    }

    /// The same bits on every platform.
    #[test]
    fn normal_draws_have_these_bits() {
        let mut values = [0.0; 3];
        Initializer::HeNormal.fill(&spec(Role::Weight { fan_in: 27, fan_out: 144 }, &[3]), 7, 3, &mut values);
        assert_eq!(values.map(f32::to_bits), [0x3e27_5ebf, 0xbede_4c3b, 0xbe5c_774d]);
    }

    #[test]
    fn only_pytorch_draws_biases_and_parameters_differ() {
        assert!(filled(Initializer::HeNormal, Role::Bias { fan_in: 4 }).iter().all(|&v| v == 0.0));
        assert!(filled(Initializer::Pytorch, Role::Bias { fan_in: 4 }).iter().any(|&v| v != 0.0));
        assert!(filled(Initializer::GlorotUniform, Role::Scale).iter().all(|&v| v == 1.0));
        let (mut a, mut b) = ([0.0; 8], [0.0; 8]);
        let weight = Role::Weight { fan_in: 2, fan_out: 2 };
        Initializer::GlorotUniform.fill(&spec(weight, &[8]), 1, 0, &mut a);
        Initializer::GlorotUniform.fill(&spec(weight, &[8]), 1, 1, &mut b);
        assert_ne!(a, b);
    }
}
