//! Naive oracles, gradient checks and case tables for tests.
