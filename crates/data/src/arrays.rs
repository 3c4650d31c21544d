//! Images and labels in arrays.

use std::sync::Arc;

use ndarray::Array4;

use crate::random::{Stream, generator, shuffle};
use crate::source::check_read;
use crate::{DataError, ImageSize, PixelType, Source, Split};

/// Images of any number of channels, shape `[N, C, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Bytes; 255 is white.
    U8(Array4<u8>),
    /// Numbers, used as they are.
    F32(Array4<f32>),
}

/// A source over arrays: images `[N, C, H, W]` of bytes or numbers, and their classes.
///
/// ```
/// use convscope_data::{Arrays, Source, Split};
/// use ndarray::Array4;
///
/// let images = Array4::<f32>::zeros([10, 1, 28, 28]);
/// let labels = vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 0];
/// let source = Arrays::new(images, labels)?.with_validation_share(0.2, 1)?;
/// assert_eq!((source.len(Split::Train), source.len(Split::Val)), (8, 2));
/// assert_eq!(source.classes(), ["0", "1", "2"]);
/// # Ok::<(), convscope_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Arrays {
    name: String,
    classes: Vec<String>,
    channels: usize,
    size: ImageSize,
    pixel_type: PixelType,
    parts: Vec<Part>,
    /// For each split, the location of each image: a part and an index in it.
    splits: [Vec<(usize, usize)>; 3],
}

/// Images that were added together.
#[derive(Clone, Debug)]
struct Part {
    pixels: Pixels,
    labels: Arc<[usize]>,
}

impl Arrays {
    /// Images to train on. The classes are called `0`, `1` and so on up to the largest label, unless they are
    /// [named](Self::with_classes).
    ///
    /// # Errors
    /// [`DataError::Arrays`] for no images, images without pixels, or a different number of labels.
    pub fn new(images: impl Into<Pixels>, labels: Vec<usize>) -> Result<Arrays, DataError> {
        let pixels = images.into();
        let [count, channels, height, width] = pixels.shape();
        if count == 0 || channels * height * width == 0 {
            let problem = format!("images of the shape {:?} have no pixels", pixels.shape());
            return Err(DataError::Arrays { problem });
        }
        let classes = labels.iter().max().map_or(0, |largest| largest + 1).max(2);
        let source = Arrays {
            name: "arrays".to_owned(),
            classes: (0..classes).map(|class| class.to_string()).collect(),
            channels,
            size: ImageSize { height, width },
            pixel_type: pixels.pixel_type(),
            parts: Vec::new(),
            splits: Default::default(),
        };
        source.with(Split::Train, pixels, labels)
    }

    /// The same source with this name for reports.
    pub fn named(self, name: impl Into<String>) -> Arrays {
        Arrays { name: name.into(), ..self }
    }

