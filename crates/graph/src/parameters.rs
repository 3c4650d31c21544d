//! All arrays of a network.

use crate::Graph;
use convscope_ops::{Parameter, ParameterSpec};
use ndarray::ArrayD;
use std::convert::Infallible;
use std::ops::Range;

/// The weights and statistics of a network, in PyTorch's layouts and in the order of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    tensors: Vec<Parameter>,
    /// Which of them each node has.
    ranges: Vec<Range<usize>>,
}

impl Parameters {
    /// First values, from the graph's initialiser and a seed.
    pub fn new(graph: &Graph, seed: u64) -> Parameters {
        let mut index = 0;
        let filled: Result<Parameters, Infallible> = Parameters::from_values(graph, |_, spec| {
            let mut values = ArrayD::zeros(spec.shape.clone());
            let slice = values.as_slice_mut().expect("a new array is contiguous");
            graph.initializer().fill(spec.role, seed, index, slice);
            index += 1;
            Ok(values)
        });
        filled.unwrap_or_else(|never| match never {})
    }

    /// What `values` gives for each key and array; nothing is allocated before it is called.
    pub(crate) fn from_values<E>(
        graph: &Graph,
        mut values: impl FnMut(&str, &ParameterSpec) -> Result<ArrayD<f32>, E>,
    ) -> Result<Parameters, E> {
        let mut parameters = Parameters { tensors: Vec::new(), ranges: Vec::new() };
        for node in graph.nodes() {
            let start = parameters.tensors.len();
            for spec in &node.parameters {
                let key = format!("{}.{}", node.name, spec.name);
                let values = values(&key, spec)?;
                parameters.tensors.push(Parameter { key, role: spec.role, values });
            }
            parameters.ranges.push(start..parameters.tensors.len());
        }
        Ok(parameters)
    }

    /// All arrays.
    pub fn tensors(&self) -> &[Parameter] {
        &self.tensors
    }

    /// All arrays.
    pub fn tensors_mut(&mut self) -> &mut [Parameter] {
        &mut self.tensors
    }

    /// The arrays of the node at `index`.
    pub fn of_node(&self, index: usize) -> &[Parameter] {
        &self.tensors[self.ranges[index].clone()]
    }

    pub(crate) fn of_node_mut(&mut self, index: usize) -> &mut [Parameter] {
        &mut self.tensors[self.ranges[index].clone()]
    }

    /// Which arrays the node at `index` has.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.ranges[index].clone()
    }

    /// The array with PyTorch's key, such as `conv2d_1.weight`.
    pub fn get(&self, key: &str) -> Option<&Parameter> {
        self.tensors.iter().find(|tensor| tensor.key == key)
    }
}
