//! The order of the steps.

use super::{Action, ends_in_softmax};
use crate::{Graph, ValueId};
use convscope_ops::{Bound, Mode};
use std::collections::HashSet;

/// Actions in their order, each with its stage.
pub(super) struct StepList {
    pub(super) actions: Vec<(Action, usize)>,
    pub(super) stages: usize,
    /// Positions of each `BackwardInput` that is not the first gradient of its value.
    pub(super) further: HashSet<usize>,
}

impl StepList {
    pub(super) fn new(graph: &Graph, bound: &[Box<dyn Bound>], mode: Mode) -> StepList {
        let order = Order { graph, bound, mode, forward: forward_stages(graph, bound) };
        let last = order.forward[graph.nodes().len() - 1];
        let mut list = StepList { actions: Vec::new(), stages: last + 1, further: HashSet::new() };
        for stage in 0..=last {
            order.forward_steps(stage, &mut list.actions);
        }
        let output = graph.nodes().len() - 1;
        match mode {
            Mode::Inference => {
                list.actions.push((Action::Output, last));
                if ends_in_softmax(graph) {
                    list.actions.push((Action::Activate { node: output }, last));
                }
            }
            Mode::Training => {
                list.actions.push((Action::Loss, last));
                order.backward_steps(last, &order.values_with_gradient(), &mut list);
            }
            Mode::Attribution => {
                list.actions.extend([(Action::Output, last), (Action::SelectClass, last)]);
                order.backward_steps(last, &order.all_values(), &mut list);
                list.actions.push((Action::InputGradient, list.stages - 1));
            }
        }
        list.load_inputs(graph);
        list
    }

    /// Puts a `LoadInput` at the start of each stage that reads the images: converting them again costs less than
    /// keeping them.
    fn load_inputs(&mut self, graph: &Graph) {
        let reads_images = |action: &Action| match *action {
            Action::Forward { node }
            | Action::Activate { node }
            | Action::ReduceForward { node }
            | Action::ReduceBackward { node }
            | Action::BackwardParameters { node }
            | Action::BackwardInput { node, .. } => graph.nodes()[node].inputs.contains(&ValueId::Input),
            _ => false,
        };
        let (actions, further) = (std::mem::take(&mut self.actions), std::mem::take(&mut self.further));
        let mut waiting: HashSet<usize> =
            actions.iter().filter(|(action, _)| reads_images(action)).map(|&(_, stage)| stage).collect();
        for (index, (action, stage)) in actions.into_iter().enumerate() {
            if waiting.remove(&stage) {
                self.actions.push((Action::LoadInput, stage));
            }
            if further.contains(&index) {
                self.further.insert(self.actions.len());
            }
            self.actions.push((action, stage));
        }
    }
}

struct Order<'a> {
    graph: &'a Graph,
    bound: &'a [Box<dyn Bound>],
    mode: Mode,
    /// Stage in which each node's value is computed.
    forward: Vec<usize>,
}

/// A coupled node runs one stage after its input; any other node runs with the last of its inputs.
fn forward_stages(graph: &Graph, bound: &[Box<dyn Bound>]) -> Vec<usize> {
    let mut stages: Vec<usize> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let of = |value: &ValueId| match *value {
            ValueId::Input => 0,
            ValueId::Node(index) => stages[index],
        };
        let inputs = node.inputs.iter().map(of).max().unwrap_or(0);
        stages.push(inputs + usize::from(bound[index].coupled().is_some()));
    }
    stages
}

