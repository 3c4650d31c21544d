//! How the size of the activations changes with depth.

use convscope_graph::{Graph, Node, ValueId};
use convscope_ops::Role;
use serde::Serialize;

use crate::layer_row::LayerRow;

/// How the mean |activation| changes from one layer with weights to the next, over convolutions and dense layers without
/// the last node.
///
/// A layer counts with the value that it passes on: if only an activation function or a normalisation reads it, the
/// output of that, so that networks with and without batch normalisation are compared by what their layers read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepthTrend {
    /// Factor from layer to layer: the slope of the straight line through the logarithms, by least squares. Above 1,
    /// they grow.
    pub factor_per_layer: f64,
    /// Number of layers on the line.
    pub layers: usize,
    /// How well the line fits, 0 to 1: the share of the variance that it explains (R squared).
    pub fit: f64,
    /// Largest mean |activation| of those layers divided by the smallest.
    pub spread: f64,
    /// The node that passes on the smallest, and its mean |activation|.
    pub smallest: (String, f64),
    /// The node that passes on the largest, and its mean |activation|.
    pub largest: (String, f64),
}

/// The meaning of a [`DepthTrend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthVerdict {
    /// The largest is at most [`HELD_SPREAD`] times the smallest.
    HeldTogether,
    /// They are further apart, and grow by more than [`DEPTH_FACTOR`] from layer to layer.
    Growing,
    /// They are further apart, and fade by more than that.
    Fading,
    /// They are further apart, but not along a line.
    Uneven,
}

/// The ratio of the largest layer's mean |activation| to the smallest's up to which activations are held together.
pub const HELD_SPREAD: f64 = 4.0;
/// The factor per layer from which activations grow (or, below `1 / 1.2`, fade) with depth: fourfold over eight layers.
pub const DEPTH_FACTOR: f64 = 1.2;
/// How well the line through the logarithms must fit (R squared) to speak of growing or fading.
pub const DEPTH_FIT: f64 = 0.5;

/// The fewest layers for a trend.
const FEWEST_LAYERS: usize = 3;

impl DepthTrend {
    /// The line through the logarithms of these means; `None` if there are too few or one is not above zero.
    pub(crate) fn of(layers: &[(&str, f64)]) -> Option<DepthTrend> {
        let is_sound = |&(_, size): &(&str, f64)| size.is_finite() && size > 0.0;
        if layers.len() < FEWEST_LAYERS || !layers.iter().all(is_sound) {
            return None;
        }
        let count = layers.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let mean = layers.iter().map(|(_, size)| size.ln()).sum::<f64>() / count;
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (index, (_, size)) in layers.iter().enumerate() {
            let (x, y) = (index as f64 - middle, size.ln() - mean);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        let smallest = layers.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let largest = layers.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(DepthTrend {
            factor_per_layer: (xy / xx).exp(),
            layers: layers.len(),
            fit: if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 },
            spread: largest.1 / smallest.1,
            smallest: (smallest.0.to_string(), smallest.1),
            largest: (largest.0.to_string(), largest.1),
        })
    }

    /// Whether activations are held together, grow, fade, or none of these.
    pub fn verdict(&self) -> DepthVerdict {
        if self.spread <= HELD_SPREAD {
            DepthVerdict::HeldTogether
        } else if self.fit >= DEPTH_FIT && self.factor_per_layer > DEPTH_FACTOR {
            DepthVerdict::Growing
        } else if self.fit >= DEPTH_FIT && self.factor_per_layer < 1.0 / DEPTH_FACTOR {
            DepthVerdict::Fading
        } else {
            DepthVerdict::Uneven
        }
    }
}

/// The mean |activation| that each layer with weights passes on, without the last node, and the node that outputs it.
pub(crate) fn sizes_by_depth<'a>(graph: &Graph, rows: &'a [LayerRow]) -> Vec<(&'a str, f64)> {
    let nodes = graph.nodes();
    let sums = |node: &Node| node.parameters.iter().any(|spec| matches!(spec.role, Role::Weight { .. }));
    let layers = (0..nodes.len().saturating_sub(1)).filter(|&index| sums(&nodes[index]));
    layers
        .map(|layer| {
            let row = &rows[handed_on(nodes, layer)];
            (row.name.as_str(), row.mean_abs_activation)
        })
        .collect()
}

/// The last of the activation functions and normalisations that follow a node as its only consumers.
fn handed_on(nodes: &[Node], layer: usize) -> usize {
    let mut at = layer;
    loop {
        let mut readers =
            (at + 1..nodes.len()).filter(|&node| nodes[node].inputs.contains(&ValueId::Node(at)));
        let (Some(reader), None) = (readers.next(), readers.next()) else { return at };
        let node = &nodes[reader];
        let normalizes = node.parameters.iter().any(|spec| spec.role == Role::Scale);
        if node.inputs.len() > 1 || !(normalizes || node.operator.layer().activation().is_some()) {
            return at;
        }
        at = reader;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(sizes: &[f64]) -> Option<DepthTrend> {
        let names = ["a", "b", "c", "d"];
        let layers: Vec<(&str, f64)> = names.into_iter().zip(sizes.iter().copied()).collect();
        DepthTrend::of(&layers)
    }

    #[test]
    fn trend_is_the_factor_of_a_geometric_series() {
        let doubling = trend(&[0.5, 1.0, 2.0, 4.0]).unwrap();
        assert!((doubling.factor_per_layer - 2.0).abs() < 1e-12 && (doubling.fit - 1.0).abs() < 1e-12);
        assert_eq!((doubling.layers, doubling.spread), (4, 8.0));
        assert_eq!((doubling.smallest, doubling.largest), (("a".to_string(), 0.5), ("d".to_string(), 4.0)));
        let even = trend(&[1.0, 3.0, 3.0, 1.0]).unwrap();
        assert!((even.factor_per_layer - 1.0).abs() < 1e-12 && even.fit < 1e-12);
        assert_eq!(trend(&[1.0, 2.0]), None);
        assert_eq!(trend(&[1.0, 0.0, 1.0]), None);
        assert_eq!(trend(&[1.0, f64::NAN, 1.0]), None);
    }

    #[test]
    fn a_line_is_told_from_a_wandering_one() {
        let verdict = |sizes: &[f64]| trend(sizes).unwrap().verdict();
        assert_eq!(verdict(&[0.5, 1.0, 2.0, 4.0]), DepthVerdict::Growing);
        assert_eq!(verdict(&[4.0, 2.0, 1.0, 0.5]), DepthVerdict::Fading);
        assert_eq!(verdict(&[1.0, 2.0, 3.0, 4.0]), DepthVerdict::HeldTogether);
        assert_eq!(verdict(&[1.0, 40.0, 40.0, 1.0]), DepthVerdict::Uneven);
    }
}
