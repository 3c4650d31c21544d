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

/// Transposes each image as a matrix of `rows` rows.
fn transpose(from: &[f32], rows: usize, image_len: usize, to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    if from.is_empty() {
        return;
    }
    let columns = image_len / rows;
    if rows == 3 {
        for (from, to) in from.chunks_exact(image_len).zip(to.chunks_exact_mut(image_len)) {
            interleave(from, columns, to);
        }
        return;
    }
    for (from, to) in from.chunks_exact(image_len).zip(to.chunks_exact_mut(image_len)) {
        for (column, target) in to.chunks_exact_mut(rows).enumerate() {
            for (row, value) in target.iter_mut().enumerate() {
                *value = from[row * columns + column];
            }
        }
    }
}

/// Three planes of `len` values, the case of colour pictures.
fn interleave(planes: &[f32], len: usize, to: &mut [f32]) {
    let (red, others) = planes.split_at(len);
    let (green, blue) = others.split_at(len);
    for (((pixel, &red), &green), &blue) in to.as_chunks_mut().0.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = [red, green, blue];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_come_back() {
        for channels in [1, 2, 3, 5] {
            let planes: Vec<f32> = (0..2 * channels * 4).map(|i| i as f32).collect();
            let (mut last, mut back) = (vec![0.0; planes.len()], vec![0.0; planes.len()]);
            to_channels_last(&planes, channels, channels * 4, &mut last);
            assert_eq!(last[..channels], (0..channels).map(|c| (c * 4) as f32).collect::<Vec<_>>());
            to_planes(&last, channels, channels * 4, &mut back);
            assert_eq!(back, planes);
        }
    }
}
