//! PyTorch's defaults in the form serde needs; a value equal to its default is not written to a file.

use crate::Pair;

pub(crate) fn one() -> Pair {
    1.into()
}
pub(crate) fn is_one(pair: &Pair) -> bool {
    *pair == one()
}
pub(crate) fn zero() -> Pair {
    0.into()
}
pub(crate) fn is_zero(pair: &Pair) -> bool {
    *pair == zero()
}
pub(crate) fn one_group() -> usize {
    1
}
pub(crate) fn is_one_group(groups: &usize) -> bool {
    *groups == 1
}
pub(crate) fn yes() -> bool {
    true
}
pub(crate) fn is_yes(value: &bool) -> bool {
    *value
}
pub(crate) fn is_no(value: &bool) -> bool {
    !*value
}