impl Order<'_> {
    fn forward_steps(&self, stage: usize, actions: &mut Vec<(Action, usize)>) {
        if stage == 0 {
            self.reduce_after(ValueId::Input, stage, actions);
        }
        for (index, node) in self.graph.nodes().iter().enumerate() {
            if self.forward[index] != stage {
                continue;
            }
            actions.push((Action::Forward { node: index }, stage));
            let left_to_loss = index + 1 == self.graph.nodes().len() && ends_in_softmax(self.graph);
            if let Some(activation) = node.activation
                && !self.bound[index].fuses(activation)
                && !left_to_loss
            {
                actions.push((Action::Activate { node: index }, stage));
            }
            self.reduce_after(ValueId::Node(index), stage, actions);
        }
    }

    fn reduce_after(&self, value: ValueId, stage: usize, actions: &mut Vec<(Action, usize)>) {
        for (node, _) in self.graph.consumers(value) {
            if self.bound[node].coupled().is_some() {
                actions.push((Action::ReduceForward { node }, stage));
            }
        }
    }

    fn backward_steps(&self, last: usize, wanted: &HashSet<ValueId>, list: &mut StepList) {
        let nodes = self.graph.nodes();
        // The stage in which the gradient with respect to each node's value is complete.
        let mut complete = vec![last; nodes.len()];
        let mut stage_of = vec![last; nodes.len()];
        for index in (0..nodes.len()).rev() {
            let consumers = self.graph.consumers(ValueId::Node(index)).map(|(node, _)| stage_of[node]);
            complete[index] = consumers.max().unwrap_or(last);
            stage_of[index] = complete[index] + usize::from(self.bound[index].coupled().is_some());
        }
        list.stages = stage_of.iter().max().map_or(last, |&stage| stage) + 1;
        let mut written: HashSet<ValueId> = HashSet::new();
        for stage in last..list.stages {
            for index in (0..nodes.len()).rev() {
                let needed = wanted.contains(&ValueId::Node(index));
                if needed && complete[index] == stage {
                    self.arrive(index, stage, &mut list.actions);
                }
                if needed && stage_of[index] == stage {
                    self.leave(index, stage, wanted, &mut written, list);
                }
            }
        }
    }

    /// The gradient with respect to a node's value is complete.
    fn arrive(&self, index: usize, stage: usize, actions: &mut Vec<(Action, usize)>) {
        let node = &self.graph.nodes()[index];
        let left_to_loss = index + 1 == self.graph.nodes().len() && ends_in_softmax(self.graph);
        if node.activation.is_some() && !left_to_loss {
            actions.push((Action::ActivateBackward { node: index }, stage));
        }
        if self.bound[index].coupled().is_some() {
            actions.push((Action::ReduceBackward { node: index }, stage));
        } else if self.mode.is_training() && !node.parameters.is_empty() {
            actions.push((Action::BackwardParameters { node: index }, stage));
        }
    }

    /// The gradients with respect to a node's inputs.
    fn leave(
        &self,
        index: usize,
        stage: usize,
        wanted: &HashSet<ValueId>,
        written: &mut HashSet<ValueId>,
        list: &mut StepList,
    ) {
        for (input, &value) in self.graph.nodes()[index].inputs.iter().enumerate() {
            if !wanted.contains(&value) {
                continue;
            }
            let is_first = written.insert(value);
            if !is_first {
                list.further.insert(list.actions.len());
            }
            list.actions.push((Action::BackwardInput { node: index, input }, stage));
            if !is_first {
                list.actions.push((Action::Accumulate { value }, stage));
            }
        }
    }

    /// Every value that flows through the network, including the images.
    fn all_values(&self) -> HashSet<ValueId> {
        let nodes = (0..self.graph.nodes().len()).map(ValueId::Node);
        nodes.chain([ValueId::Input]).collect()
    }

    /// The values that depend on a trained parameter.
    fn values_with_gradient(&self) -> HashSet<ValueId> {
        let mut wanted = HashSet::new();
        for (index, node) in self.graph.nodes().iter().enumerate() {
            let trained = node.parameters.iter().any(|spec| spec.role.is_trained());
            if trained || node.inputs.iter().any(|input| wanted.contains(input)) {
                wanted.insert(ValueId::Node(index));
            }
        }
        wanted
    }
}