    /// The same source with names for its classes, in the order of the labels.
    ///
    /// # Errors
    /// [`DataError::Arrays`] for fewer names than classes.
    pub fn with_classes(
        self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Arrays, DataError> {
        let classes: Vec<String> = names.into_iter().map(Into::into).collect();
        let largest = self.parts.iter().flat_map(|part| part.labels.iter()).max().copied().unwrap_or(0);
        if classes.len() <= largest.max(1) {
            let problem = format!("{} names for labels up to {largest}", classes.len());
            return Err(DataError::Arrays { problem });
        }
        Ok(Arrays { classes, ..self })
    }

    /// The same source with additional validation images.
    ///
    /// # Errors
    /// [`DataError::Arrays`] for images of a different shape or type, a different number of labels, or a label without
    /// a class.
    pub fn with_validation(self, images: impl Into<Pixels>, labels: Vec<usize>) -> Result<Arrays, DataError> {
        self.with(Split::Val, images.into(), labels)
    }

    /// The same source with additional test images.
    ///
    /// # Errors
    /// As [`with_validation`](Self::with_validation).
    pub fn with_test(self, images: impl Into<Pixels>, labels: Vec<usize>) -> Result<Arrays, DataError> {
        self.with(Split::Test, images.into(), labels)
    }

    /// The same source with a random share of the training images moved to validation.
    ///
    /// # Errors
    /// [`DataError::Arrays`] for a share that leaves no training or no validation images.
    pub fn with_validation_share(self, share: f64, seed: u64) -> Result<Arrays, DataError> {
        self.move_share(Split::Val, share, seed)
    }

    /// The same source with a random share of the training images moved to the test split.
    ///
    /// # Errors
    /// As [`with_validation_share`](Self::with_validation_share).
    pub fn with_test_share(self, share: f64, seed: u64) -> Result<Arrays, DataError> {
        self.move_share(Split::Test, share, seed)
    }

    fn with(mut self, split: Split, pixels: Pixels, labels: Vec<usize>) -> Result<Arrays, DataError> {
        let [images, channels, height, width] = pixels.shape();
        let problem = if labels.len() != images {
            Some(format!("{images} images have {} labels", labels.len()))
        } else if (channels, ImageSize { height, width }) != (self.channels, self.size) {
            let [own, found] =
                [[self.channels, self.size.height, self.size.width], [channels, height, width]];
            Some(format!("images of the shape {found:?} cannot be combined with those of the shape {own:?}"))
        } else if pixels.pixel_type() != self.pixel_type {
            Some(format!(
                "images of {} cannot be combined with those of {}",
                pixels.pixel_type(),
                self.pixel_type
            ))
        } else {
            let unknown = labels.iter().find(|&&label| label >= self.classes.len());
            unknown
                .map(|label| format!("label {label} has no class; there are {} classes", self.classes.len()))
        };
        if let Some(problem) = problem {
            return Err(DataError::Arrays { problem });
        }
        let part = self.parts.len();
        self.splits[split as usize].extend((0..images).map(|index| (part, index)));
        self.parts.push(Part { pixels, labels: labels.into() });
        Ok(self)
    }

    fn move_share(mut self, split: Split, share: f64, seed: u64) -> Result<Arrays, DataError> {
        let [train, rest @ ..] = &mut self.splits;
        let moved = (share * train.len() as f64).round();
        if !(moved >= 1.0 && moved < train.len() as f64) {
            let problem =
                format!("a share of {share} of {} images would move all of them or none", train.len());
            return Err(DataError::Arrays { problem });
        }
        let mut order: Vec<usize> = (0..train.len()).collect();
        shuffle(&mut generator(seed, Stream::ArraySplit, 0), &mut order);
        let mut taken = order[..moved as usize].to_vec();
        taken.sort_unstable();
        rest[split as usize - 1].extend(taken.iter().map(|&place| train[place]));
        let mut place = 0;
        train.retain(|_| {
            place += 1;
            taken.binary_search(&(place - 1)).is_err()
        });
        Ok(self)
    }

    fn place(&self, split: Split, index: usize) -> (&Part, usize) {
        let (part, index) = self.splits[split as usize][index];
        (&self.parts[part], index)
    }
}

impl Source for Arrays {
    fn name(&self) -> &str {
        &self.name
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn image_size(&self) -> ImageSize {
        self.size
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn pixel_type(&self) -> PixelType {
        self.pixel_type
    }

    fn len(&self, split: Split) -> usize {
        self.splits[split as usize].len()
    }

    fn label(&self, split: Split, index: usize) -> usize {
        let (part, index) = self.place(split, index);
        part.labels[index]
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let (part, index) = self.place(split, index);
        let Pixels::U8(images) = &part.pixels else {
            return Err(DataError::PixelType { name: self.name.clone(), pixels: self.pixel_type });
        };
        let image = images.index_axis(ndarray::Axis(0), index);
        for (channel, plane) in image.outer_iter().enumerate() {
            let places = pixels.iter_mut().skip(channel).step_by(self.channels);
            places.zip(&plane).for_each(|(pixel, &value)| *pixel = value);
        }
        Ok(())
    }

    fn read_f32(&self, split: Split, index: usize, planes: &mut [f32]) -> Result<(), DataError> {
        check_read(self, split, index, planes.len())?;
        let (part, index) = self.place(split, index);
        let Pixels::F32(images) = &part.pixels else {
            return Err(DataError::PixelType { name: self.name.clone(), pixels: self.pixel_type });
        };
        let image = images.index_axis(ndarray::Axis(0), index);
        planes.iter_mut().zip(&image).for_each(|(to, &value)| *to = value);
        Ok(())
    }
}

impl Pixels {
    fn shape(&self) -> [usize; 4] {
        let (images, channels, height, width) = match self {
            Pixels::U8(images) => images.dim(),
            Pixels::F32(images) => images.dim(),
        };
        [images, channels, height, width]
    }

    fn pixel_type(&self) -> PixelType {
        match self {
            Pixels::U8(_) => PixelType::U8,
            Pixels::F32(_) => PixelType::F32,
        }
    }
}

impl From<Array4<u8>> for Pixels {
    fn from(images: Array4<u8>) -> Pixels {
        Pixels::U8(images)
    }
}

impl From<Array4<f32>> for Pixels {
    fn from(images: Array4<f32>) -> Pixels {
        Pixels::F32(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Augmentation, Loader, Normalize, Order};

    fn bytes(images: usize, channels: usize) -> Array4<u8> {
        Array4::from_shape_fn([images, channels, 2, 3], |(n, c, y, x)| (n * 40 + c * 10 + y * 3 + x) as u8)
    }

    fn batch(source: Arrays, augment: &str) -> Result<Array4<f32>, DataError> {
        let source: Arc<dyn Source> = Arc::new(source);
        let normalization = Normalize::Unit.fit(&*source)?;
        let loader = Loader::new(source, Split::Train, 3, Order::Sequential, &normalization)?;
        let loader = loader.augmented(augment.parse::<Augmentation>()?, 1)?;
        Ok(loader.epoch(0, 0).next().unwrap()?.images)
    }

    #[test]
    fn bytes_and_numbers_of_any_channels_reach_the_batch() {
        for channels in [1, 2, 3, 5] {
            let images = bytes(3, channels);
            let found = batch(Arrays::new(images.clone(), vec![0, 1, 1]).unwrap(), "none").unwrap();
            assert_eq!(found, images.mapv(|byte| f32::from(byte) / 255.0), "{channels}");
            let numbers = images.mapv(|byte| f32::from(byte) - 60.5);
            let found = batch(Arrays::new(numbers.clone(), vec![0, 1, 1]).unwrap(), "none").unwrap();
            assert_eq!(found, numbers, "{channels}");
        }
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_numbers() {
        let images = bytes(3, 2).mapv(|byte| f32::from(byte) * 100.0 + 1e4);
        let source = Arrays::new(images.clone(), vec![0, 1, 1]).unwrap();
        let found = Normalize::Standard.fit(&source).unwrap();
        for channel in 0..2 {
            let plane = images.index_axis(ndarray::Axis(1), channel).mapv(f64::from);
            assert!((f64::from(found.mean[channel]) - plane.mean().unwrap()).abs() < 1e-2);
            assert!((f64::from(found.std[channel]) / plane.std(0.0) - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn grey_bytes_are_changed_as_colours_are_and_other_pixels_are_not() {
        let grey = bytes(3, 1);
        let flipped = batch(Arrays::new(grey.clone(), vec![0, 1, 1]).unwrap(), "flip=1").unwrap();
        let mirrored = grey.slice(ndarray::s![.., .., .., ..;-1]).mapv(|byte| f32::from(byte) / 255.0);
        assert_eq!(flipped, mirrored);
        for source in [
            Arrays::new(bytes(3, 2), vec![0, 1, 1]).unwrap(),
            Arrays::new(grey.mapv(f32::from), vec![0, 1, 1]).unwrap(),
        ] {
            let refused = batch(source.clone(), "flip").unwrap_err().to_string();
            assert!(refused.contains("only cutout, mixup and cutmix"), "{refused}");
            batch(source, "cutout=0.5,mixup").unwrap();
        }
    }

    #[test]
    fn parts_and_shares_become_splits() {
        let source = Arrays::new(bytes(5, 1), vec![0, 1, 2, 3, 0]).unwrap();
        let source = source.with_test(bytes(2, 1), vec![3, 2]).unwrap();
        let source = source.with_validation_share(0.4, 3).unwrap();
        assert_eq!(Split::ALL.map(|split| source.len(split)), [3, 2, 2]);
        assert_eq!((source.label(Split::Test, 0), source.label(Split::Test, 1)), (3, 2));
        let mut labels: Vec<usize> = (0..3).map(|index| source.label(Split::Train, index)).collect();
        labels.extend((0..2).map(|index| source.label(Split::Val, index)));
        labels.sort_unstable();
        assert_eq!(labels, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let problem = |result: Result<Arrays, DataError>| result.err().unwrap().to_string();
        assert_eq!(problem(Arrays::new(bytes(3, 1), vec![0, 1])), "3 images have 2 labels");
        assert!(problem(Arrays::new(bytes(0, 1), vec![])).contains("no pixels"));
        let source = || Arrays::new(bytes(2, 1), vec![0, 1]).unwrap();
        assert!(problem(source().with_test(bytes(1, 2), vec![0])).contains("[2, 2, 3]"));
        assert!(problem(source().with_test(bytes(1, 1).mapv(f32::from), vec![0])).contains("f32"));
        assert!(problem(source().with_test(bytes(1, 1), vec![2])).contains("label 2 has no class"));
        assert!(problem(source().with_validation_share(0.1, 1)).contains("0.1"));
        assert!(problem(source().with_classes(["a"])).contains("1 names"));
    }
}
