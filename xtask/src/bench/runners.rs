//! What runs a subject.

/// A program with its arguments.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) runner: Runner,
    pub(super) arguments: Vec<&'static str>,
}

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    Convscope,
    /// A Convscope binary from before a change.
    Before,
    PyTorch,
    TensorFlow,
    OnnxRuntime,
    Burn,
    Candle,
}
