//! Every operator, as a function and in the form the executor runs, against naive oracles and differences.

mod activations;
mod common;
mod convolution;
mod dense;
mod joining;
mod losses;
mod moving;
mod normalization;
mod pooling;
mod random;
mod regions;
