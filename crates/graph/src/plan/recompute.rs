//! Values that are computed again where a later stage reads them, instead of being kept until then.
//!
//! A normalisation needs its input for its own gradient, so the input is kept anyway; its output, and functions of that,
//! cost less to compute again, while the chunk is in the cache, than to write to memory and to read back.

use super::Action;
use super::regions::values_read;
use super::step_list::StepList;
use crate::{Graph, ValueId};
use convscope_ops::{Activation, Bound};
use std::collections::HashSet;

/// Puts a [`Action::Recompute`] before the first reader, in each stage after its own, of every value that is not kept.
pub(super) fn recompute(graph: &Graph, bound: &[Box<dyn Bound>], list: &mut StepList) {
    let is_renewed = renewed(graph, bound);
    let mut stage_of = vec![0; graph.nodes().len()];
    for &(action, stage) in &list.actions {
        if let Action::Forward { node } = action {
            stage_of[node] = stage;
        }
    }
    let (actions, further) = (std::mem::take(&mut list.actions), std::mem::take(&mut list.further));
    for (index, (action, stage)) in actions.into_iter().enumerate() {
        for node in values_read(graph, bound, action) {
            // The nodes that lead to it, its input first.
            let mut missing = Vec::new();
            let mut next = Some(node);
            while let Some(node) = next.filter(|&node| is_renewed[node] && stage_of[node] < stage) {
                if !list.recomputed.insert((node, stage)) {
                    break;
                }
                missing.push(node);
                next = only_input(graph, node);
            }
            list.actions.extend(missing.into_iter().rev().map(|node| (Action::Recompute { node }, stage)));
        }
        if further.contains(&index) {
            list.further.insert(list.actions.len());
        }
        list.actions.push((action, stage));
    }
}

/// For each node, whether its value is computed again: normalisations over the batch, and what follows from one alone.
fn renewed(graph: &Graph, bound: &[Box<dyn Bound>]) -> Vec<bool> {
    let outputs: HashSet<usize> = graph.outputs().iter().copied().collect();
    let mut is_renewed: Vec<bool> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let is_whole = node.activation.is_none_or(|activation| {
            Activation::epilogue(activation).is_some_and(|epilogue| bound[index].fuses(epilogue))
        });
        let follows = only_input(graph, index).is_some_and(|input| is_renewed[input]);
        let is_cheap = bound[index].is_cheap() && is_whole && !outputs.contains(&index);
        is_renewed.push(is_cheap && (follows || bound[index].coupled().is_some()));
    }
    is_renewed
}

/// The node that is the only input.
fn only_input(graph: &Graph, node: usize) -> Option<usize> {
    match graph.nodes()[node].inputs[..] {
        [ValueId::Node(input)] => Some(input),
        _ => None,
    }
}
