//! The functions and classes that a pickle may name.

use crate::Dtype;

/// A Python object that may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// `OrderedDict` or `dict`.
    Dict,
    /// `torch.Size`, whose argument is its value.
    Size,
    /// `_rebuild_tensor`, `_rebuild_tensor_v2` and `_rebuild_tensor_v3`: storage, offset, shape, strides, ...
    Tensor,
    /// `_rebuild_parameter`: an array is its first argument.
    Parameter,
    /// `_rebuild_from_type_v2`: a function, a type, and the arguments of the function.
    FromType,
    /// The type of a storage, with that of its elements.
    Storage(Option<Dtype>),
    Dtype(Dtype),
    /// The type of something that is often beside arrays, and is not looked into.
    Opaque,
}
