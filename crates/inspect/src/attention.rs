//! Where a network looks: Grad-CAM, saliency and occlusion.

use std::sync::{Mutex, PoisonError};

use convscope_graph::{Node, Observation, Observer};
use convscope_ops::{Role, Shape};
use ndarray::{Array4, ArrayView3, Axis, s};
use serde::Serialize;

use crate::feature_maps::range;
use crate::inspector::probabilities;
use crate::{ExampleImage, InspectError, Inspector};

/// How a heat map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatMapMethod {
    /// Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): `relu(sum over c of w[c] * a[c, y, x])` with `a` the
    /// values of a layer and `w[c]` the mean over all positions of the gradient of the class's logit by `a[c]`. The
    /// map has the layer's size.
    GradCam,
    /// Saliency (Simonyan et al. 2013, arXiv:1312.6034): the largest over the colours of |gradient of the class's
    /// logit by the pixel|, on the scale of the normalised input. The map has the image's size.
    Saliency,
    /// Occlusion (Zeiler and Fergus 2013, arXiv:1311.2901): by how much the class's probability falls when a square
    /// of the image, a quarter of its sides, is covered with its mean colour, averaged over the squares that cover the pixel. Negative where
    /// covering helps. The map has the image's size.
    Occlusion,
}

/// How much each place of an image counts for a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// How it was made.
    pub method: HeatMapMethod,
    /// The layer that Grad-CAM looked at.
    pub node: Option<String>,
    /// The class.
    pub class: usize,
    /// Its name.
    pub class_name: String,
    /// Rows of the map; it covers the whole image, whatever its own size.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// The values, row by row.
    pub values: Vec<f32>,
    /// Smallest finite value.
    pub min: f32,
    /// Largest finite value.
    pub max: f32,
    /// Whether the map says nothing: all values are equal.
    pub is_constant: bool,
}

/// What of an image and a network is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The class. Default none: the one that the network takes the image for.
    pub class: Option<usize>,
    /// The layer that Grad-CAM looks at. Default none: the last one that sums and has rows and columns.
    pub node: Option<String>,
}

/// A square is covered every so many pixels: a quarter of its sides.
const STEPS_PER_SQUARE: usize = 4;
/// How many squares side by side fill the image.
const SQUARES_PER_SIDE: usize = 4;

impl Inspector {
    /// Where the network looks in one image.
    ///
    /// # Errors
    /// An image of another size, a class or node that does not exist, a node without rows and columns.
    pub fn attention(
        &mut self,
        image: &ExampleImage,
        method: HeatMapMethod,
        question: &Question,
    ) -> Result<HeatMap, InspectError> {
        let (class, classes) = (question.class.unwrap_or(image.prediction), self.classes().len());
        if class >= classes {
            return Err(InspectError::UnknownClass { class, classes });
        }
        let planes = self.planes(image)?;
        let (node, size, values) = match method {
            HeatMapMethod::GradCam => {
                let node = self.node_to_look_at(question.node.as_deref())?;
                let (size, values) = self.grad_cam(&planes, class, node)?;
                (Some(self.graph().nodes()[node].name.clone()), size, values)
            }
            HeatMapMethod::Saliency => (None, [image.height, image.width], self.saliency(&planes, class)?),
            HeatMapMethod::Occlusion => (None, [image.height, image.width], self.occlusion(&planes, class)?),
        };
        let (min, max) = range(&values);
        Ok(HeatMap {
            method,
            node,
            class,
            class_name: self.classes()[class].clone(),
            height: size[0],
            width: size[1],
            is_constant: values.iter().all(|value| *value == values[0]),
            values,
            min,
            max,
        })
    }

    fn node_to_look_at(&self, name: Option<&str>) -> Result<usize, InspectError> {
        let nodes = self.graph().nodes();
        let has_places = |node: &Node| matches!(node.shape, Shape::Image { .. });
        let Some(name) = name else {
            let sums =
                |node: &Node| node.parameters.iter().any(|spec| matches!(spec.role, Role::Weight { .. }));
            let last = nodes.iter().rposition(|node| has_places(node) && sums(node));
            return last.or(nodes.iter().rposition(has_places)).ok_or(InspectError::NoPictures);
        };
        let Some(index) = nodes.iter().position(|node| node.name == name) else {
            let known: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            return Err(InspectError::UnknownNode { name: name.to_string(), known: known.join(", ") });
        };
        if has_places(&nodes[index]) {
            return Ok(index);
        }
        Err(InspectError::NotAPicture { node: name.to_string(), shape: nodes[index].shape.to_string() })
    }

    fn grad_cam(
        &mut self,
        planes: &Array4<f32>,
        class: usize,
        node: usize,
    ) -> Result<([usize; 2], Vec<f32>), InspectError> {
        let watch = Watch { node, value: Mutex::default(), gradient: Mutex::default() };
        self.attribution().class_gradients(planes.view(), &[class], Some(&watch))?;
        let [value, gradient] = [watch.value, watch.gradient]
            .map(|kept| kept.into_inner().unwrap_or_else(PoisonError::into_inner));
        let shape = self.graph().nodes()[node].shape;
        let (channels, size) = (shape.channels(), shape.size());
        let positions = (size[0] * size[1]) as f64;
        let mut weights = vec![0.0; channels];
        for pixel in gradient.chunks_exact(channels) {
            weights.iter_mut().zip(pixel).for_each(|(weight, &d)| *weight += f64::from(d) / positions);
        }
        let map = value.chunks_exact(channels).map(|pixel| {
            let sum: f64 = pixel.iter().zip(&weights).map(|(&a, weight)| f64::from(a) * weight).sum();
            // Not `max`, which would hide NaN.
            if sum < 0.0 { 0.0 } else { sum as f32 }
        });
        Ok((size, map.collect()))
    }

