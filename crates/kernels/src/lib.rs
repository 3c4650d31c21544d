//! Loops over slices and sizes, with SIMD chosen at run time.
//!
//! The lowest layer of Convscope. It has no tensors or operators: every function takes `f32` slices in channels-last
//! order (`[image, row, column, channel]`) and a struct of sizes that was checked when it was created. It is also the
//! only crate of the workspace that may contain `unsafe`.
//!
//! - [`Isa`]: which vector instructions a call uses; a value of this type proves that the processor has them.
//! - [`Buffer`]: memory aligned for vectors.
//! - [`memory`]: fallible allocation of vectors.
//! - [`conv`]: convolution, and its gradients with respect to input and weight.
//! - [`pool`]: maximum and mean over windows.
//! - [`elementwise`]: activations and sums.
//! - [`channels`]: sums, moments, scale and shift per channel.
//! - [`clamped`]: batch normalisation with limits on its values.
//! - [`loss`]: losses of rows and their gradients.
//! - [`random`]: masks from a hash of the position.
//! - [`roi`]: pooling of regions.
//! - [`layout`]: planes to channels-last and back.
//! - [`statistics`]: sums and counts that describe the values in a network.
//! - [`sum`]: the sum of two values.
//! - [`peak`]: the most multiply-adds that this machine can do.
//! - [`threads`]: the thread pool.
//!
//! Kernels assume valid input: they assert their slices' lengths, which only a bug in Convscope can violate.
#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop, reason = "tiles index several arrays by the same lane")]
#![warn(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

mod buffer;
pub mod channels;
pub mod clamped;
pub mod conv;
pub mod elementwise;
mod epilogue;
pub mod layout;
pub mod loss;
pub mod memory;
pub mod peak;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod roi;
pub mod rows;
mod simd;
pub mod statistics;
pub mod sum;
pub mod threads;

pub use buffer::Buffer;
pub use epilogue::Epilogue;
pub use simd::{Isa, IsaError};
