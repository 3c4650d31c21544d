//! Networks that come with the program, in the form of ordinary model files.

use crate::{GraphError, ModelDescription, ModelFile};

/// Names of the presets.
pub const PRESETS: [&str; 4] = ["plain8", "plain8-bn", "resnet8", "resnet18"];

/// The preset with that name, for this image shape and number of classes.
///
/// - `plain8`: the reference network, eight 3x3 convolutions of 16 to 128 channels.
/// - `plain8-bn`: the same with batch normalisation after every activation.
/// - `resnet8`: three residual blocks.
/// - `resnet18`: torchvision's ResNet-18, for images of 64 pixels a side or more.
///
/// # Errors
/// There is no preset with that name.
///
/// ```
/// let graph = convscope_graph::Graph::new(convscope_graph::preset("plain8", [3, 32, 32], 10)?)?;
/// assert_eq!(graph.trained_parameters(), 294_810);
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
pub fn preset(name: &str, input: [usize; 3], classes: usize) -> Result<ModelDescription, GraphError> {
    ModelFile::parse(name, preset_file(name)?)?.resolve(input, classes)
}

/// The text of the preset's model file, as a starting point for your own.
///
/// # Errors
/// There is no preset with that name.
pub fn preset_file(name: &str) -> Result<&'static str, GraphError> {
    match name {
        "plain8" => Ok(include_str!("plain8.toml")),
        "plain8-bn" => Ok(include_str!("plain8-bn.toml")),
        "resnet8" => Ok(include_str!("resnet8.toml")),
        "resnet18" => Ok(include_str!("resnet18.toml")),
        _ => Err(GraphError::UnknownPreset { name: name.to_string() }),
    }
}
