//! The images of a source in other splits.

use std::path::Path;
use std::sync::Arc;

use crate::source::check_read;
use crate::{DataError, ImageSize, Source, Split, UnreadableFile};

/// How the splits change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    WithoutTest,
    TrainOnVal,
}

struct Regrouped {
    source: Arc<dyn Source>,
    rule: Rule,
}

/// The source without its test images, so that nothing can be chosen by them.
pub fn without_test(source: Arc<dyn Source>) -> Arc<dyn Source> {
    Arc::new(Regrouped { source, rule: Rule::WithoutTest })
}

/// The source with its validation images after its training images, and none left to validate: for a last run when
/// everything has been chosen.
pub fn train_on_val(source: Arc<dyn Source>) -> Arc<dyn Source> {
    Arc::new(Regrouped { source, rule: Rule::TrainOnVal })
}

impl Regrouped {
    /// Where an image lies in the source.
    fn place(&self, split: Split, index: usize) -> (Split, usize) {
        let train = self.source.len(Split::Train);
        if self.rule == Rule::TrainOnVal && split == Split::Train && index >= train {
            (Split::Val, index - train)
        } else {
            (split, index)
        }
    }
}

impl Source for Regrouped {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn is_synthetic(&self) -> bool {
        self.source.is_synthetic()
    }

    fn is_resident(&self) -> bool {
        self.source.is_resident()
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn image_size(&self) -> ImageSize {
        self.source.image_size()
    }

    fn len(&self, split: Split) -> usize {
        let len = |split| self.source.len(split);
        match (self.rule, split) {
            (Rule::WithoutTest, Split::Test) | (Rule::TrainOnVal, Split::Val) => 0,
            (Rule::TrainOnVal, Split::Train) => len(Split::Train) + len(Split::Val),
            _ => len(split),
        }
    }

    fn label(&self, split: Split, index: usize) -> usize {
        let (split, index) = self.place(split, index);
        self.source.label(split, index)
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let (split, index) = self.place(split, index);
        self.source.read(split, index, pixels)
    }

    fn path(&self, split: Split, index: usize) -> Option<&Path> {
        let (split, index) = self.place(split, index);
        self.source.path(split, index)
    }

    fn unreadable(&self) -> &[UnreadableFile] {
        self.source.unreadable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceOptions, SplitCounts, open};

    fn image(source: &dyn Source, split: Split, index: usize) -> (usize, Vec<u8>) {
        let mut pixels = vec![0; source.image_size().bytes()];
        source.read(split, index, &mut pixels).unwrap();
        (source.label(split, index), pixels)
    }

    #[test]
    fn images_are_where_the_new_splits_have_them() {
        let shapes = SplitCounts { train: 30, val: 20, test: 10 };
        let options = SourceOptions { shapes, ..SourceOptions::default() };
        let source = open("shapes", &options).unwrap();
        let lens = |source: &dyn Source| Split::ALL.map(|split| source.len(split));

        let hidden = without_test(Arc::clone(&source));
        assert_eq!(lens(&*hidden), [30, 20, 0]);
        assert_eq!(image(&*hidden, Split::Val, 19), image(&*source, Split::Val, 19));
        let mut pixels = vec![0; source.image_size().bytes()];
        let error = hidden.read(Split::Test, 0, &mut pixels);
        assert!(matches!(error, Err(DataError::Index { split: Split::Test, index: 0, len: 0 })));

        let joined = open("shapes", &SourceOptions { train_on_val: true, ..options }).unwrap();
        assert_eq!(lens(&*joined), [50, 0, 10]);
        assert_eq!(image(&*joined, Split::Train, 29), image(&*source, Split::Train, 29));
        assert_eq!(image(&*joined, Split::Train, 30), image(&*source, Split::Val, 0));
        assert_eq!(image(&*joined, Split::Train, 49), image(&*source, Split::Val, 19));
        assert_eq!(image(&*joined, Split::Test, 9), image(&*source, Split::Test, 9));
        let error = joined.read(Split::Train, 50, &mut pixels);
        assert!(matches!(error, Err(DataError::Index { index: 50, len: 50, .. })));
    }
}
