//! Normalisation of each channel over a batch.
//!
//! `output = (input - mean) / sqrt(var + eps) * weight + bias`, each by channel. In training mean and variance are
//! those of the batch (the variance divided by the number `n` of values, not `n - 1`) and the running statistics move
//! towards them: `running = (1 - momentum) * running + momentum * batch`, where the batch's variance is divided by
//! `n - 1`. In inference they are the running statistics.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html>, Ioffe and
//! Szegedy, "Batch normalization", 2015.

mod bound;
mod clamped;
mod functional;
mod layer;
mod momentum;

pub use functional::{BatchNormArguments, BatchNormGradients, batch_norm, batch_norm_backward};
pub use layer::BatchNorm;
pub use momentum::Momentum;

const NAME: &str = "batch_norm";
