//! Image sources, splits, normalisation and batches.
