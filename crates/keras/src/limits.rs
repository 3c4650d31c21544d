//! How large a file may be beside its bytes. Networks stay far below.

/// Most groups and arrays that are looked at.
pub const MOST_OBJECTS: usize = 1 << 16;

/// Most groups in each other.
pub const DEEPEST: usize = 32;
