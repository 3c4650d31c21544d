//! Pictures that several parts of a page show.

/// The pictures of maps as rules of the style sheet, so that a picture that is shown in many places is embedded once.
#[derive(Default)]
pub(super) struct Sprites {
    pub(super) rules: String,
    count: usize,
}

impl Sprites {
    /// Adds a picture; returns the class that has it as background.
    pub(super) fn add(&mut self, uri: &str) -> String {
        let class = format!("m{}", self.count);
        self.count += 1;
        self.rules.push_str(&format!(".{class}{{--image:url({uri})}}\n"));
        class
    }
}
