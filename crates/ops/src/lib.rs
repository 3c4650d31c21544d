//! The operators with PyTorch's names and arguments, forward and backward side by side.
