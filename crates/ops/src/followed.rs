//! Two operators in one, for inference: what follows a layer is computed while its values are at hand.

use std::sync::Arc;

use convscope_kernels::Epilogue;
use convscope_kernels::pointwise::Function;

use crate::{
    Arguments, Backward, BindOptions, Bound, ChannelMap, Forward, Inputs, Layer, OpError, Operator,
    Parameter, ParameterSpec, Products, Reads, Shape,
};

/// How [`Operator::followed_by`] joins two operators.
#[derive(Clone, Debug, PartialEq)]
pub enum Joined {
    /// The second is a function of single values; the arrays are those of the first.
    Function(Operator),
    /// The second maps channels, which the arrays of the operator take over, see [`Operator::absorbed`].
    Channels(Operator),
}

impl Operator {
    /// One operator that does the work of this one and then of `next` in inference, for inputs that this one accepts.
    /// Returns `None` if the two cannot be joined.
    pub fn followed_by(&self, next: &Operator, inputs: &[Shape]) -> Option<Joined> {
        if next.layer().is_identity_in_inference() {
            return Some(Joined::Function(self.clone()));
        }
        if let Some(function) = next.layer().function() {
            let layer = Followed { head: self.clone(), function };
            let joined = Operator::in_memory(self.name(), self.arguments().clone(), Arc::new(layer));
            // A function that is nothing but a function may as well be applied last.
            return self.layer().function().is_none().then_some(Joined::Function(joined));
        }
        if !next.layer().maps_channels() {
            return None;
        }
        self.layer().absorbing(inputs).map(Joined::Channels)
    }

    /// The arrays of an operator that [absorbed](Joined::Channels) `next`, from those of both.
    pub fn absorbed(&self, own: &[Parameter], next: &Operator, of_next: &[Parameter]) -> Vec<Parameter> {
        match next.layer().channel_map(of_next) {
            Some(map) => self.layer().absorb(own, &map),
            None => own.to_vec(),
        }
    }
}

/// An operator, and a function of each of its output's values.
#[derive(Debug)]
struct Followed {
    head: Operator,
    function: Function,
}

impl Layer for Followed {
    fn name() -> &'static str {
        "followed"
    }

    fn keras_name(&self) -> &'static str {
        self.head.layer().keras_name()
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.head.layer().output_shape(inputs)
    }

    fn takes_inputs(&self) -> bool {
        self.head.layer().takes_inputs()
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        self.head.layer().parameters(inputs)
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        self.head.layer().multiply_adds(inputs)
    }

    fn absorb(&self, own: &[Parameter], map: &ChannelMap) -> Vec<Parameter> {
        self.head.layer().absorb(own, map)
    }

    fn on_channels(&self, own: &Operator, image: Shape) -> Option<Operator> {
        let head = self.head.layer().on_channels(&self.head, image)?;
        let layer = Followed { head, function: self.function };
        Some(Operator::in_memory(own.name(), own.arguments().clone(), Arc::new(layer)))
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        let head = self.head.layer().bind(inputs, options);
        Box::new(BoundFollowed { head, function: self.function, parts: 1 })
    }
}

#[derive(Debug)]
struct BoundFollowed {
    head: Box<dyn Bound>,
    function: Function,
    /// Into how many parts the values of a single image are divided.
    parts: usize,
}

impl Bound for BoundFollowed {
    fn packed_len(&self) -> usize {
        self.head.packed_len()
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        self.head.pack(parameters, packed);
    }

    fn scratch_len(&self, images: usize) -> usize {
        self.head.scratch_len(images)
    }

    fn backward_reads(&self) -> Reads {
        self.head.backward_reads()
    }

    fn products(&self) -> Option<Products> {
        self.head.products()
    }

    fn divide(&mut self, threads: usize) {
        self.head.divide(threads);
        self.parts = threads;
    }

    fn forward(&self, call: Forward<'_>) {
        let parts = if call.images == 1 { self.parts } else { 1 };
        let fused = Epilogue::of(self.function).filter(|&epilogue| self.head.fuses(epilogue));
        let (isa, output) = (call.isa, call.output);
        self.head.forward(Forward {
            inputs: Inputs(&|index| call.inputs.get(index)),
            epilogue: fused.unwrap_or(Epilogue::Linear),
            output: &mut *output,
            scratch: &mut *call.scratch,
            ..call
        });
        if fused.is_none() {
            self.function.apply_in_parts(isa, output, parts);
        }
    }

    fn backward_input(&self, _index: usize, _call: Backward<'_>, _d_input: &mut [f32]) {
        unreachable!("operators are joined for inference only");
    }
}

impl Operator {
    /// An operator that no file can name.
    fn in_memory(name: &'static str, arguments: Arguments, layer: Arc<dyn Layer>) -> Operator {
        Operator::from_parts(name, Arc::new(arguments), layer)
    }
}
