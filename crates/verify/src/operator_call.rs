//! A call of an operator by name.

use crate::Tensor;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An operator's name with its arguments and tensors, named as in PyTorch.
///
/// ```
/// use convscope_verify::{OperatorCall, Tensor};
/// use ndarray::arr2;
/// use serde_json::json;
/// let input = Tensor::F32(arr2(&[[0.0, 0.0], [1e4, -1e4]]).into_dyn());
/// let call = OperatorCall {
///     operator: "softmax".into(),
///     arguments: json!({"dim": -1}).as_object().cloned().unwrap_or_default(),
///     tensors: [("input".into(), input)].into(),
/// };
/// let results = call.run(None)?;
/// assert_eq!(results["output"], Tensor::F32(arr2(&[[0.5, 0.5], [1.0, 0.0]]).into_dyn()));
/// # Ok::<(), convscope_verify::VerifyError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorCall {
    /// PyTorch's functional name: `conv2d`, `max_pool2d`, ...
    pub operator: String,
    /// Keyword arguments.
    pub arguments: Map<String, Value>,
    /// `input`, `weight`, ...; a tensor that is `None` in PyTorch is left out. Those of an operator that takes any number
    /// are `input`, `other`, `other_2`, `other_3` and so on.
    pub tensors: BTreeMap<String, Tensor>,
}
