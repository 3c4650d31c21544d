//! What the arrays of a file are called elsewhere.

use std::collections::BTreeMap;

/// What the arrays of a file are called in a network: its key, or the name of a node for all its arrays, and what stands for it in
/// the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap(BTreeMap<String, String>);

impl KeyMap {
    /// Reads lines `ours = theirs`; empty lines and those that begin with `#` count for nothing. Either side is the key of an array,
    /// or both are prefixes: the name of a node, and what stands for it in the file.
    ///
    /// # Errors
    /// The number of a line without `=`, or that names something twice, and what is wrong with it.
    ///
    /// ```
    /// use convscope_graph::KeyMap;
    /// let names = KeyMap::parse("conv2d = features.0\ndense.weight = head.w\n")?;
    /// assert_eq!(names.theirs("conv2d", "conv2d.bias"), "features.0.bias");
    /// assert_eq!(names.theirs("dense", "dense.weight"), "head.w");
    /// assert_eq!(names.theirs("dense", "dense.bias"), "dense.bias");
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str) -> Result<KeyMap, String> {
        let mut map = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem: &str| format!("line {}: {problem}: {line}", number + 1);
            let (ours, theirs) = line.split_once('=').ok_or_else(|| wrong("has no '='"))?;
            let [ours, theirs] = [ours, theirs].map(|side| side.trim().trim_matches('"').to_owned());
            if ours.is_empty() || theirs.is_empty() {
                return Err(wrong("one side is empty"));
            }
            if map.insert(ours, theirs).is_some() {
                return Err(wrong("the left side was there before"));
            }
        }
        Ok(KeyMap(map))
    }

    /// The key in the file of an array `key` of the node `node`.
    pub fn theirs(&self, node: &str, key: &str) -> String {
        if let Some(theirs) = self.0.get(key) {
            return theirs.clone();
        }
        match self.0.get(node) {
            Some(theirs) => format!("{theirs}{}", &key[node.len()..]),
            None => key.to_owned(),
        }
    }
}
