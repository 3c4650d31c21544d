//! Cross entropy of the softmax of logits.
//!
//! Against a class `y`, with class weights `w` and label smoothing `e` over `C` classes:
//! `loss = -(1 - e) * w[y] * log p[y] - e / C * sum over c of w[c] * log p[c]`. Against probabilities `t`:
//! `loss = -sum over c of w[c] * ((1 - e) * t[c] + e / C) * log p[c]`. In both, `p` is the softmax of the logits.
//!
//! The mean divides by the sum of `w[y]` over all targets that are not ignored, or, against probabilities, by their
//! number.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html>

mod functional;

pub use functional::{CrossEntropyArguments, Target, cross_entropy, cross_entropy_backward};

const NAME: &str = "cross_entropy";
