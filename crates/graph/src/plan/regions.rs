//! Assigns a region of memory to each value and gradient for its lifetime.

use super::step_list::StepList;
use super::{Action, Region, Slot, Step};
use crate::{Graph, ValueId};
use convscope_ops::Bound;
use std::collections::HashMap;

pub(super) struct Assigned {
    pub(super) steps: Vec<Step>,
    pub(super) shard_slots: Vec<usize>,
    pub(super) kept_slots: Vec<usize>,
}

/// Something that needs memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Object {
    /// An input, channels-last, reloaded in each stage.
    Input {
        input: usize,
        stage: usize,
    },
    Value(usize),
    /// A value that is computed again in a stage.
    Renewed {
        node: usize,
        stage: usize,
    },
    Gradient(ValueId),
    /// An additional gradient, until it is added to the first one; identified by the step that writes it.
    Further {
        step: usize,
    },
}

/// The objects that one step touches.
#[derive(Default)]
struct Uses {
    writes: Option<Object>,
    inputs: Vec<Object>,
    output: Option<Object>,
    gradient: Option<Object>,
}

pub(super) fn assign(graph: &Graph, bound: &[Box<dyn Bound>], list: &StepList) -> Assigned {
    let uses: Vec<Uses> = (0..list.actions.len()).map(|step| uses(graph, bound, list, step)).collect();
    let lives = lives(&uses);
    let len_of = |object: &Object| match *object {
        Object::Input { input, .. } => graph.shape(ValueId::Input(input)).len(),
        Object::Value(node) | Object::Renewed { node, .. } => graph.nodes()[node].shape.len(),
        Object::Gradient(value) => graph.shape(value).len(),
        Object::Further { step } => match list.actions[step].0 {
            Action::BackwardInput { node, input } => graph.nodes()[node].input_shapes[input].len(),
            _ => unreachable!("only a backward step writes an additional gradient"),
        },
    };
    let (mut shard, mut kept) = (Slots::default(), Slots::default());
    let mut regions: HashMap<Object, Region> = HashMap::new();
    for &(object, first, last) in &lives {
        let len = len_of(&object);
        let stage = |step: usize| list.actions[step].1;
        let slot = if stage(first) == stage(last) {
            Slot::Shard(shard.take(len, first, last, |_| true))
        } else {
            // Within a stage, other chunks may still need the contents, unless theirs are elsewhere.
            let is_free = |before: &Use| stage(before.last) < stage(first) || before.len == len;
            Slot::Kept(kept.take(len, first, last, is_free))
        };
        regions.insert(object, Region { slot, len });
    }
    let steps = uses.iter().zip(&list.actions).map(|(uses, &(action, stage))| Step {
        action,
        stage,
        writes: uses.writes.map(|object| regions[&object]),
        inputs: uses.inputs.iter().map(|object| regions[object]).collect(),
        output: uses.output.map(|object| regions[&object]),
        gradient: uses.gradient.map(|object| regions[&object]),
    });
    Assigned { steps: steps.collect(), shard_slots: shard.lens, kept_slots: kept.lens }
}

