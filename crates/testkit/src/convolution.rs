//! Two-dimensional convolution as nested loops over NCHW and OIHW slices.

/// The values beyond the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadWith {
    /// Zeros.
    Zeros,
    /// The mirrored image.
    Reflect,
    /// The outermost pixel.
    Replicate,
    /// The other side.
    Circular,
}

/// A convolution of `batch` images; pairs are (rows, columns), `padding` is top, bottom, left, right.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Convolution {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub groups: usize,
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub padding: [usize; 4],
    pub pad_with: PadWith,
}

impl Convolution {
    /// Rows and columns of the output.
    pub fn output(&self) -> [usize; 2] {
        let [top, bottom, left, right] = self.padding;
        let padded = [self.input[0] + top + bottom, self.input[1] + left + right];
        [0, 1].map(|i| (padded[i] - self.dilation[i] * (self.kernel[i] - 1) - 1) / self.stride[i] + 1)
    }

    /// `y[n,o,i,j] = b[o] + sum over c,r,s of x[n,c,i*stride+r*dilation-pad,...] * w[o,c,r,s]`.
    pub fn forward(&self, x: &[f32], w: &[f32], bias: &[f32]) -> Vec<f64> {
        let pixels = self.output()[0] * self.output()[1];
        let mut y: Vec<f64> = (0..self.batch * self.out_channels * pixels)
            .map(|i| bias.get(i / pixels % self.out_channels).map_or(0.0, |&b| f64::from(b)))
            .collect();
        self.for_each_term(|xi, wi, yi| y[yi] += f64::from(x[xi]) * f64::from(w[wi]));
        y
    }

    /// The gradient with respect to the input.
    pub fn d_input(&self, w: &[f32], dy: &[f32]) -> Vec<f64> {
        let mut dx = vec![0.0; self.batch * self.in_channels * self.input[0] * self.input[1]];
        self.for_each_term(|xi, wi, yi| dx[xi] += f64::from(dy[yi]) * f64::from(w[wi]));
        dx
    }

    /// The gradient with respect to the weight.
    pub fn d_weight(&self, x: &[f32], dy: &[f32]) -> Vec<f64> {
        let inner = self.in_channels / self.groups;
        let mut dw = vec![0.0; self.out_channels * inner * self.kernel[0] * self.kernel[1]];
        self.for_each_term(|xi, wi, yi| dw[wi] += f64::from(dy[yi]) * f64::from(x[xi]));
        dw
    }

    /// The gradient with respect to the bias.
    pub fn d_bias(&self, dy: &[f32]) -> Vec<f64> {
        let pixels = self.output()[0] * self.output()[1];
        let mut db = vec![0.0; self.out_channels];
        dy.iter().enumerate().for_each(|(i, &d)| db[i / pixels % self.out_channels] += f64::from(d));
        db
    }

    /// Calls `term(x index, w index, y index)` for every product of the sum.
    fn for_each_term(&self, mut term: impl FnMut(usize, usize, usize)) {
        let [rows, columns] = self.output();
        let (inner, outer) = (self.in_channels / self.groups, self.out_channels / self.groups);
        for n in 0..self.batch {
            for o in 0..self.out_channels {
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    for c in 0..inner {
                        for (r, s) in
                            (0..self.kernel[0]).flat_map(|r| (0..self.kernel[1]).map(move |s| (r, s)))
                        {
                            let y = (i * self.stride[0] + r * self.dilation[0]) as isize
                                - self.padding[0] as isize;
                            let x = (j * self.stride[1] + s * self.dilation[1]) as isize
                                - self.padding[2] as isize;
                            let (Some(y), Some(x)) = (self.source(y, 0), self.source(x, 1)) else { continue };
                            let channel = o / outer * inner + c;
                            term(
                                ((n * self.in_channels + channel) * self.input[0] + y) * self.input[1] + x,
                                ((o * inner + c) * self.kernel[0] + r) * self.kernel[1] + s,
                                ((n * self.out_channels + o) * rows + i) * columns + j,
                            );
                        }
                    }
                }
            }
        }
    }

    fn source(&self, at: isize, axis: usize) -> Option<usize> {
        let len = self.input[axis] as isize;
        let inside = match self.pad_with {
            PadWith::Zeros if (0..len).contains(&at) => at,
            PadWith::Zeros => return None,
            PadWith::Replicate => at.max(0).min(len - 1),
            PadWith::Circular => (at + len) % len,
            PadWith::Reflect if at < 0 => -at,
            PadWith::Reflect if at >= len => 2 * (len - 1) - at,
            PadWith::Reflect => at,
        };
        Some(inside as usize)
    }
}
