//! Pooling as nested loops over NCHW slices, window by window as PyTorch's documentation describes them.

/// A pooling with sliding windows of `planes = batch * channels` planes; pairs are (rows, columns).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Pooling {
    pub planes: usize,
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub ceil_mode: bool,
}

impl Pooling {
    /// Rows and columns of the output: one for each window that fits or, with `ceil_mode`, starts inside.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let end = self.input[axis] + 2 * self.padding[axis];
            let starts = (0..end).step_by(self.stride[axis]);
            let fitting = starts.clone().filter(|start| start + reach <= end).count();
            if !self.ceil_mode {
                return fitting;
            }
            // One more if the last one that fits leaves a remainder, unless it would start in the padding at the end.
            let leaves_some = fitting * self.stride[axis] + reach < end + self.stride[axis];
            let begins_inside = fitting * self.stride[axis] < self.input[axis] + self.padding[axis];
            fitting + usize::from(leaves_some && begins_inside)
        })
    }

    /// Each window's maximum and its position: the first of equal values, or the last NaN.
    pub fn max(&self, x: &[f64]) -> (Vec<f64>, Vec<i64>) {
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        self.for_each_window(x, |plane, pixels| {
            let mut best = (f64::NEG_INFINITY, -1);
            for [row, column] in inside(self.input, &pixels) {
                let value = plane[row * self.input[1] + column];
                if value > best.0 || value.is_nan() || best.1 < 0 {
                    best = (value, (row * self.input[1] + column) as i64);
                }
            }
            values.push(best.0);
            indices.push(best.1);
        });
        (values, indices)
    }

    /// Each window's sum, divided by `divisor` or the number of its pixels, with or without those in the padding.
    pub fn mean(&self, x: &[f64], count_include_pad: bool, divisor: Option<i64>) -> Vec<f64> {
        let mut values = Vec::new();
        self.for_each_window(x, |plane, pixels| {
            let inside = inside(self.input, &pixels);
            let sum: f64 = inside.iter().map(|[row, column]| plane[row * self.input[1] + column]).sum();
            let in_padding = |&[row, column]: &[isize; 2]| {
                row < (self.input[0] + self.padding[0]) as isize
                    && column < (self.input[1] + self.padding[1]) as isize
            };
            let padded = pixels.iter().filter(|pixel| in_padding(pixel)).count();
            let counted = if count_include_pad { padded } else { inside.len() };
            values.push(sum / divisor.map_or(counted as f64, |divisor| divisor as f64));
        });
        values
    }

    fn for_each_window(&self, x: &[f64], mut visit: impl FnMut(&[f64], Vec<[isize; 2]>)) {
        let [rows, columns] = self.output();
        assert_eq!(x.len(), self.planes * self.input[0] * self.input[1]);
        for plane in x.chunks_exact(self.input[0] * self.input[1]) {
            for i in 0..rows {
                for j in 0..columns {
                    let mut pixels = Vec::new();
                    for r in 0..self.kernel[0] {
                        for s in 0..self.kernel[1] {
                            let row = i * self.stride[0] + r * self.dilation[0];
                            let column = j * self.stride[1] + s * self.dilation[1];
                            pixels.push([
                                row as isize - self.padding[0] as isize,
                                column as isize - self.padding[1] as isize,
                            ]);
                        }
                    }
                    visit(plane, pixels);
                }
            }
        }
    }
}

fn inside([height, width]: [usize; 2], pixels: &[[isize; 2]]) -> Vec<[usize; 2]> {
    let is_inside = |[row, column]: &&[isize; 2]| {
        (0..height as isize).contains(row) && (0..width as isize).contains(column)
    };
    pixels.iter().filter(is_inside).map(|&[row, column]| [row as usize, column as usize]).collect()
}

/// Adaptive mean pooling of planes of `input` rows and columns to `output`.
pub fn adaptive_mean(x: &[f64], input: [usize; 2], output: [usize; 2]) -> Vec<f64> {
    let bounds = |axis: usize, i: usize| {
        let ratio = input[axis] as f64 / output[axis] as f64;
        ((i as f64 * ratio + 1e-9).floor() as usize, ((i + 1) as f64 * ratio - 1e-9).ceil() as usize)
    };
    let mut values = Vec::new();
    for plane in x.chunks_exact(input[0] * input[1]) {
        for i in 0..output[0] {
            for j in 0..output[1] {
                let ((top, bottom), (left, right)) = (bounds(0, i), bounds(1, j));
                let rows = top..bottom;
                let sum: f64 = rows
                    .map(|row| plane[row * input[1] + left..row * input[1] + right].iter().sum::<f64>())
                    .sum();
                values.push(sum / ((bottom - top) * (right - left)) as f64);
            }
        }
    }
    values
}
