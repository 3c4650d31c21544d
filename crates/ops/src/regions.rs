//! Checks shared by the operators on regions of interest.

use crate::OpError;
use ndarray::ArrayView2;

/// Fails if an input has no channels or pixels to pool.
pub(crate) fn check_input(
    operator: &'static str,
    (images, channels, height, width): (usize, usize, usize, usize),
) -> Result<(), OpError> {
    if channels > 0 && height > 0 && width > 0 {
        return Ok(());
    }
    let problem = format!("input has shape [{images}, {channels}, {height}, {width}], which has no pixels");
    Err(OpError::shape(operator, problem))
}

/// Fails unless `boxes` are `[K, 5]` numbers, finite also when scaled, whose first column is one of `images`.
pub(crate) fn check_boxes(
    operator: &'static str,
    images: usize,
    boxes: ArrayView2<'_, f32>,
    spatial_scale: f64,
) -> Result<(), OpError> {
    if boxes.ncols() != 5 {
        let problem = format!("has shape {:?}, not [K, 5]: image, x1, y1, x2, y2", boxes.shape());
        return Err(OpError::argument(operator, "boxes", problem));
    }
    if !spatial_scale.is_finite() {
        let problem = format!("is {spatial_scale}, must be a finite number");
        return Err(OpError::argument(operator, "spatial_scale", problem));
    }
    for (index, row) in boxes.rows().into_iter().enumerate() {
        let problem = if !row.iter().all(|&number| (number * spatial_scale as f32).is_finite()) {
            format!("has numbers that are not finite in row {index}: {:?}", row.to_vec())
        } else if row[0] <= -1.0 || row[0] as usize >= images {
            format!("names image {} in row {index}, input has {images} images", row[0])
        } else {
            continue;
        };
        return Err(OpError::argument(operator, "boxes", problem));
    }
    Ok(())
}
