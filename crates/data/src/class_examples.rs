//! The first images of every class.

use image::{Rgb, RgbImage};

use crate::CHANNELS;
use crate::{DataError, Source, Split};

/// How many examples are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExampleLimits {
    /// Classes at most, in the order of the labels. Default 20.
    pub classes: usize,
    /// Images of each class at most. Default 12.
    pub images: usize,
}

impl Default for ExampleLimits {
    fn default() -> Self {
        ExampleLimits { classes: 20, images: 12 }
    }
}

/// The first images of a class in one split.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassExamples {
    /// The label of the class.
    pub label: usize,
    /// The name of the class.
    pub class: String,
    /// How many images of the class the split has.
    pub total: usize,
    /// The first of them, as they are in the source: all of the same size.
    pub images: Vec<RgbImage>,
}

/// Reads the first images of each class.
///
/// # Errors
/// [`DataError::EmptySplit`], and those of [`Source::read`].
///
/// ```
/// use convscope_data::{ExampleLimits, SourceOptions, Split, SplitCounts, class_examples, open};
///
/// let shapes = SplitCounts { train: 100, val: 20, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let limits = ExampleLimits { images: 5, ..ExampleLimits::default() };
/// let examples = class_examples(&*source, Split::Train, limits)?;
/// assert_eq!((examples.len(), examples[3].images.len(), examples[3].total), (10, 5, 10));
/// # Ok::<(), convscope_data::DataError>(())
/// ```
pub fn class_examples(
    source: &dyn Source,
    split: Split,
    limits: ExampleLimits,
) -> Result<Vec<ClassExamples>, DataError> {
    if source.is_empty(split) {
        return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
    }
    let size = source.image_size();
    let mut examples: Vec<ClassExamples> = (source.classes().iter().enumerate().take(limits.classes))
        .map(|(label, class)| ClassExamples { label, class: class.clone(), total: 0, images: Vec::new() })
        .collect();
    let mut pixels = vec![0; size.bytes()];
    for index in 0..source.len(split) {
        let Some(of_class) = examples.get_mut(source.label(split, index)) else { continue };
        of_class.total += 1;
        if of_class.images.len() < limits.images {
            source.read_rgb(split, index, &mut pixels)?;
            of_class.images.push(RgbImage::from_fn(size.width as u32, size.height as u32, |x, y| {
                let start = (y as usize * size.width + x as usize) * CHANNELS;
                Rgb([pixels[start], pixels[start + 1], pixels[start + 2]])
            }));
        }
    }
    Ok(examples)
}
