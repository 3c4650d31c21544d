//! The values of all outputs of a network, from all its inputs.

use std::sync::{Mutex, PoisonError};

use convscope_kernels::{layout, memory};
use convscope_ops::{Labels, Mode, Sample, Shape};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::{Executor, RunInputs};
use crate::{GraphError, Observation, Observer};

impl Executor {
    /// The values of all [outputs](crate::Graph::outputs), `[N, ...]`, from those of all inputs, `[N, ...]`, in the order of the
    /// network; after a last softmax, other than [`logits`](Self::logits).
    ///
    /// # Errors
    /// Inputs of other shapes than the network's, or of different numbers of images.
    ///
    /// # Panics
    /// When the executor was not made for [`Mode::Inference`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use convscope_graph::{Executor, Graph, ModelBuilder, ModelInput};
    /// use convscope_ops::{Add, Mode, Relu};
    /// use ndarray::arr2;
    ///
    /// let input = |name: &str| ModelInput { name: name.into(), shape: vec![2] };
    /// let model = ModelBuilder::new("sum", [1, 1, 1])
    ///     .with_inputs([input("a"), input("b")])
    ///     .add(Add::default()).named("sum").inputs(["a", "b"])
    ///     .add(Relu {})
    ///     .outputs(["re_lu", "sum"])
    ///     .build()?;
    /// let mut executor = Executor::new(Arc::new(Graph::new(model)?), Mode::Inference, 8)?;
    /// let [a, b] = [arr2(&[[1.0, 2.0]]), arr2(&[[-3.0, 4.0]])].map(|array| array.into_dyn());
    /// let outputs = executor.outputs(&[a.view(), b.view()], None)?;
    /// assert_eq!(outputs[0], arr2(&[[0.0, 6.0]]).into_dyn());
    /// assert_eq!(outputs[1], arr2(&[[-2.0, 6.0]]).into_dyn());
    /// # Ok::<(), convscope_graph::GraphError>(())
    /// ```
    pub fn outputs(
        &mut self,
        inputs: &[ArrayViewD<'_, f32>],
        observer: Option<&dyn Observer>,
    ) -> Result<Vec<ArrayD<f32>>, GraphError> {
        assert_eq!(self.plan.mode, Mode::Inference, "outputs need an executor for inference");
        let total = self.check_inputs(inputs)?;
        let inputs: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let shapes: Vec<Shape> =
            self.graph.outputs().iter().map(|&node| self.graph.nodes()[node].shape).collect();
        let collected = Collector {
            nodes: self.graph.outputs().to_vec(),
            values: shapes
                .iter()
                .map(|shape| memory::zeros(total * shape.len()).map(Mutex::new))
                .collect::<Result<_, _>>()?,
            beside: observer,
        };
        for first in (0..total).step_by(self.batch) {
            let images = self.batch.min(total - first);
            let part: Vec<&[f32]> = inputs
                .iter()
                .map(|input| {
                    let values = input.as_slice().unwrap_or(&[]);
                    let len = values.len() / total;
                    &values[first * len..][..images * len]
                })
                .collect();
            let sample = Sample { first_image: first, ..Sample::default() };
            let batch = RunInputs { images, inputs: &part, labels: Labels::default(), sample };
            for stage in 0..self.plan.stages {
                self.run_stage(stage, &batch, None, Some(&collected))?;
            }
        }
        let outputs = collected.values.into_iter().zip(shapes).map(|(values, shape)| {
            let values = values.into_inner().unwrap_or_else(PoisonError::into_inner);
            let axes = [&[total], shape.axes()].concat();
            Ok(ArrayD::from_shape_vec(IxDyn(&axes), values).expect("a value for each element"))
        });
        outputs.collect()
    }

    /// The number of images, which is the same for all inputs.
    fn check_inputs(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<usize, GraphError> {
        if inputs.len() != self.graph.inputs().len() {
            let problem = format!("takes {} inputs, not {}", self.graph.inputs().len(), inputs.len());
            return Err(GraphError::structure(self.graph.name(), problem));
        }
        let total = inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(0);
        for ((name, shape), input) in self.graph.inputs().zip(inputs) {
            let expected = [&[total], shape.axes()].concat();
            if total == 0 || input.shape() != expected {
                let problem =
                    format!("has the shape {:?}, the network takes [images], then {shape}", input.shape());
                return Err(GraphError::structure(name, problem));
            }
        }
        Ok(total)
    }
}

/// Keeps the values of some nodes in PyTorch's order.
struct Collector<'a> {
    nodes: Vec<usize>,
    values: Vec<Mutex<Vec<f32>>>,
    beside: Option<&'a dyn Observer>,
}

impl Observer for Collector<'_> {
    fn observe(&self, seen: &Observation<'_>) {
        for (_, values) in self.nodes.iter().zip(&self.values).filter(|(node, _)| **node == seen.node) {
            let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
            let target = &mut values[seen.first_image * seen.shape.len()..][..seen.values.len()];
            layout::to_planes(seen.values, seen.shape.channels(), seen.shape.len(), target);
        }
        if let Some(observer) = self.beside {
            observer.observe(seen);
        }
    }
}
