//! Networks described in code.

use convscope_ops::{Activation, Operator};

use crate::{Graph, GraphError, Initializer, ModelDescription, ModelInput, NodeDescription};

/// Describes a network one node at a time. Each takes its input from the one before, unless told otherwise.
///
/// ```
/// use convscope_graph::ModelBuilder;
/// use convscope_ops::{Add, AdaptiveAvgPool2d, Activation, Conv2d, Flatten, Linear};
///
/// let model = ModelBuilder::new("small", [3, 32, 32])
///     .add(Conv2d { padding: 1.into(), ..Conv2d::new(16, 3) }).named("stem").activation(Activation::Relu)
///     .add(Conv2d { padding: 1.into(), ..Conv2d::new(16, 3) }).named("branch")
///     .add(Add::default()).inputs(["stem", "branch"]).activation(Activation::Relu)
///     .add(AdaptiveAvgPool2d::new(1))
///     .add(Flatten::default())
///     .add(Linear::new(10)).activation(Activation::Softmax)
///     .build()?;
/// assert_eq!(model.nodes.len(), 6);
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    model: ModelDescription,
}

impl ModelBuilder {
    /// A network for images of this shape: channels, height, width.
    pub fn new(name: impl Into<String>, input: [usize; 3]) -> ModelBuilder {
        ModelBuilder {
            model: ModelDescription {
                name: name.into(),
                inputs: ModelInput::only(input),
                initializer: Initializer::default(),
                outputs: None,
                nodes: Vec::new(),
            },
        }
    }

    /// Sets how the weights are initialised. Default `glorot_uniform`.
    pub fn initializer(mut self, initializer: Initializer) -> ModelBuilder {
        self.model.initializer = initializer;
        self
    }

    /// Adds a node with this operator.
    #[expect(clippy::should_implement_trait, reason = "a network is built by adding nodes")]
    pub fn add(mut self, operator: impl Into<Operator>) -> ModelBuilder {
        self.model.nodes.push(NodeDescription::new(operator.into()));
        self
    }

    /// Names the last node; by default, Keras' name, with a number if it is taken.
    pub fn named(self, name: impl Into<String>) -> ModelBuilder {
        self.change(|node| node.named(name))
    }

    /// Sets the function that the last node applies to its output.
    pub fn activation(self, activation: Activation) -> ModelBuilder {
        self.change(|node| node.with_activation(activation))
    }

    /// Names the inputs of the last node: nodes before it, or `input` for the image.
    pub fn inputs<'a>(self, names: impl IntoIterator<Item = &'a str>) -> ModelBuilder {
        let names: Vec<&str> = names.into_iter().collect();
        self.change(|node| node.with_inputs(&names))
    }

    /// Lets the last node share the weights of a node before it.
    pub fn weights_of(self, node: impl Into<String>) -> ModelBuilder {
        self.change(|described| described.with_weights_of(node))
    }

    /// Initialises the weights of the last node in another way than those of the network.
    pub fn initialized(self, initializer: Initializer) -> ModelBuilder {
        self.change(|node| node.with_initializer(initializer))
    }

    /// Replaces the image by inputs of these names and shapes; nodes name the one they take.
    pub fn with_inputs(mut self, inputs: impl IntoIterator<Item = ModelInput>) -> ModelBuilder {
        self.model.inputs = inputs.into_iter().collect();
        self
    }

    /// Names the nodes whose values are the outputs, in place of the last one. The first classifies.
    pub fn outputs<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> ModelBuilder {
        self.model.outputs = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// The description, with names, inputs and shapes checked.
    ///
    /// # Errors
    /// Whatever [`Graph::new`] rejects.
    pub fn build(self) -> Result<ModelDescription, GraphError> {
        Graph::new(self.model.clone())?;
        Ok(self.model)
    }

    /// Changes the last node, if there is one.
    fn change(mut self, change: impl FnOnce(NodeDescription) -> NodeDescription) -> ModelBuilder {
        if let Some(node) = self.model.nodes.pop() {
            self.model.nodes.push(change(node));
        }
        self
    }
}
