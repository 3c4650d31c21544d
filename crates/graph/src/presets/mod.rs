//! Networks that come with the program, in the form of ordinary model files.

use crate::{GraphError, ModelDescription, ModelFile};

/// The text of each preset's model file.
macro_rules! presets {
    ($($name:literal,)*) => {
        /// Names of the presets.
        pub const PRESETS: [&str; FILES.len()] = [$($name),*];

        const FILES: &[&str] = &[$(include_str!(concat!($name, ".toml"))),*];
    };
}

presets! {
    "plain8",
    "plain8-bn",
    "resnet8",
    "resnet18",
    "resnet34",
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "efficientnet_lite0",
    "squeezenet1_1",
    "densenet121",
    "vgg11_bn",
    "vgg16",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
    "mnasnet1_0",
    "convnext_tiny",
}

/// The preset with that name, for this image shape and number of classes.
///
/// - `plain8`: the reference network, eight 3x3 convolutions of 16 to 128 channels.
/// - `plain8-bn`: the same with batch normalisation after every activation.
/// - `resnet8`: three residual blocks.
/// - `efficientnet_lite0`: TensorFlow's network, with the keys of the Python package efficientnet_lite_pytorch.
/// - all others: torchvision's networks of these names, with its keys as the names of nodes.
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
    let place = PRESETS.iter().position(|known| *known == name);
    place.map(|place| FILES[place]).ok_or_else(|| GraphError::UnknownPreset { name: name.to_string() })
}
