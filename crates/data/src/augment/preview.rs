//! Training images next to their augmented variants.

use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::{Augmentation, Augmenter};
use crate::loader::Worker;
use crate::{DataError, Normalization, Normalize, Source, Split};

/// The size of a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Most images to show, the first of each class in turn. Default 8.
    pub images: usize,
    /// Variants of each image, those of the first epochs. Default 8.
    pub variants: usize,
    /// The seed of the run. Default 1.
    pub seed: u64,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        PreviewOptions { images: 8, variants: 8, seed: 1 }
    }
}

/// Images with their variants.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentationPreview {
    /// The augmentation.
    pub augmentation: Augmentation,
    /// The images.
    pub rows: Vec<PreviewRow>,
}

/// An image with its variants.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewRow {
    /// The image's class.
    pub class: String,
    /// The original image.
    pub original: RgbImage,
    /// Its variants in training, epoch by epoch.
    pub variants: Vec<Variant>,
}

/// An image as training sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The picture.
    pub picture: RgbImage,
    /// The other class that the image is blended with, and its share in the target.
    pub mixed: Option<(String, f32)>,
}

/// Passes training images through the steps of a [`Loader`](crate::Loader), as one batch with a variant for each epoch.
///
/// # Errors
/// [`DataError::EmptySplit`], an augmentation that does not fit the images' size, those of [`Source::read`].
///
/// ```
/// use convscope_data::augment::{PreviewOptions, preview};
/// use convscope_data::{SourceOptions, SplitCounts, open};
/// let shapes = SplitCounts { train: 100, val: 20, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let options = PreviewOptions { images: 3, variants: 5, ..PreviewOptions::default() };
/// let preview = preview(&source, "flip=1".parse()?, options)?;
/// let row = &preview.rows[2];
/// assert_eq!((preview.rows.len(), row.variants.len()), (3, 5));
/// assert_eq!(row.original.get_pixel(1, 5), row.variants[4].picture.get_pixel(30, 5));
/// # Ok::<(), convscope_data::DataError>(())
/// ```
pub fn preview(
    source: &Arc<dyn Source>,
    augmentation: Augmentation,
    options: PreviewOptions,
) -> Result<AugmentationPreview, DataError> {
    let split = Split::Train;
    if source.is_empty(split) {
        return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
    }
    let size = source.image_size();
    augmentation.check(size)?;
    let normalization = Normalize::Standard.fit(&**source)?;
    let indices = first_of_each_class(&**source, options.images.max(1));
    let mut worker = Worker::new(Arc::clone(source), split, indices.len(), &normalization)?;
    let picture = |planes: &[f32]| {
        RgbImage::from_fn(size.width as u32, size.height as u32, |x, y| {
            let place = y as usize * size.width + x as usize;
            Rgb(std::array::from_fn(|channel| {
                let channel = channel.min(normalization.channels() - 1);
                byte(planes[channel * size.pixels() + place], &normalization, channel)
            }))
        })
    };
    let class = |label: usize| source.classes()[label].clone();
    let plain = worker.batch(0, &indices, Vec::new())?;
    let mut rows: Vec<PreviewRow> = (plain.images.outer_iter().zip(&plain.labels))
        .map(|(planes, &label)| {
            let original = picture(planes.as_slice().expect("images of a batch are contiguous"));
            PreviewRow { class: class(label), original, variants: Vec::new() }
        })
        .collect();
    worker.augmenter = Some(Augmenter::new(augmentation, options.seed, size, source.channels()));
    for epoch in 0..options.variants as u64 {
        let batch = worker.batch(epoch, &indices, Vec::new())?;
        for (place, (row, planes)) in rows.iter_mut().zip(batch.images.outer_iter()).enumerate() {
            let mixed = batch.mixed.as_ref().map(|mixed| (class(mixed.labels[place]), mixed.shares[place]));
            let picture = picture(planes.as_slice().expect("images of a batch are contiguous"));
            row.variants.push(Variant { picture, mixed });
        }
    }
    Ok(AugmentationPreview { augmentation, rows })
}

/// The first image of every class in the order of the labels, then the second ones, and so on.
fn first_of_each_class(source: &dyn Source, most: usize) -> Vec<usize> {
    let mut seen = vec![0; source.classes().len()];
    let mut ranked: Vec<(usize, usize, usize)> = (0..source.len(Split::Train))
        .map(|index| {
            let label = source.label(Split::Train, index);
            seen[label] += 1;
            (seen[label], label, index)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(most).map(|(.., index)| index).collect()
}

fn byte(value: f32, normalization: &Normalization, channel: usize) -> u8 {
    let colour = value * normalization.std[channel] + normalization.mean[channel];
    (colour * 255.0 + 0.5) as u8
}
