//! How two searches differ.

use std::fmt;

/// The differences between two searches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The images, or how they are divided into splits.
    pub data: bool,
    /// The network's description.
    pub model: bool,
    /// Configuration keys, as in the TOML file.
    pub settings: Vec<String>,
}

/// `different images and different settings (lr, optimizer.momentum)`.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.data {
            parts.push("different images".to_owned());
        }
        if self.model {
            parts.push("a different model".to_owned());
        }
        if !self.settings.is_empty() {
            parts.push(format!("different settings ({})", self.settings.join(", ")));
        }
        match parts.split_last() {
            Some((last, rest)) if !rest.is_empty() => write!(f, "{} and {last}", rest.join(", ")),
            _ => f.write_str(&parts.concat()),
        }
    }
}
