//! What help texts say of an operator's arguments.

/// An argument of an operator that is not a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// PyTorch's name.
    pub name: &'static str,
    /// The default, as Python writes it; `None` if the argument is required.
    pub default: Option<&'static str>,
    /// Its description.
    pub about: &'static str,
}

impl Argument {
    /// An argument that has to be given.
    pub const fn required(name: &'static str, about: &'static str) -> Argument {
        Argument { name, default: None, about }
    }

    /// An argument with a default.
    pub const fn optional(name: &'static str, default: &'static str, about: &'static str) -> Argument {
        Argument { name, default: Some(default), about }
    }
}
