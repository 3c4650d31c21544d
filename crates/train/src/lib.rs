//! Optimizers, schedules, metrics, the training loop and the run directory.