fn uses(graph: &Graph, bound: &[Box<dyn Bound>], list: &StepList, step: usize) -> Uses {
    let (action, stage) = list.actions[step];
    let node_object = |node: usize| match list.recomputed.contains(&(node, stage)) {
        true => Object::Renewed { node, stage },
        false => Object::Value(node),
    };
    let object = |value: ValueId| match value {
        ValueId::Input(input) => Object::Input { input, stage },
        ValueId::Node(node) => node_object(node),
    };
    let inputs_of = |node: usize| graph.nodes()[node].inputs.iter().map(|&value| object(value)).collect();
    let value = |node: usize| Some(node_object(node));
    let gradient = |node: usize| Some(Object::Gradient(ValueId::Node(node)));
    let output = graph.outputs()[0];
    // What a backward step of a node reads.
    let backward = |node: usize| {
        let reads = bound[node].backward_reads();
        Uses {
            inputs: if reads.inputs { inputs_of(node) } else { Vec::new() },
            output: if reads.output { value(node) } else { None },
            gradient: gradient(node),
            writes: None,
        }
    };
    match action {
        Action::LoadInput { input } => {
            Uses { writes: Some(Object::Input { input, stage }), ..Uses::default() }
        }
        Action::Forward { node } | Action::Recompute { node } => {
            Uses { writes: value(node), inputs: inputs_of(node), ..Uses::default() }
        }
        // Observers receive a node's input together with its output.
        Action::Activate { node } => Uses { writes: value(node), inputs: inputs_of(node), ..Uses::default() },
        Action::ReduceForward { node } => Uses { inputs: inputs_of(node), ..Uses::default() },
        Action::Output => Uses { output: value(output), ..Uses::default() },
        Action::Loss => Uses { output: value(output), writes: gradient(output), ..Uses::default() },
        Action::SelectClass => Uses { writes: gradient(output), ..Uses::default() },
        Action::InputGradient => {
            Uses { gradient: Some(Object::Gradient(ValueId::Input(0))), ..Uses::default() }
        }
        Action::ActivateBackward { node } => {
            Uses { output: value(node), writes: gradient(node), ..Uses::default() }
        }
        Action::ReduceBackward { node } => {
            Uses { inputs: inputs_of(node), gradient: gradient(node), ..Uses::default() }
        }
        Action::BackwardParameters { node } => backward(node),
        Action::BackwardInput { node, input } => {
            let target = if list.further.contains(&step) {
                Object::Further { step }
            } else {
                Object::Gradient(graph.nodes()[node].inputs[input])
            };
            Uses { writes: Some(target), ..backward(node) }
        }
        Action::Accumulate { value } => Uses {
            writes: Some(Object::Gradient(value)),
            gradient: Some(Object::Further { step: step - 1 }),
            ..Uses::default()
        },
    }
}

/// The nodes whose values a step reads.
pub(super) fn values_read(graph: &Graph, bound: &[Box<dyn Bound>], action: Action) -> Vec<usize> {
    // Some steps refer to the one before.
    let list = StepList { actions: vec![(Action::Loss, 0), (action, 0)], ..StepList::default() };
    let uses = uses(graph, bound, &list, 1);
    let read = uses.inputs.into_iter().chain(uses.output);
    read.filter_map(|object| match object {
        Object::Value(node) => Some(node),
        _ => None,
    })
    .collect()
}

/// Every object with the first and last step that touches it, ordered by the first.
fn lives(uses: &[Uses]) -> Vec<(Object, usize, usize)> {
    let mut lives: Vec<(Object, usize, usize)> = Vec::new();
    let mut known: HashMap<Object, usize> = HashMap::new();
    for (step, uses) in uses.iter().enumerate() {
        let touched = uses.inputs.iter().copied().chain(uses.output).chain(uses.gradient).chain(uses.writes);
        for object in touched {
            let index = *known.entry(object).or_insert_with(|| {
                lives.push((object, step, step));
                lives.len() - 1
            });
            lives[index].2 = step;
        }
    }
    lives
}

/// Slots of one kind of memory, each busy until its object's last step.
#[derive(Default)]
struct Slots {
    lens: Vec<usize>,
    uses: Vec<Use>,
}

/// The last object of a slot.
struct Use {
    len: usize,
    /// The last step that touches it.
    last: usize,
}

impl Slots {
    /// A slot that is free from step `first` on: the free one closest in length, or a new one.
    fn take(&mut self, len: usize, first: usize, last: usize, is_free: impl Fn(&Use) -> bool) -> usize {
        let free =
            (0..self.lens.len()).filter(|&slot| self.uses[slot].last < first && is_free(&self.uses[slot]));
        let best = free.min_by_key(|&slot| (self.lens[slot].abs_diff(len), slot));
        let slot = best.unwrap_or_else(|| {
            self.lens.push(0);
            self.uses.push(Use { len, last });
            self.lens.len() - 1
        });
        self.lens[slot] = self.lens[slot].max(len);
        self.uses[slot] = Use { len, last };
        slot
    }
}
