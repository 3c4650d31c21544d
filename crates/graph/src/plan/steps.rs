//! The order of the steps.

use super::recompute::recompute;
use super::step_list::StepList;
use super::{Action, Wiring, ends_in_softmax};
use crate::{Graph, Node, ValueId};
use convscope_ops::{Bound, Mode};
use std::collections::{BTreeSet, HashSet};

impl StepList {
    pub(super) fn new(wiring: &Wiring, mode: Mode) -> StepList {
        let Wiring { graph, bound, .. } = wiring;
        let order = Order { graph, wiring, bound, mode, forward: forward_stages(graph, bound) };
        let last = order.forward.iter().copied().max().unwrap_or(0);
        let mut list = StepList { stages: last + 1, ..StepList::default() };
        for stage in 0..=last {
            order.forward_steps(stage, &mut list.actions);
        }
        match mode {
            Mode::Inference => {
                list.actions.push((Action::Output, last));
                if ends_in_softmax(graph) {
                    list.actions.push((Action::Activate { node: graph.outputs()[0] }, last));
                }
            }
            Mode::Training => {
                list.actions.push((Action::Loss, last));
                order.backward_steps(last, &order.values_with_gradient(), &mut list);
            }
            Mode::Attribution => {
                list.actions.extend([(Action::Output, last), (Action::SelectClass, last)]);
                let wanted = order.values_between();
                order.backward_steps(last, &wanted, &mut list);
                if wanted.contains(&ValueId::Input(0)) {
                    list.actions.push((Action::InputGradient, list.stages - 1));
                }
            }
        }
        recompute(graph, bound, &mut list);
        list.load_inputs(graph);
        list
    }

    /// Puts a `LoadInput` at the start of each stage that reads the images: converting them again costs less than
    /// keeping them.
    fn load_inputs(&mut self, graph: &Graph) {
        let inputs_read = |action: &Action| match *action {
            Action::Forward { node }
            | Action::Recompute { node }
            | Action::Activate { node }
            | Action::ReduceForward { node }
            | Action::ReduceBackward { node }
            | Action::BackwardParameters { node }
            | Action::BackwardInput { node, .. } => graph.nodes()[node].inputs.as_slice(),
            _ => &[],
        };
        let (actions, further) = (std::mem::take(&mut self.actions), std::mem::take(&mut self.further));
        // The inputs that each stage reads.
        let mut waiting: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.stages];
        for (action, stage) in &actions {
            waiting[*stage].extend(inputs_read(action).iter().filter_map(|value| match *value {
                ValueId::Input(input) => Some(input),
                ValueId::Node(_) => None,
            }));
        }
        for (index, (action, stage)) in actions.into_iter().enumerate() {
            for input in std::mem::take(&mut waiting[stage]) {
                self.actions.push((Action::LoadInput { input }, stage));
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
    wiring: &'a Wiring,
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
            ValueId::Input(_) => 0,
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
            for input in 0..self.graph.inputs().len() {
                self.reduce_after(ValueId::Input(input), stage, actions);
            }
        }
        for (index, node) in self.graph.nodes().iter().enumerate() {
            if self.forward[index] != stage || self.wiring.is_left_out(index) {
                continue;
            }
            actions.push((Action::Forward { node: index }, stage));
            let left_to_loss = self.is_left_to_loss(index);
            if let Some(activation) = node.activation
                && !activation.epilogue().is_some_and(|epilogue| self.bound[index].fuses(epilogue))
                && !left_to_loss
            {
                actions.push((Action::Activate { node: index }, stage));
            }
            self.reduce_after(ValueId::Node(index), stage, actions);
        }
    }

    /// Whether a node's activation is part of the loss.
    fn is_left_to_loss(&self, index: usize) -> bool {
        index == self.graph.outputs()[0] && ends_in_softmax(self.graph)
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
            let consumers = self.graph.consumers(ValueId::Node(index));
            let stages =
                consumers.filter(|(node, _)| self.graph.is_needed(*node)).map(|(node, _)| stage_of[node]);
            complete[index] = stages.max().unwrap_or(last);
            stage_of[index] = complete[index] + usize::from(self.bound[index].coupled().is_some());
        }
        list.stages = stage_of.iter().copied().max().unwrap_or(last) + 1;
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
        if node.activation.is_some() && !self.is_left_to_loss(index) {
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

    /// The values that depend on the image and that the output depends on, the image among them.
    fn values_between(&self) -> HashSet<ValueId> {
        self.values_from(HashSet::from([ValueId::Input(0)]), |_| false)
    }

    /// The values on which a trained parameter has an influence, and that have one on the loss.
    fn values_with_gradient(&self) -> HashSet<ValueId> {
        self.values_from(HashSet::new(), Node::is_trained)
    }

    /// The values that the output depends on and that depend on these values, or on a node that begins.
    fn values_from(&self, from: HashSet<ValueId>, begins: impl Fn(&Node) -> bool) -> HashSet<ValueId> {
        let mut wanted = from;
        for (index, node) in self.graph.nodes().iter().enumerate() {
            let depends = begins(node) || node.inputs.iter().any(|input| wanted.contains(input));
            if depends && self.graph.is_needed(index) {
                wanted.insert(ValueId::Node(index));
            }
        }
        wanted
    }
}
