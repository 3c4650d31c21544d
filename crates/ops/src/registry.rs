//! The operators that files can name: those of this crate and those that a program brings along.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::*;

/// An operator that files can name.
#[derive(Clone, Copy)]
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    /// What PyTorch calls its inputs.
    pub tensors: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [Argument],
    parse: Parse,
}

type Parse = fn(Arguments) -> Result<Operator, ArgumentError>;

impl Registered {
    fn new<L: Layer + Serialize + DeserializeOwned>() -> Registered {
        Registered { name: L::name(), tensors: L::tensors(), arguments: L::described(), parse: parse::<L> }
    }

    /// The operator with these arguments.
    ///
    /// # Errors
    /// An argument that is unknown, missing or of another type.
    pub fn parse(&self, arguments: Arguments) -> Result<Operator, ArgumentError> {
        (self.parse)(arguments)
    }
}

/// Declares the operators that are layers of a network, a line each.
macro_rules! built_in {
    ($($layer:ident,)*) => {
        fn built_in() -> impl Iterator<Item = Registered> {
            [$(Registered::new::<$layer>()),*].into_iter()
        }
    };
}

built_in! {
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    Add,
    AvgPool2d,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Dropout2d,
    Elu,
    Flatten,
    Gelu,
    GroupNorm,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    LeakyRelu,
    Linear,
    LocalResponseNorm,
    LogSoftmax,
    Matmul,
    MaxPool2d,
    Mean,
    Mish,
    Mul,
    Pad,
    Permute,
    PixelShuffle,
    Prelu,
    Relu,
    Relu6,
    Reshape,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
}

static OWN: RwLock<BTreeMap<&'static str, Registered>> = RwLock::new(BTreeMap::new());

/// Makes an operator of a program known by its [name](Layer::name) for the time that the program runs, so that model files,
/// runs and weights that use it can be read.
///
/// A network that is described in code works without; to register twice changes nothing.
///
/// # Errors
/// [`NameTaken`] where the name is that of an operator of this crate.
pub fn register<L: Layer + Serialize + DeserializeOwned>() -> Result<(), NameTaken> {
    let name = L::name();
    if built_in().any(|known| known.name == name) {
        return Err(NameTaken { name });
    }
    OWN.write().unwrap_or_else(PoisonError::into_inner).insert(name, Registered::new::<L>());
    Ok(())
}

/// An operator of this crate has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is the name of a built-in operator")]
pub struct NameTaken {
    /// The name.
    pub name: &'static str,
}

/// The operator of this name, if files can name it.
pub fn registered(name: &str) -> Option<Registered> {
    let own = || OWN.read().unwrap_or_else(PoisonError::into_inner).get(name).copied();
    built_in().find(|known| known.name == name).or_else(own)
}

/// The names of all operators that a file can name, in alphabetical order.
pub fn names() -> Vec<&'static str> {
    let own = OWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<_> = built_in().map(|known| known.name).chain(own.keys().copied()).collect();
    names.sort_unstable();
    names
}

/// Reads the arguments of one kind of operator.
fn parse<L: Layer + Serialize + DeserializeOwned>(arguments: Arguments) -> Result<Operator, ArgumentError> {
    read_arguments::<L>(arguments).map(Operator::from)
}
