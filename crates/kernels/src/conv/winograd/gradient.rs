//! The matrix products of the gradient with respect to the weights.

use super::transform::{Pixels, Position, gradient_points, input_points};
use super::weights::Layout;
use super::{POINTS, SKEW, Stretches};
use crate::channels::channel_blocks;
use crate::conv::Onto;
use crate::conv::tile::{self, Panels};
use crate::conv::words::{Pairs, Precision, Singles, Words};
use crate::simd::{Kernel, LANES, Simd};

/// Rows of stretches of a weight gradient, or of pairs of them, that are summed before the sum goes to memory.
const EXACT_ROWS: usize = 64;

/// The weight gradients of all images; the stretches are those of the forward direction.
pub(super) struct GradientWalk<'a> {
    pub(super) stretches: &'a Stretches,
    pub(super) images: usize,
    pub(super) input: &'a [f32],
    pub(super) d_output: &'a [f32],
    pub(super) onto: Onto,
    pub(super) d_packed: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl GradientWalk<'_> {
    pub(super) fn scratch_len(stretches: &Stretches) -> usize {
        POINTS * (GradientWalk::input_len(stretches) + GradientWalk::gradient_len(stretches))
    }

    /// Elements of one point's transformed inputs.
    fn input_len(stretches: &Stretches) -> usize {
        EXACT_ROWS * stretches.inner + SKEW
    }

    /// Elements of one point's transformed gradients.
    fn gradient_len(stretches: &Stretches) -> usize {
        EXACT_ROWS * stretches.layout().panels() * LANES + SKEW
    }
}

impl Kernel for GradientWalk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.stretches.precision {
            Precision::F32 => self.walk::<S, Singles>(simd),
            Precision::Bf16 => self.walk::<S, Pairs>(simd),
        }
    }
}

impl GradientWalk<'_> {
    #[inline(always)]
    fn walk<S: Simd, W: Words>(self, simd: S) {
        let stretches = self.stretches;
        let layout = stretches.gradient_layout();
        let pixels = |[rows, columns]: [usize; 2]| self.images * rows * columns;
        assert!(self.input.len() >= pixels(stretches.input) * stretches.inner, "input too short");
        assert!(self.d_output.len() >= pixels(stretches.output) * stretches.outer, "gradient too short");
        assert!(self.d_packed.len() >= layout.weight_len(), "gradients of a different convolution");
        assert!(self.scratch.len() >= GradientWalk::scratch_len(stretches), "scratch too short");
        let (input_len, gradient_len) =
            (GradientWalk::input_len(stretches), GradientWalk::gradient_len(stretches));
        let (transformed, gradients) = self.scratch.split_at_mut(POINTS * input_len);
        let offsets: [u32; EXACT_ROWS] = std::array::from_fn(|index| (index * stretches.inner) as u32);
        let total = self.images * stretches.of_image();
        let most = EXACT_ROWS * W::PRECISION.values();
        let mut first = 0;
        while first < total {
            let count = most.min(total - first);
            // SAFETY: the slices were checked to hold all images, and the scratch space a whole block.
            unsafe {
                let rows = Rows { stretches, first, count };
                rows.transform::<S, W>(simd, self.input.as_ptr(), transformed.as_mut_ptr(), input_len);
                rows.transform_gradient::<S, W>(
                    simd,
                    self.d_output.as_ptr(),
                    gradients.as_mut_ptr(),
                    gradient_len,
                );
                for point in 0..POINTS {
                    let block = GradientBlock {
                        layout,
                        offsets: &offsets[..W::PRECISION.words(count)],
                        transformed: transformed.as_ptr().add(point * input_len),
                        gradients: gradients.as_ptr().add(point * gradient_len),
                        onto: if first == 0 { self.onto } else { Onto::Sum },
                        d_packed: self.d_packed.as_mut_ptr(),
                    };
                    let mut panel = 0;
                    while panel < layout.panels() {
                        panel += if S::REGISTERS >= 32 && layout.panels() - panel >= 2 {
                            block.panels::<S, W, 12, 2>(simd, point, panel)
                        } else if S::REGISTERS >= 32 {
                            block.panels::<S, W, 16, 1>(simd, point, panel)
                        } else {
                            block.panels::<S, W, 6, 1>(simd, point, panel)
                        };
                    }
                }
            }
            first += count;
        }
    }
}

/// Stretches as rows of words: a row is a stretch, or a pair of them.
struct Rows<'a> {
    stretches: &'a Stretches,
    first: usize,
    count: usize,
}

