//! All arrays of a network.

use crate::{Graph, GraphError};
use convscope_ops::{Parameter, ParameterSpec};
use std::ops::Range;

/// The weights and statistics of a network, in PyTorch's layouts and in the order of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    tensors: Vec<Parameter>,
    /// The range of arrays of each node.
    ranges: Vec<Range<usize>>,
}

impl Parameters {
    /// Initial values, from the graph's initialiser and a seed.
    ///
    /// # Errors
    /// [`GraphError::OutOfMemory`].
    pub fn new(graph: &Graph, seed: u64) -> Result<Parameters, GraphError> {
        let mut index = 0;
        Parameters::from_arrays(graph, |key, spec| {
            let mut array = Parameter::zeros(key, spec)?;
            graph.initializer().fill(spec.role, seed, index, array.slice_mut());
            index += 1;
            Ok(array)
        })
    }

    /// The result of `array` for each key; nothing is allocated before it is called.
    pub(crate) fn from_arrays<E>(
        graph: &Graph,
        mut array: impl FnMut(&str, &ParameterSpec) -> Result<Parameter, E>,
    ) -> Result<Parameters, E> {
        let mut parameters = Parameters { tensors: Vec::new(), ranges: Vec::new() };
        for node in graph.nodes() {
            let start = parameters.tensors.len();
            for spec in &node.parameters {
                let key = format!("{}.{}", node.name, spec.name);
                parameters.tensors.push(array(&key, spec)?);
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

    /// The range of arrays of the node at `index`.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.ranges[index].clone()
    }

    /// The array with PyTorch's key, such as `conv2d_1.weight`.
    pub fn get(&self, key: &str) -> Option<&Parameter> {
        self.tensors.iter().find(|tensor| tensor.key == key)
    }
}
