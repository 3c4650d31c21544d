//! The images of a source in different splits.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::manifest::ImageId;
use crate::random::{Stream, generator, shuffle};
use crate::source::check_read;
use crate::{DataError, ImageSize, Manifest, PixelType, Remarks, Source, Split};

/// The location of an image in the source.
type Location = (Split, usize);

/// A source with its own table for each split.
struct Regrouped {
    source: Arc<dyn Source>,
    /// In the order of [`Split::ALL`].
    splits: [Vec<Location>; 3],
    /// The classes, and for each of the source's classes its index in them; `None` if they are the source's own.
    relabelled: Option<(Vec<String>, Vec<usize>)>,
}

/// The source without its test images, so that nothing can be chosen based on them.
pub fn without_test(source: Arc<dyn Source>) -> Arc<dyn Source> {
    let splits = [all(&*source, Split::Train), all(&*source, Split::Val), Vec::new()];
    Arc::new(Regrouped { source, splits, relabelled: None })
}

/// The source with its validation images after its training images, and no validation images: for a final run when
/// everything has been chosen.
pub fn train_on_val(source: Arc<dyn Source>) -> Arc<dyn Source> {
    let train = [all(&*source, Split::Train), all(&*source, Split::Val)].concat();
    let splits = [train, Vec::new(), all(&*source, Split::Test)];
    Arc::new(Regrouped { source, splits, relabelled: None })
}

/// The source with some of the images of one split: those for which `keep`, called with their indices, returns true.
pub fn only(source: Arc<dyn Source>, split: Split, keep: impl Fn(usize) -> bool) -> Arc<dyn Source> {
    let splits = Split::ALL.map(|of| {
        let mut images = all(&*source, of);
        images.retain(|(_, index)| of != split || keep(*index));
        images
    });
    Arc::new(Regrouped { source, splits, relabelled: None })
}

/// The source with all its images in the test split, labelled by the indices of their classes in `classes`.
///
/// # Errors
/// [`DataError::OtherClass`] for a class of the source that is not in `classes`.
pub fn whole(source: Arc<dyn Source>, classes: &[String]) -> Result<Arc<dyn Source>, DataError> {
    let place = |class: &String| {
        let place = classes.iter().position(|known| known == class);
        let path = Path::new(source.name()).join(class);
        place.ok_or_else(|| DataError::OtherClass { path, classes: classes.to_vec() })
    };
    let places = source.classes().iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let splits = [Vec::new(), Vec::new(), Split::ALL.map(|split| all(&*source, split)).concat()];
    Ok(Arc::new(Regrouped { source, splits, relabelled: Some((classes.to_vec(), places)) }))
}

/// The source with the images of all splits as training images, in the order of the splits.
pub fn all_for_training(source: Arc<dyn Source>) -> Arc<dyn Source> {
    let splits = [Split::ALL.map(|split| all(&*source, split)).concat(), Vec::new(), Vec::new()];
    Arc::new(Regrouped { source, splits, relabelled: None })
}

/// One part of a source to test on, and the rest to train on.
pub struct Fold {
    /// The source with these splits and no validation images.
    pub source: Arc<dyn Source>,
    /// The indices of its training images in [`all_for_training`].
    pub train: Vec<usize>,
    /// The same for its test images.
    pub test: Vec<usize>,
}

/// Divides all images of a source into so many parts of nearly the same size, each with its share of every class. Copies of an
/// image stay together. The parts depend on the seed and on which images there are.
pub fn folds(source: &Arc<dyn Source>, count: usize, seed: u64) -> Vec<Fold> {
    let whole = all_for_training(Arc::clone(source));
    let places = all(&*whole, Split::Train);
    let ids = whole.image_ids(Split::Train);
    // One after the other to the folds, class by class, so that neither a class nor a fold gets more than its share.
    let mut order: Vec<usize> = (0..places.len()).collect();
    shuffle(&mut generator(seed, Stream::Folds, 0), &mut order);
    order.sort_by_key(|&index| whole.label(Split::Train, index));
    let mut fold_of = vec![0; places.len()];
    let mut known: HashMap<ImageId, usize> = HashMap::new();
    let mut next = 0;
    for index in order {
        let placed = ids.as_ref().and_then(|ids| known.get(&ids[index]).copied());
        fold_of[index] = placed.unwrap_or_else(|| {
            next = (next + 1) % count;
            next
        });
        if let Some(ids) = &ids {
            known.insert(ids[index], fold_of[index]);
        }
    }
    let fold = |fold: usize| {
        let (test, train): (Vec<usize>, Vec<usize>) =
            (0..places.len()).partition(|&index| fold_of[index] == fold);
        let of = |indices: &[usize]| indices.iter().map(|&index| places[index]).collect::<Vec<Location>>();
        let splits = [of(&train), Vec::new(), of(&test)];
        let source = Arc::new(Regrouped { source: Arc::clone(&whole), splits, relabelled: None });
        Fold { source, train, test }
    };
    (0..count).map(fold).collect()
}