impl Rows<'_> {
    /// Writes the transformed inputs, a row of `inner` words for each point.
    ///
    /// # Safety
    /// The input holds all images that the stretches belong to; there is room for all rows.
    #[inline(always)]
    unsafe fn transform<S: Simd, W: Words>(&self, simd: S, input: *const f32, to: *mut f32, len: usize) {
        let stretches = self.stretches;
        let mut place = Position::of(stretches, self.first);
        let mut index = 0;
        while index < self.count {
            let next = place.next(stretches);
            let has_second = W::PRECISION.values() == 2 && index + 1 < self.count;
            let first_pixels = Pixels::read(stretches, place);
            let second_pixels = if has_second { Pixels::read(stretches, next) } else { first_pixels };
            let row = index / W::PRECISION.values() * stretches.inner;
            for (channel, lanes) in channel_blocks(stretches.inner) {
                // SAFETY: the caller vouches for the input and the rows.
                unsafe {
                    let first = input_points(simd, &first_pixels, input, (channel, lanes));
                    let mut second = [simd.splat(0.0); POINTS];
                    if has_second {
                        second = input_points(simd, &second_pixels, input, (channel, lanes));
                    }
                    for point in 0..POINTS {
                        let words = W::join(simd, first[point], second[point]);
                        simd.store_lanes(to.add(point * len + row + channel), words, lanes);
                    }
                }
            }
            place = if has_second { next.next(stretches) } else { next };
            index += W::PRECISION.values();
        }
    }

    /// Writes the transformed gradients, a row of whole panels for each point.
    ///
    /// # Safety
    /// As for [`Rows::transform`], for the gradient with respect to the output.
    #[inline(always)]
    unsafe fn transform_gradient<S: Simd, W: Words>(
        &self,
        simd: S,
        d_output: *const f32,
        to: *mut f32,
        len: usize,
    ) {
        let stretches = self.stretches;
        let row_len = stretches.layout().panels() * LANES;
        let mut place = Position::of(stretches, self.first);
        let mut index = 0;
        while index < self.count {
            let next = place.next(stretches);
            let has_second = W::PRECISION.values() == 2 && index + 1 < self.count;
            let first_pixels = Pixels::output(stretches, place);
            let second_pixels = if has_second { Pixels::output(stretches, next) } else { first_pixels };
            let row = index / W::PRECISION.values() * row_len;
            for (channel, lanes) in channel_blocks(stretches.outer) {
                // SAFETY: the caller vouches for the gradient and the rows.
                unsafe {
                    let first = gradient_points(simd, &first_pixels, d_output, (channel, lanes));
                    let mut second = [simd.splat(0.0); POINTS];
                    if has_second {
                        second = gradient_points(simd, &second_pixels, d_output, (channel, lanes));
                    }
                    for point in 0..POINTS {
                        let words = W::join(simd, first[point], second[point]);
                        simd.store(to.add(point * len + row + channel), words);
                    }
                }
            }
            place = if has_second { next.next(stretches) } else { next };
            index += W::PRECISION.values();
        }
    }
}

/// One point of a block of stretches, both sides transformed.
struct GradientBlock<'a> {
    layout: Layout,
    /// Offset of each row in the transformed input.
    offsets: &'a [u32],
    transformed: *const f32,
    gradients: *const f32,
    onto: Onto,
    d_packed: *mut f32,
}

impl GradientBlock<'_> {
    /// The gradients of `K` panels, in tiles of `P` input channels and the rest in smaller ones; returns `K`.
    ///
    /// # Safety
    /// The pointers lead to the point's matrices and to all gradients.
    #[inline(always)]
    unsafe fn panels<S: Simd, W: Words, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
    ) -> usize {
        let inner = self.layout.inner;
        let mut channel = 0;
        // SAFETY: the caller vouches for the memory.
        unsafe {
            // A remainder of 16 makes two tiles of 8, whereas 12 would leave small ones.
            while inner - channel >= P && (inner - channel - P == 0 || inner - channel - P >= 8 || P < 12) {
                self.tile::<S, W, P, K>(simd, point, panel, channel);
                channel += P;
            }
            while inner - channel >= 8 {
                self.tile::<S, W, 8, K>(simd, point, panel, channel);
                channel += 8;
            }
            while inner - channel >= 3 {
                self.tile::<S, W, 3, K>(simd, point, panel, channel);
                channel += 3;
            }
            while channel < inner {
                self.tile::<S, W, 1, K>(simd, point, panel, channel);
                channel += 1;
            }
        }
        K
    }

    /// # Safety
    /// As for [`GradientBlock::panels`].
    #[inline(always)]
    unsafe fn tile<S: Simd, W: Words, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
        channel: usize,
    ) {
        let layout = &self.layout;
        // SAFETY: the caller vouches for the memory.
        unsafe {
            tile::outer::<S, W, P, K>(
                simd,
                self.transformed.add(channel),
                self.offsets,
                self.gradients.add(panel * LANES),
                layout.panels() * LANES,
                LANES,
                self.onto,
                Panels {
                    first: self.d_packed.add(layout.row(point, panel, channel)),
                    stride: layout.panel_len(),
                },
            );
        }
    }
}
