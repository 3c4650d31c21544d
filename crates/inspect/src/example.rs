//! The image that is looked at closely.

use std::path::PathBuf;
use std::sync::Arc;

use convscope_data::{Source, Split, decode_image};
use convscope_train::metrics::argmax;
use ndarray::{Array2, Array4, Axis};
use serde::Serialize;

use crate::inspector::probabilities;
use crate::{InspectError, Inspector};

/// Which image to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first image that the network gets right, of the test images, or where there are none of the validation or
    /// training images; the very first image where it gets none of the first 2,048 right.
    #[default]
    CorrectlyClassified,
    /// The image at this position of a split.
    Index(Split, usize),
    /// A picture file, resized to the network's input.
    File(PathBuf),
}

/// A picture and what the network says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleImage {
    /// Where it is from: `test image 12`, or the file's name.
    pub name: String,
    /// Its split, where it is from one.
    pub split: Option<Split>,
    /// Its position in the split, where it is from one.
    pub index: Option<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Interleaved red, green and blue, row by row, at the network's input size.
    pub rgb: Vec<u8>,
    /// Its true class, where it is known.
    pub label: Option<usize>,
    /// The most probable class.
    pub prediction: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// How many images are tried for one that the network gets right.
const MOST_TRIED: usize = 2048;
/// How many of them are tried together.
const TRIED_TOGETHER: usize = 16;

impl Inspector {
    /// The image of this choice, with what the network says of it. `source` is needed for all choices but a file.
    ///
    /// # Errors
    /// An image that does not exist or cannot be read, data that does not fit the network.
    pub fn example(
        &mut self,
        source: Option<&Arc<dyn Source>>,
        choice: &Choice,
    ) -> Result<ExampleImage, InspectError> {
        if let Some(source) = source {
            self.check_source(&**source)?;
        }
        match (choice, source) {
            (Choice::File(path), _) => {
                let rgb = decode_image(path, self.image_size(), self.framing(), self.pixel_limit())?;
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let logits = self.logits_of(&[&rgb])?;
                Ok(self.described(name, None, rgb, &logits))
            }
            (_, None) => Err(InspectError::NoData),
            (&Choice::Index(split, index), Some(source)) => {
                let images = source.len(split);
                if index >= images {
                    return Err(InspectError::UnknownImage { index, split, images });
                }
                self.image_of(&**source, split, index)
            }
            (Choice::CorrectlyClassified, Some(source)) => {
                let (split, index) = self.correctly_classified(&**source)?;
                self.image_of(&**source, split, index)
            }
        }
    }

    /// The normalised image as the network takes it, `[1, 3, height, width]`.
    pub(crate) fn planes(&self, image: &ExampleImage) -> Result<Array4<f32>, InspectError> {
        self.batch_of(&[&image.rgb])
    }

    /// The normalised images of these pixels, `[N, 3, height, width]`.
    fn batch_of(&self, pixels: &[&[u8]]) -> Result<Array4<f32>, InspectError> {
        let size = self.image_size();
        let mut planes = Array4::zeros((pixels.len(), convscope_data::CHANNELS, size.height, size.width));
        for (mut image, pixels) in planes.axis_iter_mut(Axis(0)).zip(pixels) {
            self.normalization().apply(pixels, image.as_slice_mut().expect("a new array is contiguous"))?;
        }
        Ok(planes)
    }

    fn logits_of(&mut self, pixels: &[&[u8]]) -> Result<Array2<f32>, InspectError> {
        let images = self.batch_of(pixels)?;
        Ok(self.executor_mut().logits(images.view(), None)?)
    }

    fn correctly_classified(&mut self, source: &dyn Source) -> Result<(Split, usize), InspectError> {
        let split =
            [Split::Test, Split::Val, Split::Train].into_iter().find(|&split| !source.is_empty(split));
        let split = split.ok_or(InspectError::NoData)?;
        let most = source.len(split).min(MOST_TRIED);
        for first in (0..most).step_by(TRIED_TOGETHER) {
            let indices = first..(first + TRIED_TOGETHER).min(most);
            let read = |index| read(source, split, index);
            let pixels: Vec<Vec<u8>> = indices.clone().map(read).collect::<Result<_, _>>()?;
            let logits = self.logits_of(&pixels.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            let is_right = |(row, index): &(ndarray::ArrayView1<'_, f32>, &usize)| {
                argmax(&row.to_vec()) == source.label(split, **index)
            };
            let indices: Vec<usize> = indices.collect();
            if let Some((_, &index)) = logits.outer_iter().zip(&indices).find(is_right) {
                return Ok((split, index));
            }
        }
        Ok((split, 0))
    }

    fn image_of(
        &mut self,
        source: &dyn Source,
        split: Split,
        index: usize,
    ) -> Result<ExampleImage, InspectError> {
        let rgb = read(source, split, index)?;
        let logits = self.logits_of(&[&rgb])?;
        let place = Some((split, index, source.label(split, index)));
        Ok(self.described(format!("{} image {index}", split.adjective()), place, rgb, &logits))
    }

    fn described(
        &self,
        name: String,
        place: Option<(Split, usize, usize)>,
        rgb: Vec<u8>,
        logits: &Array2<f32>,
    ) -> ExampleImage {
        let logits = logits.row(0).to_vec();
        let size = self.image_size();
        ExampleImage {
            name,
            split: place.map(|(split, _, _)| split),
            index: place.map(|(_, index, _)| index),
            height: size.height,
            width: size.width,
            rgb,
            label: place.map(|(_, _, label)| label),
            prediction: argmax(&logits),
            probabilities: probabilities(&logits),
            classes: self.classes().to_vec(),
        }
    }
}

fn read(source: &dyn Source, split: Split, index: usize) -> Result<Vec<u8>, InspectError> {
    let mut pixels = vec![0; source.image_size().bytes()];
    source.read(split, index, &mut pixels)?;
    Ok(pixels)
}
