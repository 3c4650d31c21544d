//! Pooling of regions of interest, pixel by pixel and point by point.

/// Planes of an input `[images, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Planes {
    fn at(&self, x: &[f64], image: usize, channel: usize, row: usize, column: usize) -> f64 {
        x[((image * self.channels + channel) * self.height + row) * self.width + column]
    }
}

/// The maximum over every pixel that belongs to a bin; a pixel at distance `d` from a region of `size` pixels belongs
/// to bin `i` of `count` if `floor(i * size / count) <= d < ceil((i + 1) * size / count)`.
pub fn roi_pool(x: &[f64], planes: Planes, boxes: &[[f32; 5]], output: [usize; 2], scale: f32) -> Vec<f64> {
    let mut values = Vec::new();
    for region in boxes {
        let [left, top, right, bottom] = [1, 2, 3, 4].map(|at| (region[at] * scale).round() as i64);
        let belongs = |at: usize, first: i64, last: i64, bin: usize, count: usize| {
            let (distance, size) = ((at as i64 - first) as f32, (last - first + 1).max(1) as f32);
            let bin_size = size / count as f32;
            (bin as f32 * bin_size).floor() <= distance && distance < ((bin + 1) as f32 * bin_size).ceil()
        };
        for c in 0..planes.channels {
            for (i, j) in (0..output[0]).flat_map(|i| (0..output[1]).map(move |j| (i, j))) {
                let mut best: Option<f64> = None;
                for row in (0..planes.height).filter(|&row| belongs(row, top, bottom, i, output[0])) {
                    for column in (0..planes.width).filter(|&at| belongs(at, left, right, j, output[1])) {
                        let value = planes.at(x, region[0] as usize, c, row, column);
                        best = Some(best.map_or(value, |best| best.max(value)));
                    }
                }
                values.push(best.unwrap_or(0.0));
            }
        }
    }
    values
}

/// The mean of the points of each bin, each interpolated as the sum over all pixels of `max(0, 1 - distance)`.
pub fn roi_align(
    x: &[f64],
    planes: Planes,
    boxes: &[[f32; 5]],
    output: [usize; 2],
    scale: f64,
    sampling_ratio: usize,
    aligned: bool,
) -> Vec<f64> {
    let mut values = Vec::new();
    for region in boxes {
        let half = if aligned { 0.5 } else { 0.0 };
        let [left, top, right, bottom] = [1, 2, 3, 4].map(|at| f64::from(region[at]) * scale - half);
        let at_least = if aligned { f64::NEG_INFINITY } else { 1.0 };
        let sizes = [(bottom - top).max(at_least), (right - left).max(at_least)];
        let bin = [sizes[0] / output[0] as f64, sizes[1] / output[1] as f64];
        let points = bin.map(|bin| if sampling_ratio > 0 { sampling_ratio } else { bin.ceil() as usize });
        for c in 0..planes.channels {
            for (i, j) in (0..output[0]).flat_map(|i| (0..output[1]).map(move |j| (i, j))) {
                let mut sum = 0.0;
                for (p, q) in (0..points[0]).flat_map(|p| (0..points[1]).map(move |q| (p, q))) {
                    let y = top + bin[0] * (i as f64 + (p as f64 + 0.5) / points[0] as f64);
                    let x_at = left + bin[1] * (j as f64 + (q as f64 + 0.5) / points[1] as f64);
                    if y < -1.0 || y > planes.height as f64 || x_at < -1.0 || x_at > planes.width as f64 {
                        continue;
                    }
                    let y = y.clamp(0.0, (planes.height - 1) as f64);
                    let x_at = x_at.clamp(0.0, (planes.width - 1) as f64);
                    for row in 0..planes.height {
                        for column in 0..planes.width {
                            let weight = (1.0 - (y - row as f64).abs()).max(0.0)
                                * (1.0 - (x_at - column as f64).abs()).max(0.0);
                            sum += weight * planes.at(x, region[0] as usize, c, row, column);
                        }
                    }
                }
                values.push(sum / (points[0] * points[1]).max(1) as f64);
            }
        }
    }
    values
}
