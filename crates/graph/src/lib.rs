//! From a model description to a graph, a plan and its execution.