    fn saliency(&mut self, planes: &Array4<f32>, class: usize) -> Result<Vec<f32>, InspectError> {
        let found = self.attribution().class_gradients(planes.view(), &[class], None)?;
        let gradient = found.d_images.index_axis_move(Axis(0), 0);
        let largest = |&d: &f32, most: f32| if d.abs() > most || d.is_nan() { d.abs() } else { most };
        Ok(gradient.fold_axis(Axis(0), 0.0, |most, d| largest(d, *most)).into_iter().collect())
    }

    fn occlusion(&mut self, planes: &Array4<f32>, class: usize) -> Result<Vec<f32>, InspectError> {
        let image = planes.index_axis(Axis(0), 0);
        let (_, height, width) = image.dim();
        let (rows, columns) = (spans(height), spans(width));
        let squares: Vec<[(usize, usize); 2]> =
            rows.iter().flat_map(|&row| columns.iter().map(move |&column| [row, column])).collect();
        let before = self.probability(planes.clone(), class)?[0];
        let (mut sums, mut counts) = (vec![0.0_f64; height * width], vec![0_u32; height * width]);
        for squares in squares.chunks(self.batch()) {
            let after = self.probability(covered(image, squares), class)?;
            for (&[rows, columns], after) in squares.iter().zip(after) {
                for row in rows.0..rows.1 {
                    for place in row * width + columns.0..row * width + columns.1 {
                        sums[place] += f64::from(before) - f64::from(after);
                        counts[place] += 1;
                    }
                }
            }
        }
        Ok(sums.iter().zip(counts).map(|(sum, count)| (sum / f64::from(count)) as f32).collect())
    }

    /// The probability of a class for each image.
    fn probability(&mut self, images: Array4<f32>, class: usize) -> Result<Vec<f32>, InspectError> {
        let logits = self.executor_mut().logits(images.view(), None)?;
        Ok(logits.outer_iter().map(|row| probabilities(&row.to_vec())[class]).collect())
    }
}

/// The image once for each square, which is covered with the image's mean colour.
fn covered(image: ArrayView3<'_, f32>, squares: &[[(usize, usize); 2]]) -> Array4<f32> {
    let (channels, height, width) = image.dim();
    let mut images = Array4::zeros((squares.len(), channels, height, width));
    for (mut copy, &[rows, columns]) in images.outer_iter_mut().zip(squares) {
        copy.assign(&image);
        for (mut plane, original) in copy.outer_iter_mut().zip(image.outer_iter()) {
            let mean = original.iter().map(|&value| f64::from(value)).sum::<f64>() / (height * width) as f64;
            plane.slice_mut(s![rows.0..rows.1, columns.0..columns.1]).fill(mean as f32);
        }
    }
    images
}

/// Where squares begin and end along a side: a quarter of it wide, each a quarter of that after the one before, the last at the
/// end.
fn spans(side: usize) -> Vec<(usize, usize)> {
    let width = (side / SQUARES_PER_SIDE).max(1);
    let last = side - width;
    let starts = (0..last).step_by((width / STEPS_PER_SQUARE).max(1)).chain([last]);
    starts.map(|start| (start, start + width)).collect()
}

/// Keeps one node's value and the gradient by it, channels-last, of one image.
struct Watch {
    node: usize,
    value: Mutex<Vec<f32>>,
    gradient: Mutex<Vec<f32>>,
}

impl Watch {
    fn keep(&self, seen: &Observation<'_>, into: &Mutex<Vec<f32>>) {
        if seen.node == self.node {
            *into.lock().unwrap_or_else(PoisonError::into_inner) = seen.values.to_vec();
        }
    }
}

impl Observer for Watch {
    fn observe(&self, seen: &Observation<'_>) {
        self.keep(seen, &self.value);
    }

    fn observe_gradient(&self, seen: &Observation<'_>) {
        self.keep(seen, &self.gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_cover_every_pixel() {
        for side in [1, 2, 3, 5, 7, 32, 33, 224] {
            let spans = spans(side);
            assert!(spans.iter().all(|span| span.0 < span.1 && span.1 <= side));
            assert!((0..side).all(|at| spans.iter().any(|span| (span.0..span.1).contains(&at))), "{side}");
            assert!(spans.len() <= 17, "{side}: {}", spans.len());
        }
    }

    #[test]
    fn covering_takes_the_mean_of_each_colour() {
        let image = Array4::from_shape_fn((1, 2, 2, 4), |(_, c, y, x)| (c * 100 + y * 4 + x) as f32);
        let covered = covered(image.index_axis(Axis(0), 0), &[[(0, 1), (1, 3)]]);
        assert_eq!(covered.slice(s![0, 1, 0, ..]).to_vec(), [100.0, 103.5, 103.5, 103.0]);
        assert_eq!(covered.slice(s![0, 0, 1, ..]).to_vec(), [4.0, 5.0, 6.0, 7.0]);
    }
}
