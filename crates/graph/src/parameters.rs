//! All arrays of a network.

use crate::keys::key;
use crate::{Graph, GraphError};
use convscope_ops::{Parameter, ParameterSpec};
use std::ops::Range;

/// The weights and statistics of a network, in PyTorch's layouts and in the order of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    tensors: Vec<Parameter>,
    /// The range of arrays that each node uses.
    ranges: Vec<Range<usize>>,
}

impl Parameters {
    /// Initial values, from the graph's initialiser and a seed.
    ///
    /// # Errors
    /// [`GraphError::OutOfMemory`].
    pub fn new(graph: &Graph, seed: u64) -> Result<Parameters, GraphError> {
        let rules: Vec<_> = graph
            .nodes()
            .iter()
            .enumerate()
            .flat_map(|(index, node)| vec![graph.initializer(index); node.own_parameters().len()])
            .collect();
        let mut index = 0;
        Parameters::from_arrays(graph, |key, spec| {
            let mut array = Parameter::zeros(key, spec)?;
            rules[index].fill(spec, seed, index, array.slice_mut());
            index += 1;
            Ok(array)
        })
    }

    /// The result of `array` for each key; nothing is allocated before it is called.
    ///
    /// # Errors
    /// Those of `array`.
    pub fn from_arrays<E>(
        graph: &Graph,
        mut array: impl FnMut(&str, &ParameterSpec) -> Result<Parameter, E>,
    ) -> Result<Parameters, E> {
        let mut parameters = Parameters { tensors: Vec::new(), ranges: Vec::new() };
        for node in graph.nodes() {
            let start = parameters.tensors.len();
            for spec in node.own_parameters() {
                parameters.tensors.push(array(&key(&node.name, spec.name), spec)?);
            }
            let own = start..parameters.tensors.len();
            parameters.ranges.push(node.weights_of.map_or(own, |owner| parameters.ranges[owner].clone()));
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

    /// The arrays that the node at `index` uses: its own, or those that it shares.
    pub fn of_node(&self, index: usize) -> &[Parameter] {
        &self.tensors[self.ranges[index].clone()]
    }

    pub(crate) fn of_node_mut(&mut self, index: usize) -> &mut [Parameter] {
        &mut self.tensors[self.ranges[index].clone()]
    }

    /// The range of arrays that the node at `index` uses.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.ranges[index].clone()
    }

    /// The array with PyTorch's key, such as `conv2d_1.weight`.
    pub fn get(&self, key: &str) -> Option<&Parameter> {
        self.tensors.iter().find(|tensor| tensor.key == key)
    }
}
