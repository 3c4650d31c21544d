//! The largest value of each bin of a region of interest.
//!
//! A box `(image, x1, y1, x2, y2)` is scaled by `spatial_scale` and rounded to whole pixels, both ends included and at
//! least one pixel large. Bin `i` of `H'` rows covers the region's rows `floor(i * height / H')` up to below
//! `ceil((i + 1) * height / H')`, cut off at the image's border, and likewise for columns. The output is the maximum of
//! each bin, and 0 for an empty one. All of this is computed in single precision, as torchvision does it.
//!
//! References: <https://docs.pytorch.org/vision/stable/generated/torchvision.ops.roi_pool.html>, Girshick, "Fast R-CNN",
//! 2015.

use crate::arrays::check_gradient;
use crate::limits::{check_plane, check_regions};
use crate::regions::{check_boxes, check_input};
use crate::{OpError, Pair};
use convscope_kernels::roi;
use ndarray::{Array4, ArrayView2, ArrayView4};
use serde::Deserialize;
use std::ops::Range;

const NAME: &str = "roi_pool";

/// The arguments of [`roi_pool()`] apart from its arrays, with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoiPoolArguments {
    /// Rows and columns of the output.
    pub output_size: Pair,
    /// Pixels of the input for each unit of the boxes; default 1.
    #[serde(default = "unscaled")]
    pub spatial_scale: f64,
}

fn unscaled() -> f64 {
    1.0
}

impl RoiPoolArguments {
    /// An output of this size, for boxes in pixels of the input.
    pub fn new(output_size: impl Into<Pair>) -> RoiPoolArguments {
        RoiPoolArguments { output_size: output_size.into(), spatial_scale: unscaled() }
    }
}

/// Pools each of `boxes` `[K, 5]`, whose rows are `(image, x1, y1, x2, y2)`, from `input` `[N, C, H, W]`, as
/// `[K, C, rows, columns]`.
///
/// NaN is never the maximum; a bin of only NaN and minus infinity gives the smallest finite number, as in torchvision.
///
/// # Errors
/// Boxes of another shape, with an image that the input does not have or numbers that are not finite; an output size
/// of 0; an input without channels or pixels.
///
/// ```
/// use convscope_ops::{RoiPoolArguments, roi_pool};
/// use ndarray::{Array4, arr2, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 3), vec![1.0, 5.0, 2.0, 4.0, 3.0, 6.0])?;
/// let boxes = arr2(&[[0.0, 1.0, 0.0, 2.0, 1.0]]);
/// let output = roi_pool(input.view(), boxes.view(), &RoiPoolArguments::new([1, 2]))?;
/// assert_eq!(output, array![[[[5.0, 6.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn roi_pool(
    input: ArrayView4<'_, f32>,
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiPoolArguments,
) -> Result<Array4<f32>, OpError> {
    let regions = regions(input.dim(), boxes, arguments)?;
    let [rows, columns] = arguments.output_size.array();
    let (_, channels, height, width) = input.dim();
    let input = input.as_standard_layout();
    let mut output = Array4::zeros((regions.len(), channels, rows, columns));
    for ((k, c, i, j), output) in output.indexed_iter_mut() {
        let plane = plane(&input, regions[k].image * channels + c, height * width);
        *output = regions[k].max(plane, width, i, j).0;
    }
    Ok(output)
}

/// The gradient of [`roi_pool()`] with respect to its input: each value of `d_output` goes to the position of its bin's
/// maximum, the first of equal ones.
///
/// # Errors
/// As for [`roi_pool()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{RoiPoolArguments, roi_pool_backward};
/// use ndarray::{Array4, arr2, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 3), vec![1.0, 5.0, 2.0, 4.0, 3.0, 6.0])?;
/// let boxes = arr2(&[[0.0, 1.0, 0.0, 2.0, 1.0]]);
/// let d_output = array![[[[7.0, 8.0]]]];
/// let arguments = RoiPoolArguments::new([1, 2]);
/// let d_input = roi_pool_backward(d_output.view(), input.view(), boxes.view(), &arguments)?;
/// assert_eq!(d_input, array![[[[0.0, 7.0, 0.0], [0.0, 0.0, 8.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn roi_pool_backward(
    d_output: ArrayView4<'_, f32>,
    input: ArrayView4<'_, f32>,
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiPoolArguments,
) -> Result<Array4<f32>, OpError> {
    let regions = regions(input.dim(), boxes, arguments)?;
    let [rows, columns] = arguments.output_size.array();
    let (_, channels, height, width) = input.dim();
    check_gradient(NAME, &[regions.len(), channels, rows, columns], d_output.shape())?;
    let input = input.as_standard_layout();
    let mut d_input = Array4::zeros(input.raw_dim());
    for ((k, c, i, j), &d) in d_output.indexed_iter() {
        let region = &regions[k];
        let plane = plane(&input, region.image * channels + c, height * width);
        if let (_, Some(at)) = region.max(plane, width, i, j) {
            d_input[[region.image, c, at / width, at % width]] += d;
        }
    }
    Ok(d_input)
}

fn plane<'a>(input: &'a ndarray::CowArray<'_, f32, ndarray::Ix4>, index: usize, len: usize) -> &'a [f32] {
    &input.as_slice().expect("standard layout")[index * len..][..len]
}

/// A box in whole pixels.
struct Region {
    image: usize,
    /// Rows of each row of bins, inside the image.
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
}

impl Region {
    fn max(&self, plane: &[f32], width: usize, row: usize, column: usize) -> (f32, Option<usize>) {
        let (rows, columns) = (self.rows[row].clone(), self.columns[column].clone());
        let least = if rows.is_empty() || columns.is_empty() { 0.0 } else { f32::MIN };
        roi::bin_max(plane, width, rows, columns, least)
    }
}

fn regions(
    input: (usize, usize, usize, usize),
    boxes: ArrayView2<'_, f32>,
    arguments: &RoiPoolArguments,
) -> Result<Vec<Region>, OpError> {
    let (images, _, height, width) = input;
    check_input(NAME, input)?;
    check_boxes(NAME, images, boxes, arguments.spatial_scale)?;
    let [rows, columns] = arguments.output_size.at_least_one(NAME, "output_size")?.array();
    check_plane(NAME, "a plane of the output", [rows, columns], [height, width])?;
    check_regions(NAME, [boxes.nrows(), input.1, rows, columns])?;
    let scale = arguments.spatial_scale as f32;
    let region = |given: ndarray::ArrayView1<'_, f32>| {
        let [left, top, right, bottom] =
            [1, 2, 3, 4].map(|at| (given[at] * scale).round().clamp(-FARTHEST, FARTHEST) as i64);
        Region {
            image: given[0] as usize,
            rows: bins(top, bottom, rows, height),
            columns: bins(left, right, columns, width),
        }
    };
    Ok(boxes.rows().into_iter().map(region).collect())
}

/// Beyond any image; torchvision's 32-bit numbers overflow around here.
const FARTHEST: f32 = 1_073_741_824.0;

/// The positions of each bin between `first` and `last`, inside an image of `len` positions.
fn bins(first: i64, last: i64, count: usize, len: usize) -> Vec<Range<usize>> {
    let size = (last - first + 1).max(1) as f32 / count as f32;
    let inside = |at: f32| (at as i64 + first).clamp(0, len as i64) as usize;
    let bin =
        |index: usize| inside((index as f32 * size).floor())..inside(((index + 1) as f32 * size).ceil());
    (0..count).map(bin).collect()
}
