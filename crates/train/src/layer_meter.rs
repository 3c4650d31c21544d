//! How each layer learns: the size of its gradients and of its steps.

use convscope_graph::{Graph, Parameters};
use convscope_ops::Parameter;
use serde::{Deserialize, Serialize};

use crate::clip::sum_of_squares;

/// The metrics of one layer in an epoch: a line of `layer_metrics.csv`, whose columns have these names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMetrics {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// The layer's name: `conv2d_1`.
    pub layer: String,
    /// The Euclidean norm of the gradient with respect to all of the layer's trained arrays, after clipping; the mean
    /// over the first and then every eighth step of the epoch.
    pub gradient_norm: f64,
    /// `||step|| / ||weights before it||` over the same arrays, the mean over the same steps; about 1e-3 is healthy. It
    /// is 0 for a layer whose weights are all zero.
    pub update_ratio: f64,
    /// The Euclidean norm of the arrays after the epoch's last step.
    pub weight_norm: f64,
}

/// One in this many steps of an epoch is measured, because measuring takes a few more passes over all weights.
const MEASURED_EVERY: usize = 8;

/// Sums over the current epoch, for each layer with trained arrays, in the network's order; kept in the checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerMeter {
    steps: u64,
    layers: Vec<LayerSums>,
    /// Steps of the epoch, measured or not.
    #[serde(skip)]
    seen: usize,
    /// Sums of the current step.
    #[serde(skip)]
    step: Vec<StepSums>,
    /// A copy of the array that is about to change.
    #[serde(skip)]
    before: Vec<f32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct LayerSums {
    gradient_norm: f64,
    update_ratio: f64,
}

/// Sums of squares over a layer's arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct StepSums {
    gradient: f64,
    update: f64,
    before: f64,
}

/// The index of each array's layer among those with trained arrays, `None` for arrays that are not trained.
pub(crate) fn layers_of_tensors(graph: &Graph, parameters: &Parameters) -> Vec<Option<usize>> {
    let mut layers = vec![None; parameters.tensors().len()];
    let mut next = 0;
    for node in 0..graph.nodes().len() {
        let trained: Vec<usize> =
            parameters.range(node).filter(|&index| parameters.tensors()[index].role.is_trained()).collect();
        trained.iter().for_each(|&index| layers[index] = Some(next));
        next += usize::from(!trained.is_empty());
    }
    layers
}

impl LayerMeter {
    /// The same meter, after this many steps of the epoch.
    pub(crate) fn after(self, seen: usize) -> LayerMeter {
        LayerMeter { seen, ..self }
    }

    /// Starts a step of a network with this many layers; returns whether it is measured.
    pub(crate) fn begin_step(&mut self, layers: usize) -> bool {
        let is_measured = self.seen.is_multiple_of(MEASURED_EVERY);
        self.seen += 1;
        if is_measured {
            self.steps += 1;
            self.layers.resize(layers, LayerSums::default());
            self.step.clear();
            self.step.resize(layers, StepSums::default());
        }
        is_measured
    }

    /// Changes an array of a layer by `update`, and records how far it moved.
    pub(crate) fn watch(
        &mut self,
        layer: usize,
        values: &mut [f32],
        gradient: &[f32],
        update: impl FnOnce(&mut [f32]),
    ) {
        self.before.clear();
        self.before.extend_from_slice(values);
        update(values);
        let sums = &mut self.step[layer];
        sums.gradient += sum_of_squares(gradient);
        sums.before += sum_of_squares(&self.before);
        self.before.iter_mut().zip(values).for_each(|(before, after)| *before -= *after);
        sums.update += sum_of_squares(&self.before);
    }

    /// Ends a measured step.
    pub(crate) fn end_step(&mut self) {
        for (layer, step) in self.layers.iter_mut().zip(&self.step) {
            layer.gradient_norm += step.gradient.sqrt();
            layer.update_ratio += if step.before > 0.0 { (step.update / step.before).sqrt() } else { 0.0 };
        }
    }

    /// Returns the lines of the finished epoch and starts the next.
    pub(crate) fn take(&mut self, epoch: u64, graph: &Graph, parameters: &Parameters) -> Vec<LayerMetrics> {
        let steps = self.steps.max(1) as f64;
        let nodes = graph.nodes().iter().enumerate();
        let trained = nodes.filter(|(_, node)| node.parameters.iter().any(|spec| spec.role.is_trained()));
        let lines = trained.zip(&self.layers).map(|((index, node), sums)| LayerMetrics {
            epoch,
            layer: node.name.clone(),
            gradient_norm: sums.gradient_norm / steps,
            update_ratio: sums.update_ratio / steps,
            weight_norm: norm(parameters.of_node(index)),
        });
        let lines = lines.collect();
        (self.steps, self.layers, self.seen) = (0, Vec::new(), 0);
        lines
    }
}

/// The norm of those arrays that are trained.
fn norm(arrays: &[Parameter]) -> f64 {
    let trained = arrays.iter().filter(|array| array.role.is_trained());
    trained.map(|array| sum_of_squares(array.slice())).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::preset;

    #[test]
    fn means_are_over_the_steps_and_norms_over_a_layers_arrays() {
        let graph = Graph::new(preset("plain8-bn", [3, 8, 8], 2).unwrap()).unwrap();
        let parameters = Parameters::new(&graph, 0).unwrap();
        let layers = layers_of_tensors(&graph, &parameters);
        // A convolution's weight and bias, then a normalisation's weight and bias and three arrays that are not trained.
        assert_eq!(layers[..8], [Some(0), Some(0), Some(1), Some(1), None, None, None, Some(2)]);
        let mut meter = LayerMeter::default();
        let (mut weight, mut bias) = (vec![3.0, 0.0], vec![4.0]);
        let mut factors = [1.0, 3.0].into_iter();
        for step in 0..16 {
            if !meter.begin_step(17) {
                continue;
            }
            assert!(step % 8 == 0);
            let factor = factors.next().unwrap();
            meter.watch(1, &mut weight, &[2.0 * factor, 0.0], |values| values[1] += 0.6);
            meter.watch(1, &mut bias, &[0.0], |_| {});
            meter.end_step();
        }
        let meter: LayerMeter = serde_json::from_str(&serde_json::to_string(&meter).unwrap()).unwrap();
        let lines = meter.clone().take(5, &graph, &parameters);
        assert_eq!(lines.len(), 17);
        let line = &lines[1];
        assert_eq!((line.epoch, line.layer.as_str(), line.gradient_norm), (5, "batch_normalization", 4.0));
        let second = 25.0_f64 + 0.36;
        assert!((line.update_ratio - (0.12 + 0.6 / second.sqrt()) / 2.0).abs() < 1e-6, "{line:?}");
        // Sixteen scales of one and as many shifts of zero.
        assert_eq!(line.weight_norm, 4.0);
        let mut resumed = LayerMeter::default().after(6);
        let measured: Vec<bool> = (0..4).map(|_| resumed.begin_step(17)).collect();
        assert_eq!(measured, [false, false, true, false]);
        assert_eq!((lines[0].gradient_norm, lines[0].update_ratio), (0.0, 0.0));
    }
}
