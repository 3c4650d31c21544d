//! Checks that a network and a source fit together before training.

use convscope_data::Source;
use convscope_graph::{Graph, ValueId};

use crate::error::{TrainError, ValuesFrom};

/// Fails if the network does not output a value for each class.
pub(crate) fn check_classes(graph: &Graph, source: &dyn Source) -> Result<(), TrainError> {
    graph.check_classifier()?;
    let (model, data) = (graph.classes(), source.classes().len());
    if model == data {
        return Ok(());
    }
    Err(TrainError::ClassesDiffer { model, data, origin: values_from(graph, data) })
}

/// What determines the number of values of the last node, for data with `classes` classes.
fn values_from(graph: &Graph, classes: usize) -> ValuesFrom {
    let mut at = graph.outputs()[0];
    loop {
        let node = &graph.nodes()[at];
        let size_of = |key: &&str| usize::try_from(node.operator.arguments().get(*key)?.as_u64()?).ok();
        let found = ["out_features", "out_channels"].into_iter().find_map(|key| Some((key, size_of(&key)?)));
        if let Some((key, value)) = found {
            return match node.shape.size() {
                size if value == classes && size != [1, 1] => {
                    ValuesFrom::Places { node: node.name.clone(), size }
                }
                _ if value != classes => ValuesFrom::Argument { key: format!("{}.{key}", node.name), value },
                _ => ValuesFrom::Elsewhere,
            };
        }
        match node.inputs.as_slice() {
            &[ValueId::Node(before)] => at = before,
            _ => return ValuesFrom::Elsewhere,
        }
    }
}
