//! The numbers by which layers are compared: sizes of weights and of activations.

use crate::LayerTable;

/// A number of every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Mean of |weight|, for layers with weights.
    MeanAbsWeight,
    /// Sum of |weight|, for layers with weights.
    SumAbsWeight,
    /// Mean of |activation|, for all layers.
    MeanAbsActivation,
}

impl LayerTable {
    /// The quantity of each row; `None` if the layer does not have it.
    pub fn values(&self, quantity: Quantity) -> Vec<Option<f64>> {
        let value = |row: &crate::LayerRow| match quantity {
            Quantity::MeanAbsWeight => row.mean_abs_weight,
            Quantity::SumAbsWeight => row.sum_abs_weight,
            Quantity::MeanAbsActivation => Some(row.mean_abs_activation),
        };
        self.rows.iter().map(value).collect()
    }

    /// The same scaled over the layers of the table, `(value - smallest) / (largest - smallest)`: 0 for the smallest and 1 for
    /// the largest. 0 if all are equal, NaN where a value is not finite.
    pub fn normalized(&self, quantity: Quantity) -> Vec<Option<f64>> {
        let values = self.values(quantity);
        let finite = || values.iter().flatten().copied().filter(|value| value.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let scale = |value: f64| match value {
            value if !value.is_finite() => f64::NAN,
            _ if high == low => 0.0,
            value => (value - low) / (high - low),
        };
        values.iter().map(|value| value.map(scale)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Histogram, LayerRow};

    fn row(mean_abs_weight: Option<f64>, mean_abs_activation: f64) -> LayerRow {
        LayerRow {
            name: String::new(),
            kind: String::new(),
            output_shape: vec![1],
            parameters: 0,
            running_statistics: 0,
            mean_abs_weight,
            sum_abs_weight: mean_abs_weight.map(|mean| 10.0 * mean),
            weight_gain: None,
            small_scales: None,
            mean_abs_activation,
            normalized_activation: 0.0,
            mean: 0.0,
            standard_deviation: 0.0,
            min: 0.0,
            max: 0.0,
            zero_share: 0.0,
            channels: 1,
            dead_channels: 0,
            saturated_share: None,
            effective_rank: None,
            rank_channels: 1,
            relative_change: None,
            is_identity: false,
            non_finite_activations: 0,
            non_finite_weights: 0,
            inputs: Vec::new(),
            activation: None,
            histogram: Histogram { edges: Vec::new(), counts: Vec::new() },
            weight_histogram: None,
            channel_rows: Vec::new(),
        }
    }

    #[test]
    fn the_smallest_becomes_0_and_the_largest_1_of_those_that_have_it() {
        let rows = vec![row(Some(2.0), 5.0), row(None, f64::NAN), row(Some(6.0), 5.0), row(Some(3.0), 5.0)];
        let table = LayerTable { images: 1, rows, trend: None };
        let weights = [Some(0.0), None, Some(1.0), Some(0.25)];
        assert_eq!(table.normalized(Quantity::MeanAbsWeight), weights);
        assert_eq!(table.normalized(Quantity::SumAbsWeight), weights);
        assert_eq!(table.values(Quantity::SumAbsWeight)[2], Some(60.0));
        let activations = table.normalized(Quantity::MeanAbsActivation);
        assert!(activations[1].is_some_and(f64::is_nan));
        assert_eq!([activations[0], activations[2], activations[3]], [Some(0.0); 3]);
    }
}
