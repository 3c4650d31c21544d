//! Runs the real program, like a user.

mod advice;
mod bad_input;
mod bench;
mod data;
mod durability;
mod ending;
mod exchange;
mod fine_tuning;
mod foreign;
mod hostile;
mod inspect;
mod memory;
mod onnx;
mod operators;
mod own_data;
mod pictures;
mod place;
mod studies;
mod teaching;
mod training;
mod tuning;
mod usage;
