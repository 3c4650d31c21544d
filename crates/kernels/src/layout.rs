//! Planes (`[channel, row, column]`) to channels-last (`[row, column, channel]`) and back, image by image.

/// Writes each image of `planes` channels-last. `channels` divides the image, `image_len` the slices.
///
/// ```
/// let mut last = [0.0; 6];
/// convscope_kernels::layout::to_channels_last(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], 2, 6, &mut last);
/// assert_eq!(last, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
/// ```
pub fn to_channels_last(planes: &[f32], channels: usize, image_len: usize, channels_last: &mut [f32]) {
    transpose(planes, channels, image_len, channels_last);
}

/// Writes each channels-last image as planes.
pub fn to_planes(channels_last: &[f32], channels: usize, image_len: usize, planes: &mut [f32]) {
    transpose(channels_last, image_len / channels, image_len, planes);
}

/// Each image as a matrix of `rows` rows, turned over its diagonal.
fn transpose(from: &[f32], rows: usize, image_len: usize, to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    if from.is_empty() {
        return;
    }
    let columns = image_len / rows;
    for (from, to) in from.chunks_exact(image_len).zip(to.chunks_exact_mut(image_len)) {
        for (column, target) in to.chunks_exact_mut(rows).enumerate() {
            for (row, value) in target.iter_mut().enumerate() {
                *value = from[row * columns + column];
            }
        }
    }
}
