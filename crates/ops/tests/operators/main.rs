//! Every operator, as a function and in bound form, against naive oracles and finite differences.

mod activations;
mod common;
mod convolution;
mod dense;
mod every_layer;
mod joining;
mod losses;
mod moving;
mod normalization;
mod pooling;
mod random;
mod regions;
