//! The image to inspect in detail.

use std::path::PathBuf;
use std::sync::Arc;

use convscope_data::{CHANNELS, Channels, PixelType, Source, Split, decode_image, spread};
use convscope_ops::argmax;
use ndarray::{Array2, Array4, ArrayView3};
use serde::Serialize;

use crate::inspector::probabilities;
use crate::{InspectError, Inspector};

/// Which image to inspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first image that the network gets right, from the test images or, if there are none, the validation or
    /// training images; the very first image if it gets none of the first 2,048 right.
    #[default]
    CorrectlyClassified,
    /// The image at this position of a split.
    Index(Split, usize),
    /// A picture file, resized to the network's input.
    File(PathBuf),
}

/// A picture and the network's prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleImage {
    /// Its origin: `test image 12`, or the file's name.
    pub name: String,
    /// Its split, if it is from one.
    pub split: Option<Split>,
    /// Its position in the split, if it is from one.
    pub index: Option<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Interleaved red, green and blue, row by row, at the network's input size, for display.
    pub rgb: Vec<u8>,
    /// The normalised input values, shape (channels, height, width).
    #[serde(skip)]
    pub planes: Vec<f32>,
    /// Its true class, if known.
    pub label: Option<usize>,
    /// The most probable class.
    pub prediction: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// How many images are tried to find one that the network gets right.
const MOST_TRIED: usize = 2048;
/// How many of them are tried together.
const TRIED_TOGETHER: usize = 16;

