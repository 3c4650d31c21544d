//! The mean of each bin of a region of interest, sampled between the pixels.
//!
//! A box `(image, x1, y1, x2, y2)` is scaled by `spatial_scale`, shifted by half a pixel if `aligned`, otherwise made
//! at least one pixel large, and divided into bins of equal size. Each bin is the mean of `sampling_ratio` times
//! `sampling_ratio` evenly spaced points, or of `ceil(bin size)` along each axis where no ratio is given. A point's
//! value is interpolated between its four neighbours; up to one pixel beyond the border it is the border's value, and 0
//! farther out.
//!
//! References: <https://docs.pytorch.org/vision/stable/generated/torchvision.ops.roi_align.html>, He et al., "Mask
//! R-CNN", 2017.

use crate::arrays::check_gradient;
use crate::limits::{check_plane, check_regions};
use crate::regions::{check_boxes, check_input};
use crate::{OpError, Pair};
use convscope_kernels::roi::{self, Share};
use ndarray::{Array4, ArrayView1, ArrayView2, ArrayView4};
use serde::Deserialize;

const NAME: &str = "roi_align";

/// The arguments of [`roi_align()`] apart from its arrays, with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoiAlignArguments {
    /// Rows and columns of the output.
    pub output_size: Pair,
    /// Pixels of the input for each unit of the boxes; default 1.
    #[serde(default = "unscaled")]
    pub spatial_scale: f64,
    /// Points per bin along each axis; if 0 or less, as many as the bin has pixels; default -1.
    #[serde(default = "adaptive")]
    pub sampling_ratio: i64,
    /// Whether a box's coordinates start at the corner of the first pixel, not its centre; default no.
    #[serde(default)]
    pub aligned: bool,
}

fn unscaled() -> f64 {
    1.0
}
fn adaptive() -> i64 {
    -1
}

impl RoiAlignArguments {
    /// An output of this size, with torchvision's defaults for everything else.
    pub fn new(output_size: impl Into<Pair>) -> RoiAlignArguments {
        let (spatial_scale, sampling_ratio) = (unscaled(), adaptive());
        RoiAlignArguments { output_size: output_size.into(), spatial_scale, sampling_ratio, aligned: false }
    }
}

/// Samples each of `boxes` `[K, 5]`, whose rows are `(image, x1, y1, x2, y2)`, from `input` `[N, C, H, W]`, as
/// `[K, C, rows, columns]`.
///
/// # Errors
/// Boxes of another shape, with an image that the input does not have or numbers that are not finite; an output size
/// of 0; an input without channels or pixels; more than 2^24 points for one bin.
///
/// ```
/// use convscope_ops::{RoiAlignArguments, roi_align};
/// use ndarray::{Array4, arr2, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 3), vec![1.0, 5.0, 2.0])?;
/// let boxes = arr2(&[[0.0, 0.0, 0.0, 2.0, 1.0]]);
/// let arguments = RoiAlignArguments { sampling_ratio: 1, ..RoiAlignArguments::new([1, 2]) };
/// assert_eq!(roi_align(input.view(), boxes.view(), &arguments)?, array![[[[3.0, 3.5]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn roi_align(
    input: ArrayView4<'_, f32>,
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiAlignArguments,
) -> Result<Array4<f32>, OpError> {
    let regions = regions(input.dim(), boxes, arguments)?;
    let [rows, columns] = arguments.output_size.array();
    let (_, channels, height, width) = input.dim();
    let input = input.as_standard_layout();
    let values = input.as_slice().expect("standard layout");
    let mut output = Array4::zeros((regions.len(), channels, rows, columns));
    let mut shares = Vec::new();
    for (k, region) in regions.iter().enumerate() {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            region.shares([i, j], [height, width], &mut shares);
            for c in 0..channels {
                let plane = &values[(region.image * channels + c) * height * width..][..height * width];
                output[[k, c, i, j]] = roi::gather(plane, &shares) as f32;
            }
        }
    }
    Ok(output)
}

