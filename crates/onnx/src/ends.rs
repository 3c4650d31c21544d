//! Which values of a file a network has at its ends.

/// What a network is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// It classifies: the output becomes a vector with a value for each class, and a last softmax its activation.
    #[default]
    Classifier,
    /// Its outputs are as in the file.
    AsInFile,
}
