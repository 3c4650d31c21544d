//! How large a pickle may be. A checkpoint of a large network with its optimizer's state stays far below.

/// Most instructions of all pickles of a file.
pub const MOST_INSTRUCTIONS: usize = 1 << 24;

/// Most values that a pickle may make.
pub const MOST_VALUES: usize = 1 << 21;

/// Most axes of an array.
pub const MOST_AXES: usize = 64;