/// The gradient of [`roi_align()`] with respect to its input, whose shape is `input_shape` `[N, C, H, W]`.
///
/// # Errors
/// As for [`roi_align()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{RoiAlignArguments, roi_align_backward};
/// use ndarray::{arr2, array};
/// let boxes = arr2(&[[0.0, 0.0, 0.0, 2.0, 1.0]]);
/// let arguments = RoiAlignArguments { sampling_ratio: 1, ..RoiAlignArguments::new([1, 2]) };
/// let d_output = array![[[[2.0, 6.0]]]];
/// let d_input = roi_align_backward(d_output.view(), [1, 1, 1, 3], boxes.view(), &arguments)?;
/// assert_eq!(d_input, array![[[[1.0, 4.0, 3.0]]]]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn roi_align_backward(
    d_output: ArrayView4<'_, f32>,
    input_shape: [usize; 4],
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiAlignArguments,
) -> Result<Array4<f32>, OpError> {
    let regions = regions(input_shape.into(), boxes, arguments)?;
    let [rows, columns] = arguments.output_size.array();
    let [images, channels, height, width] = input_shape;
    check_gradient(NAME, &[regions.len(), channels, rows, columns], d_output.shape())?;
    let mut d_input = vec![0.0f64; images * channels * height * width];
    let mut shares = Vec::new();
    for (k, region) in regions.iter().enumerate() {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            region.shares([i, j], [height, width], &mut shares);
            for c in 0..channels {
                let first = (region.image * channels + c) * height * width;
                roi::scatter(d_output[[k, c, i, j]], &shares, &mut d_input[first..][..height * width]);
            }
        }
    }
    let d_input = d_input.into_iter().map(|d| d as f32).collect();
    Ok(Array4::from_shape_vec(input_shape, d_input).expect("as many values as the shape has"))
}

/// A box as bins; pairs are (rows, columns).
struct Region {
    image: usize,
    start: [f64; 2],
    bin: [f64; 2],
    /// Points per bin along each axis.
    points: [usize; 2],
}

impl Region {
    /// The weights of the input's pixels in the mean of a bin.
    fn shares(&self, bin: [usize; 2], input: [usize; 2], shares: &mut Vec<Share>) {
        shares.clear();
        let count = (self.points[0] * self.points[1]).max(1) as f64;
        let neighbours = |axis: usize, point: usize| {
            let offset = (point as f64 + 0.5) * self.bin[axis] / self.points[axis] as f64;
            interpolated(self.start[axis] + bin[axis] as f64 * self.bin[axis] + offset, input[axis])
        };
        for row in (0..self.points[0]).filter_map(|point| neighbours(0, point)) {
            for column in (0..self.points[1]).filter_map(|point| neighbours(1, point)) {
                for (y, y_weight) in row {
                    for (x, x_weight) in column {
                        shares.push(Share { at: y * input[1] + x, weight: y_weight * x_weight / count });
                    }
                }
            }
        }
    }
}

/// The two pixels around a position and their weights; `None` if it is too far outside.
fn interpolated(at: f64, len: usize) -> Option<[(usize, f64); 2]> {
    if at < -1.0 || at > len as f64 {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low >= len - 1 {
        return Some([(len - 1, 1.0), (len - 1, 0.0)]);
    }
    let part = at - low as f64;
    Some([(low, 1.0 - part), (low + 1, part)])
}

fn regions(
    input: (usize, usize, usize, usize),
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiAlignArguments,
) -> Result<Vec<Region>, OpError> {
    check_input(NAME, input)?;
    check_boxes(NAME, input.0, boxes, arguments.spatial_scale)?;
    let output = arguments.output_size.at_least_one(NAME, "output_size")?.array();
    check_plane(NAME, "a plane of the output", output, [input.2, input.3])?;
    check_regions(NAME, [boxes.nrows(), input.1, output[0], output[1]])?;
    if arguments.sampling_ratio > LARGEST_RATIO {
        let problem = format!("is {}, must be at most {LARGEST_RATIO}", arguments.sampling_ratio);
        return Err(OpError::argument(NAME, "sampling_ratio", problem));
    }
    let offset = if arguments.aligned { 0.5 } else { 0.0 };
    let region = |given: ArrayView1<'_, f32>| {
        let [left, top, right, bottom] =
            [1, 2, 3, 4].map(|at| f64::from(given[at]) * arguments.spatial_scale - offset);
        let least = if arguments.aligned { f64::NEG_INFINITY } else { 1.0 };
        let bin = [(bottom - top).max(least), (right - left).max(least)];
        let bin = [bin[0] / output[0] as f64, bin[1] / output[1] as f64];
        let points = bin.map(|size| match usize::try_from(arguments.sampling_ratio) {
            Ok(ratio) if ratio > 0 => ratio,
            // An inverted box has no points.
            _ => size.ceil().max(0.0) as usize,
        });
        let many = points[0].saturating_mul(points[1]);
        if many > MOST_POINTS {
            let problem = format!("asks for {many} points in each bin of {:?}", given.to_vec());
            return Err(OpError::argument(NAME, "sampling_ratio", problem));
        }
        Ok(Region { image: given[0] as usize, start: [top, left], bin, points })
    };
    boxes.rows().into_iter().map(region).collect()
}

/// Most points in a bin when their distance is a pixel.
const MOST_POINTS: usize = 1 << 24;

/// The largest allowed ratio: a bin has its square in points, however few its pixels.
const LARGEST_RATIO: i64 = 256;