fn all(source: &dyn Source, split: Split) -> Vec<Location> {
    (0..source.len(split)).map(|index| (split, index)).collect()
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
        self.relabelled.as_ref().map_or_else(|| self.source.classes(), |(classes, _)| classes)
    }

    fn image_size(&self) -> ImageSize {
        self.source.image_size()
    }

    fn channels(&self) -> usize {
        self.source.channels()
    }

    fn pixel_type(&self) -> PixelType {
        self.source.pixel_type()
    }

    fn len(&self, split: Split) -> usize {
        self.splits[split as usize].len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        let (split, index) = self.splits[split as usize][index];
        let label = self.source.label(split, index);
        self.relabelled.as_ref().map_or(label, |(_, places)| places[label])
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let (split, index) = self.splits[split as usize][index];
        self.source.read(split, index, pixels)
    }

    fn read_f32(&self, split: Split, index: usize, planes: &mut [f32]) -> Result<(), DataError> {
        check_read(self, split, index, planes.len())?;
        let (split, index) = self.splits[split as usize][index];
        self.source.read_f32(split, index, planes)
    }

    fn path(&self, split: Split, index: usize) -> Option<&Path> {
        let &(split, index) = self.splits[split as usize].get(index)?;
        self.source.path(split, index)
    }

    fn remarks(&self) -> &Remarks {
        self.source.remarks()
    }

    /// The manifest of the whole data set, in its own splits.
    fn manifest(&self) -> Option<&Manifest> {
        self.source.manifest()
    }

    fn image_ids(&self, split: Split) -> Option<Vec<ImageId>> {
        let [train, val, test] = Split::ALL.map(|split| self.source.image_ids(split));
        let ids = [train?, val?, test?];
        let place = |&(split, index): &Location| ids[split as usize][index];
        Some(self.splits[split as usize].iter().map(place).collect())
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

        let parts = folds(&source, 4, 1);
        let everything = all_for_training(Arc::clone(&source));
        assert_eq!(lens(&*everything), [60, 0, 0]);
        let mut tested = vec![0; 60];
        for part in &parts {
            assert_eq!((part.train.len(), part.test.len()), (45, 15));
            assert_eq!(lens(&*part.source), [45, 0, 15]);
            for (place, &index) in part.test.iter().enumerate() {
                tested[index] += 1;
                assert!(!part.train.contains(&index));
                let [found, expected] =
                    [(&part.source, Split::Test, place), (&everything, Split::Train, index)]
                        .map(|(source, split, index)| image(&**source, split, index));
                assert_eq!(found, expected);
            }
            assert_eq!(
                image(&*part.source, Split::Train, 44),
                image(&*everything, Split::Train, part.train[44])
            );
            // Six of each of ten classes.
            for class in 0..10 {
                let of_class = (0..15).filter(|&at| part.source.label(Split::Test, at) == class).count();
                assert!((1..=2).contains(&of_class), "{of_class}");
            }
        }
        assert_eq!(tested, [1; 60]);
        assert_ne!(folds(&source, 4, 2)[0].test, parts[0].test);

        let some = only(Arc::clone(&source), Split::Test, |index| index % 3 == 1);
        assert_eq!(lens(&*some), [30, 20, 3]);
        assert_eq!(image(&*some, Split::Test, 2), image(&*source, Split::Test, 7));
        assert_eq!(some.manifest(), source.manifest());
        let ids = source.image_ids(Split::Test).unwrap();
        assert_eq!(some.image_ids(Split::Test).unwrap(), [ids[1], ids[4], ids[7]]);
        let of_val = source.image_ids(Split::Val).unwrap();
        assert_eq!(joined.image_ids(Split::Train).unwrap()[30..], of_val);
        assert!(of_val.iter().all(|id| !ids.contains(id)));
    }

    #[test]
    fn all_images_test_by_the_classes_that_are_asked_about() {
        let shapes = SplitCounts { train: 30, val: 20, test: 10 };
        let options = SourceOptions { shapes, ..SourceOptions::default() };
        let source = open("shapes", &options).unwrap();
        let mut classes = source.classes().to_vec();
        classes.reverse();
        classes.insert(3, "dodecahedron".to_owned());
        let all = whole(Arc::clone(&source), &classes).unwrap();
        assert_eq!(Split::ALL.map(|split| all.len(split)), [0, 0, 60]);
        for index in 0..60 {
            let (split, place) = match index {
                0..30 => (Split::Train, index),
                30..50 => (Split::Val, index - 30),
                _ => (Split::Test, index - 50),
            };
            let (label, pixels) = image(&*all, Split::Test, index);
            let (expected, expected_pixels) = image(&*source, split, place);
            assert_eq!(classes[label], source.classes()[expected]);
            assert_eq!(pixels, expected_pixels);
        }
        let fewer = &classes[1..];
        assert!(matches!(whole(source, fewer), Err(DataError::OtherClass { .. })));
    }
}
