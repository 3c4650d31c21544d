//! A plan as text.

use super::{Action, Buffer, Place, Plan};
use crate::{Graph, ValueId};

impl Plan {
    /// The steps with their buffers, one a line, stage by stage.
    pub fn to_text(&self, graph: &Graph) -> String {
        let mut text = format!("{} stages, {} lanes\n", self.stages, self.lanes);
        let mut stage = usize::MAX;
        for step in &self.steps {
            if step.stage != stage {
                stage = step.stage;
                text += &format!("stage {stage}, {} images at a time\n", self.chunks[stage]);
            }
            let reads: Vec<String> =
                step.inputs.iter().chain(&step.output).chain(&step.gradient).map(buffer).collect();
            let writes = step.writes.as_ref().map_or(String::new(), |to| format!(" -> {}", buffer(to)));
            text += &format!("  {:<42} {}{writes}\n", describe(step.action, graph), reads.join(" "));
        }
        text
    }
}

fn describe(action: Action, graph: &Graph) -> String {
    let name = |node: usize| graph.nodes()[node].name.as_str();
    match action {
        Action::LoadInput => "load images".to_string(),
        Action::Forward { node } => format!("forward {}", name(node)),
        Action::Activate { node } => format!("activate {}", name(node)),
        Action::ReduceForward { node } => format!("sum up for {}", name(node)),
        Action::Output => "output".to_string(),
        Action::Loss => "loss".to_string(),
        Action::SelectClass => "select class".to_string(),
        Action::InputGradient => "gradient of the images".to_string(),
        Action::ActivateBackward { node } => format!("activation backward {}", name(node)),
        Action::ReduceBackward { node } => format!("sum up gradient for {}", name(node)),
        Action::BackwardParameters { node } => format!("parameter gradients {}", name(node)),
        Action::BackwardInput { node, input } => format!("input gradient {input} {}", name(node)),
        Action::Accumulate { value: ValueId::Node(node) } => format!("add up gradient of {}", name(node)),
        Action::Accumulate { value: ValueId::Input } => "add up gradient of the images".to_string(),
    }
}

fn buffer(buffer: &Buffer) -> String {
    match buffer.place {
        Place::Lane(slot) => format!("lane{slot}[{}]", buffer.len),
        Place::Kept(slot) => format!("kept{slot}[{}]", buffer.len),
    }
}
