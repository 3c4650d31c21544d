//! Images whose channels are moved to the last axis and back.
//!
//! Values are stored with the channels of a pixel side by side. Moving the channels to the last axis, as ConvNeXt does for
//! its linear layers, would store them far apart; so what works on the last axis works on the channels instead.

use super::{Change, Wiring, only_reader};
use crate::{Graph, Node, ValueId};
use convscope_ops::{Operator, Shape};

/// Where the axes of an image come from that has its channels last, and of one that has them first again.
const CHANNELS_LAST: [usize; 3] = [1, 2, 0];
const CHANNELS_FIRST: [usize; 3] = [2, 0, 1];

impl Wiring {
    /// Leaves the channels where they are, wherever they come back before anything but the last axis matters.
    pub(super) fn keep_channels_last(&mut self) {
        let mut nodes = self.graph.nodes().to_vec();
        for first in 0..nodes.len() {
            let Some(stretch) = Stretch::from(&self.graph, first) else { continue };
            let Stretch { between, last } = stretch;
            let mut input = self.graph.nodes()[first].inputs[0];
            let image = self.graph.nodes()[first].input_shapes[0];
            for (index, operator) in between {
                let node = &mut nodes[index];
                let channels = node.shape.axes()[2];
                node.input_shapes = vec![image.with_channels(node.input_shapes[0].axes()[2])];
                node.inputs = vec![input];
                node.shape = image.with_channels(channels);
                node.parameters = operator.layer().parameters(&node.input_shapes);
                node.operator = operator;
                self.changes[index] = Change::OnChannels;
                input = ValueId::Node(index);
            }
            for (reader, _) in self.graph.consumers(ValueId::Node(last)) {
                let moved = nodes[reader].inputs.iter_mut().filter(|value| **value == ValueId::Node(last));
                moved.for_each(|value| *value = input);
            }
            for moving in [first, last] {
                nodes[moving].inputs.clear();
                self.changes[moving] = Change::LeftOut;
            }
        }
        if self.is_changed() {
            self.graph = self.graph.rewired(nodes);
        }
    }
}

/// Nodes between one that moves the channels of an image last and one that moves them back.
struct Stretch {
    /// With the operators that work on the channels.
    between: Vec<(usize, Operator)>,
    last: usize,
}

impl Stretch {
    fn from(graph: &Graph, first: usize) -> Option<Stretch> {
        moves(&graph.nodes()[first], CHANNELS_LAST)?;
        let mut between = Vec::new();
        let mut before = first;
        loop {
            let (index, node) = only_reader(graph, before)?;
            if moves(node, CHANNELS_FIRST).is_some() {
                // Others would have to be told where the value of the last node is.
                let is_seen = graph.outputs().contains(&index) || !graph.is_needed(index);
                return (!is_seen && !between.is_empty()).then_some(Stretch { between, last: index });
            }
            let shape = image_of(node)?;
            let operator = node.operator.layer().on_channels(&node.operator, shape)?;
            // It may have limits of its own.
            let channels = *node.shape.axes().last()?;
            let is_same = operator.layer().output_shape(&[shape]).ok() == Some(shape.with_channels(channels));
            if !is_same {
                return None;
            }
            between.push((index, operator));
            before = index;
        }
    }
}

/// The image that a node between the two gets, with its channels first, if the node is one that can be changed.
fn image_of(node: &Node) -> Option<Shape> {
    let [shape] = node.input_shapes[..] else { return None };
    let &[rows, columns, channels] = shape.axes() else { return None };
    (node.activation.is_none() && node.weights_of.is_none())
        .then_some(Shape::image(channels, [rows, columns]))
}

/// Whether a node does nothing but move the axes of an image in this way.
fn moves(node: &Node, wanted: [usize; 3]) -> Option<()> {
    let [shape] = node.input_shapes[..] else { return None };
    let moved = node.operator.layer().moved_axes(shape)?;
    (node.activation.is_none() && moved == wanted).then_some(())
}
