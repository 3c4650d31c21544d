//! Where a network looks: Grad-CAM, saliency and occlusion.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use convscope_graph::{Node, Observation, Observer};
use convscope_ops::Shape;
use ndarray::{Array4, ArrayView3, Axis, s};
use serde::Serialize;

use crate::feature_maps::range;
use crate::inspector::probabilities;
use crate::{ExampleImage, InspectError, Inspector};

/// How a heat map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatMapMethod {
    /// Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): `relu(sum over c of w[c] * a[c, y, x])` with `a` the values
    /// of a layer and `w[c]` the mean over all positions of the gradient of the class's logit with respect to `a[c]`.
    /// The map has the layer's size.
    GradCam,
    /// Saliency (Simonyan et al. 2013, arXiv:1312.6034): the largest over the colours of |gradient of the class's logit
    /// with respect to the pixel|, on the scale of the normalised input. The map has the image's size.
    Saliency,
    /// Occlusion (Zeiler and Fergus 2013, arXiv:1311.2901): how much the class's probability drops when a square of the
    /// image, with a quarter of its sides, is covered with the image's mean colour, averaged over the squares that
    /// cover the pixel. Negative where covering helps. The map has the image's size.
    Occlusion,
}

/// How much each position of an image counts for a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// How it was made.
    pub method: HeatMapMethod,
    /// The layer of a Grad-CAM.
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

/// What to explain about an image and a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The class. Default none: the predicted one.
    pub class: Option<usize>,
    /// The layer for Grad-CAM. Default none: the last one with more than one pixel that everything passes through on
    /// its way from the image to the classes (the sum of a residual block, not one of its branches). If there is no
    /// such layer, the last one with more than one pixel; if every map is 1x1, the last map.
    pub node: Option<String>,
}

/// Positions per square: squares are a quarter of their side apart.
const STEPS_PER_SQUARE: usize = 4;
/// How many squares side by side fill the image.
const SQUARES_PER_SIDE: usize = 4;

impl Inspector {
    /// Where the network looks in one image.
    ///
    /// # Errors
    /// An image of a different size, a class or node that does not exist, a node without rows and columns.
    pub fn attention(
        &mut self,
        image: &ExampleImage,
        method: HeatMapMethod,
        question: &Question,
    ) -> Result<HeatMap, InspectError> {
        let class = question.class.unwrap_or(image.prediction);
        self.check_class(class)?;
        let planes = self.planes(image)?;
        let (node, size, values) = match method {
            HeatMapMethod::GradCam => {
                let node = self.node_to_look_at(question.node.as_deref())?;
                let values = self.maps_at(&planes, class, &[node])?.remove(0);
                let Node { name, shape, .. } = &self.graph().nodes()[node];
                (Some(name.clone()), shape.size(), values)
            }
            HeatMapMethod::Saliency => (None, [image.height, image.width], self.saliency(&planes, class)?),
            HeatMapMethod::Occlusion => (None, [image.height, image.width], self.occlusion(&planes, class)?),
        };
        Ok(self.heat_map(method, node, class, size, values))
    }

    /// [Grad-CAM](HeatMapMethod::GradCam) at every layer with more than one pixel, in the network's order, from one
    /// pass.
    ///
    /// # Errors
    /// An image of a different size, a class that does not exist.
    pub fn grad_cams(&mut self, image: &ExampleImage, class: usize) -> Result<Vec<HeatMap>, InspectError> {
        self.check_class(class)?;
        let planes = self.planes(image)?;
        let nodes = self.graph().nodes();
        let chosen: Vec<usize> = (0..nodes.len()).filter(|&node| has_pixels(&nodes[node])).collect();
        let found = self.maps_at(&planes, class, &chosen)?;
        let maps = chosen.into_iter().zip(found).map(|(node, values)| {
            let Node { name, shape, .. } = &self.graph().nodes()[node];
            self.heat_map(HeatMapMethod::GradCam, Some(name.clone()), class, shape.size(), values)
        });
        Ok(maps.collect())
    }

    fn check_class(&self, class: usize) -> Result<(), InspectError> {
        let classes = self.classes().len();
        if class < classes { Ok(()) } else { Err(InspectError::UnknownClass { class, classes }) }
    }

