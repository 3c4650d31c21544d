//! Keras' arrays in PyTorch's order.
//!
//! Keras has the channels last: kernels are `[rows, columns, inputs, outputs]`, those of depthwise convolutions `[rows, columns,
//! inputs, outputs of each]`, dense layers `[inputs, outputs]`, and what was flattened has its channels next to each other.

use convscope_ops::ParameterSpec;
use ndarray::{ArrayD, IxDyn};

use crate::{Graph, Node, ValueId};

/// The shape in PyTorch's order of an array that has the shape `found` in Keras, where `needed` is expected.
pub(crate) fn shape(found: &[usize], needed: &[usize]) -> Vec<usize> {
    match *found {
        [inputs, outputs] => vec![outputs, inputs],
        [rows, columns, inputs, each] if is_depthwise(found, needed) => {
            vec![inputs * each, 1, rows, columns]
        }
        [rows, columns, inputs, outputs] => vec![outputs, inputs, rows, columns],
        _ => found.to_vec(),
    }
}

/// The values of an array of a node in PyTorch's order. Their shape in Keras is `found`, and [`shape`] that of `spec`.
pub(crate) fn values(
    values: Vec<f32>,
    found: &[usize],
    spec: &ParameterSpec,
    flattened: Option<[usize; 3]>,
) -> ArrayD<f32> {
    let array = ArrayD::from_shape_vec(found, values).expect("each element has a value");
    let ordered = match found.len() {
        2 => array.reversed_axes(),
        4 if is_depthwise(found, &spec.shape) => array.permuted_axes(&[2, 3, 0, 1][..]),
        4 => array.permuted_axes(&[3, 2, 0, 1][..]),
        _ => array,
    };
    let ordered = reshaped(ordered, &spec.shape);
    let last = ordered.ndim().saturating_sub(1);
    match flattened {
        Some([channels, rows, columns])
            if last < 2 && ordered.shape().last() == Some(&(channels * rows * columns)) =>
        {
            let mut picture = ordered.shape()[..last].to_vec();
            picture.extend([rows, columns, channels]);
            let mut picture = reshaped(ordered, &picture);
            // From rows, columns, channels to channels, rows, columns.
            picture.swap_axes(last + 1, last + 2);
            picture.swap_axes(last, last + 1);
            reshaped(picture, &spec.shape)
        }
        _ => ordered,
    }
}

/// Channels, rows and columns of the value whose flattened form an array of a node works on, directly or after nodes that keep the
/// order.
pub(crate) fn flattened(graph: &Graph, node: &Node, spec: &ParameterSpec) -> Option<[usize; 3]> {
    // The bias of a dense layer belongs to its outputs.
    if mixes(node) && spec.shape.len() == 1 {
        return None;
    }
    let mut value = node.inputs.first()?;
    loop {
        let ValueId::Node(index) = value else { return None };
        let before = &graph.nodes()[*index];
        let [input] = &*before.inputs else { return None };
        match (before.input_shapes[0].axes(), before.shape.axes()) {
            (&[channels, rows, columns], &[features]) if channels * rows * columns == features => {
                return Some([channels, rows, columns]);
            }
            ([features], [kept]) if features == kept && !mixes(before) => value = input,
            _ => return None,
        }
    }
}

/// Whether a node's outputs depend on several of its inputs.
fn mixes(node: &Node) -> bool {
    node.parameters.iter().any(|spec| spec.shape.len() > 1)
}

fn is_depthwise(found: &[usize], needed: &[usize]) -> bool {
    match (found, needed) {
        (&[_, _, inputs, each], &[outputs, 1, _, _]) => {
            inputs > 1 && inputs.checked_mul(each) == Some(outputs)
        }
        _ => false,
    }
}

/// The elements in row-major order with another shape.
fn reshaped(array: ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    let values = array.as_standard_layout().into_owned();
    values.into_shape_with_order(IxDyn(shape)).expect("both shapes have as many elements")
}
