//! How the arrays of a file differ from those that a network needs.

use std::fmt;

/// Why the arrays of a file are not those of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Keys that the network needs and the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file that the network has no array for.
    pub surplus: Vec<String>,
    /// Keys with the shape that the network needs and that of the file.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes = self.shapes.iter().map(|(key, needed, found)| format!("{key} {found:?} for {needed:?}"));
        let lists = [
            ("missing", self.missing.clone()),
            ("of another shape", shapes.collect()),
            ("surplus", self.surplus.clone()),
        ];
        let parts = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(what, list)| {
            let more =
                if list.len() > SHOWN { format!(" and {} more", list.len() - SHOWN) } else { String::new() };
            format!("{} {what}: {}{more}", list.len(), list[..list.len().min(SHOWN)].join(", "))
        });
        f.write_str(&parts.collect::<Vec<_>>().join("; "))
    }
}

/// Keys of each list in a message.
const SHOWN: usize = 6;