    fn heat_map(
        &self,
        method: HeatMapMethod,
        node: Option<String>,
        class: usize,
        [height, width]: [usize; 2],
        values: Vec<f32>,
    ) -> HeatMap {
        let (min, max) = range(&values);
        HeatMap {
            method,
            node,
            class,
            class_name: self.classes()[class].clone(),
            height,
            width,
            is_constant: values.iter().all(|value| *value == values[0]),
            values,
            min,
            max,
        }
    }

    fn node_to_look_at(&self, name: Option<&str>) -> Result<usize, InspectError> {
        let nodes = self.graph().nodes();
        let Some(name) = name else {
            let of_all = self.graph().dominators().filter(|&node| has_pixels(&nodes[node])).last();
            let best = of_all.or_else(|| nodes.iter().rposition(has_pixels));
            return best.or_else(|| nodes.iter().rposition(has_places)).ok_or(InspectError::NoPictures);
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

    /// Grad-CAM's values at each of these nodes, which are in the network's order.
    fn maps_at(
        &mut self,
        planes: &Array4<f32>,
        class: usize,
        nodes: &[usize],
    ) -> Result<Vec<Vec<f32>>, InspectError> {
        let watch = Watch { seen: nodes.iter().map(|&node| (node, Mutex::default())).collect() };
        self.attribution()?.class_gradients(planes.view(), &[class], Some(&watch))?;
        let graph = self.graph();
        let maps = watch.seen.into_iter().map(|(node, seen)| {
            let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
            grad_cam(graph.nodes()[node].shape, &seen)
        });
        Ok(maps.collect())
    }

    fn saliency(&mut self, planes: &Array4<f32>, class: usize) -> Result<Vec<f32>, InspectError> {
        let found = self.attribution()?.class_gradients(planes.view(), &[class], None)?;
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

/// A copy of the image for each square, with the square covered with the image's mean colour.
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

/// Start and end of the squares along a side: each a quarter of the side wide, a quarter of that after the one before,
/// the last at the end.
fn spans(side: usize) -> Vec<(usize, usize)> {
    let width = (side / SQUARES_PER_SIDE).max(1);
    let last = side - width;
    let starts = (0..last).step_by((width / STEPS_PER_SQUARE).max(1)).chain([last]);
    starts.map(|start| (start, start + width)).collect()
}

fn has_places(node: &Node) -> bool {
    node.shape.is_image()
}

fn has_pixels(node: &Node) -> bool {
    node.shape.size().iter().product::<usize>() > 1
}

/// `relu(sum over c of w[c] * a[c, y, x])` with `w[c]` the mean of the gradient over all positions.
fn grad_cam(shape: Shape, seen: &Seen) -> Vec<f32> {
    let (channels, [height, width]) = (shape.channels(), shape.size());
    let positions = (height * width) as f64;
    let mut weights = vec![0.0; channels];
    for pixel in seen.gradient.chunks_exact(channels) {
        weights.iter_mut().zip(pixel).for_each(|(weight, &d)| *weight += f64::from(d) / positions);
    }
    let map = seen.value.chunks_exact(channels).map(|pixel| {
        let sum: f64 = pixel.iter().zip(&weights).map(|(&a, weight)| f64::from(a) * weight).sum();
        // Not `max`, which would hide NaN.
        if sum < 0.0 { 0.0 } else { sum as f32 }
    });
    map.collect()
}

/// A node's value and the gradient with respect to it, channels-last.
#[derive(Default)]
struct Seen {
    value: Vec<f32>,
    gradient: Vec<f32>,
}

/// Records the values of some nodes for one image.
struct Watch {
    seen: BTreeMap<usize, Mutex<Seen>>,
}

impl Watch {
    fn keep(&self, node: usize, keep: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.get(&node) {
            keep(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Observer for Watch {
    fn observe(&self, seen: &Observation<'_>) {
        self.keep(seen.node, |kept| kept.value = seen.values.to_vec());
    }

    fn observe_gradient(&self, seen: &Observation<'_>) {
        self.keep(seen.node, |kept| kept.gradient = seen.values.to_vec());
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