impl Inspector {
    /// The chosen image, with the network's prediction. `source` is needed for all choices except a file.
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
                self.check_takes_pictures()?;
                let rgb = decode_image(path, self.image_size(), self.framing(), self.pixel_limit())?;
                let channels = self.channels();
                let pixels = channels.of_rgb(rgb);
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let mut planes = vec![0.0; pixels.len()];
                self.normalization().apply(&pixels, &mut planes)?;
                let rgb = match channels {
                    Channels::Rgb => pixels,
                    Channels::Grey => pixels.iter().flat_map(|&grey| [grey; CHANNELS]).collect(),
                };
                self.described(name, None, rgb, planes)
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
                let right = self.right_images(&**source, 1)?;
                let (split, index) = match right.first() {
                    Some(&place) => place,
                    None => (looked_at(&**source)?, 0),
                };
                self.image_of(&**source, split, index)
            }
        }
    }

    /// A given image, `[C, H, W]`, with the network's prediction. Its values must be on the scale of the training
    /// images before normalisation: for a network trained on pictures, from 0 to 1.
    ///
    /// # Errors
    /// A shape that is not the network's.
    pub fn example_of(
        &mut self,
        name: impl Into<String>,
        image: ArrayView3<'_, f32>,
    ) -> Result<ExampleImage, InspectError> {
        let input = self.graph().image();
        let (channels, height, width) = image.dim();
        if input != [channels, height, width] {
            let shape = |[channels, height, width]: [usize; 3]| format!("[{channels}, {height}, {width}]");
            let (expected, found) = (shape(input), shape([channels, height, width]));
            return Err(InspectError::OtherSize { expected, found });
        }
        let mut planes: Vec<f32> = image.iter().copied().collect();
        let bytes = if self.takes_bytes() {
            planes.iter().map(|value| (value * 255.0).round() as u8).collect()
        } else {
            spread(&planes)
        };
        let plane = height * width;
        let shown = |channel: usize| if channels < CHANNELS { 0 } else { channel };
        let rgb = (0..plane)
            .flat_map(|pixel| (0..CHANNELS).map(move |channel| shown(channel) * plane + pixel))
            .map(|place| bytes[place])
            .collect();
        self.normalization().apply_f32(&mut planes)?;
        self.described(name.into(), None, rgb, planes)
    }

    /// The normalised image in the network's form, `[1, channels, height, width]`.
    pub(crate) fn planes(&self, image: &ExampleImage) -> Result<Array4<f32>, InspectError> {
        self.batch_of(&[&image.planes])
    }

    /// These normalised images, `[N, channels, height, width]`.
    fn batch_of(&self, images: &[&[f32]]) -> Result<Array4<f32>, InspectError> {
        let [channels, height, width] = self.graph().image();
        let shape = (images.len(), channels, height, width);
        let found = images.first().map_or(0, |image| image.len());
        Array4::from_shape_vec(shape, images.concat()).map_err(|_| InspectError::OtherSize {
            expected: format!("{} values", channels * height * width),
            found: format!("{found}"),
        })
    }

    fn logits_of(&mut self, images: &[&[f32]]) -> Result<Array2<f32>, InspectError> {
        let images = self.batch_of(images)?;
        Ok(self.executor_mut().logits(images.view(), None)?)
    }

    /// Images that the network gets right, from the test images or, if there are none, the validation or training
    /// images: the first one of each class in order, at most `most`. There may be none among the first 2,048 images.
    ///
    /// # Errors
    /// Data without images or that does not fit the network, an image that cannot be read.
    pub fn right_images(
        &mut self,
        source: &dyn Source,
        most: usize,
    ) -> Result<Vec<(Split, usize)>, InspectError> {
        self.check_source(source)?;
        let split = looked_at(source)?;
        let tried = source.len(split).min(MOST_TRIED);
        let mut found: Vec<(Split, usize)> = Vec::new();
        let mut is_shown = vec![false; source.classes().len()];
        for first in (0..tried).step_by(TRIED_TOGETHER) {
            let indices: Vec<usize> = (first..(first + TRIED_TOGETHER).min(tried)).collect();
            let read = |&index: &usize| self.read_planes(source, split, index);
            let images: Vec<Vec<f32>> = indices.iter().map(read).collect::<Result<_, _>>()?;
            let logits = self.logits_of(&images.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            for (row, &index) in logits.outer_iter().zip(&indices) {
                let label = source.label(split, index);
                if found.len() < most && !is_shown[label] && argmax(&row.to_vec()) == label {
                    is_shown[label] = true;
                    found.push((split, index));
                }
            }
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }

    fn image_of(
        &mut self,
        source: &dyn Source,
        split: Split,
        index: usize,
    ) -> Result<ExampleImage, InspectError> {
        let mut rgb = vec![0; source.image_size().bytes()];
        source.read_rgb(split, index, &mut rgb)?;
        let planes = self.read_planes(source, split, index)?;
        let place = Some((split, index, source.label(split, index)));
        self.described(format!("{} image {index}", split.adjective()), place, rgb, planes)
    }

    /// The normalised values of an image.
    fn read_planes(&self, source: &dyn Source, split: Split, index: usize) -> Result<Vec<f32>, InspectError> {
        let mut planes = vec![0.0; source.image_len()];
        match source.pixel_type() {
            PixelType::U8 => {
                let mut pixels = vec![0; source.image_len()];
                source.read(split, index, &mut pixels)?;
                self.normalization().apply(&pixels, &mut planes)?;
            }
            PixelType::F32 => {
                source.read_f32(split, index, &mut planes)?;
                self.normalization().apply_f32(&mut planes)?;
            }
        }
        Ok(planes)
    }

    fn described(
        &mut self,
        name: String,
        place: Option<(Split, usize, usize)>,
        rgb: Vec<u8>,
        planes: Vec<f32>,
    ) -> Result<ExampleImage, InspectError> {
        let logits = self.logits_of(&[&planes])?.row(0).to_vec();
        let size = self.image_size();
        Ok(ExampleImage {
            name,
            split: place.map(|(split, _, _)| split),
            index: place.map(|(_, index, _)| index),
            height: size.height,
            width: size.width,
            rgb,
            planes,
            label: place.map(|(_, _, label)| label),
            prediction: argmax(&logits),
            probabilities: probabilities(&logits),
            classes: self.classes().to_vec(),
        })
    }
}

/// The split from which images are chosen.
fn looked_at(source: &dyn Source) -> Result<Split, InspectError> {
    let splits = [Split::Test, Split::Val, Split::Train];
    splits.into_iter().find(|&split| !source.is_empty(split)).ok_or(InspectError::NoData)
}
