//! The matrix products of the forward direction and the gradient with respect to the input, between the transforms.

use super::transform::{Pixels, Position, input_points, transform_output};
use super::weights::{Layout, PANELS};
use super::{POINTS, SKEW, Stretches};
use crate::Epilogue;
use crate::channels::channel_blocks;
use crate::conv::tile::{self, Panels, Tap};
use crate::conv::words::{Pairs, Precision, Singles, Words};
use crate::simd::{Kernel, LANES, Simd};

/// Words of input channels that are summed before the sum is moved out, to limit the rounding errors of long sums.
const EXACT_WORDS: usize = 96;
/// Stretches of the smaller tiles.
const SMALL: usize = 8;

/// Convolves all images; the packed weights are those of the stretches' layout.
pub(super) struct Walk<'a> {
    pub(super) stretches: &'a Stretches,
    pub(super) images: usize,
    pub(super) input: &'a [f32],
    pub(super) packed: &'a [f32],
    pub(super) epilogue: Epilogue,
    pub(super) output: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl Walk<'_> {
    pub(super) fn scratch_len(stretches: &Stretches) -> usize {
        let block = stretches.block();
        POINTS * (stretches.transformed_len(block) + product_len(block))
    }
}

/// Elements of one point's products of a block.
fn product_len(block: usize) -> usize {
    block * PANELS * LANES + SKEW
}

impl Kernel for Walk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.stretches.precision {
            Precision::F32 => self.walk::<S, Singles>(simd),
            Precision::Bf16 => self.walk::<S, Pairs>(simd),
        }
    }
}

impl Walk<'_> {
    #[inline(always)]
    fn walk<S: Simd, W: Words>(self, simd: S) {
        let stretches = self.stretches;
        let pixels = |[rows, columns]: [usize; 2]| self.images * rows * columns;
        assert!(self.input.len() >= pixels(stretches.input) * stretches.inner, "input too short");
        assert!(self.output.len() >= pixels(stretches.output) * stretches.outer, "output too short");
        assert!(self.packed.len() >= stretches.layout().packed_len(), "weights of a different convolution");
        assert!(self.scratch.len() >= Walk::scratch_len(stretches), "scratch too short");
        let most = stretches.block();
        let transformed_len = stretches.transformed_len(most);
        let (transformed, products) = self.scratch.split_at_mut(POINTS * transformed_len);
        let total = self.images * stretches.of_image();
        let mut first = 0;
        while first < total {
            let count = most.min(total - first);
            let block = Block {
                stretches,
                layout: stretches.layout(),
                first,
                count,
                transformed: transformed.as_mut_ptr(),
                transformed_len,
                packed: self.packed.as_ptr(),
                products: products.as_mut_ptr(),
                products_len: product_len(most),
                output: self.output.as_mut_ptr(),
                epilogue: self.epilogue,
            };
            // SAFETY: the slices were checked to hold all images, and the scratch space a whole block.
            unsafe {
                block.transform::<S, W>(simd, self.input.as_ptr());
                let panels = stretches.layout().panels();
                let mut panel = 0;
                while panel < panels {
                    panel += if S::REGISTERS >= 32 && panels - panel >= 2 {
                        block.panels::<S, W, 13, 2>(simd, panel)
                    } else if S::REGISTERS >= 32 {
                        block.panels::<S, W, 16, 1>(simd, panel)
                    } else {
                        block.panels::<S, W, 6, 1>(simd, panel)
                    };
                }
            }
            first += count;
        }
    }
}

/// Stretches that are processed together.
struct Block<'a> {
    stretches: &'a Stretches,
    layout: Layout,
    first: usize,
    count: usize,
    /// Rows of words of the transformed input, by point.
    transformed: *mut f32,
    transformed_len: usize,
    packed: *const f32,
    products: *mut f32,
    products_len: usize,
    output: *mut f32,
    epilogue: Epilogue,
}

impl Block<'_> {
    /// # Safety
    /// The input contains all images that the stretches belong to.
    #[inline(always)]
    unsafe fn transform<S: Simd, W: Words>(&self, simd: S, input: *const f32) {
        let words = W::PRECISION.words(self.stretches.inner);
        let mut place = Position::of(self.stretches, self.first);
        for index in 0..self.count {
            let pixels = Pixels::read(self.stretches, place);
            for (channel, lanes) in channel_blocks(self.stretches.inner) {
                // SAFETY: the caller vouches for the input, and the block has room for its stretches.
                unsafe {
                    let points = input_points(simd, &pixels, input, (channel, lanes));
                    for point in 0..POINTS {
                        let row = self.transformed.add(point * self.transformed_len + index * words);
                        W::store(simd, row, channel, points[point], lanes);
                    }
                }
            }
            place = place.next(self.stretches);
        }
    }

    /// The outputs of `K` panels, in tiles of `P` stretches; returns `K`.
    ///
    /// # Safety
    /// The pointers are to whole blocks, weights and images.
    #[inline(always)]
    unsafe fn panels<S: Simd, W: Words, const P: usize, const K: usize>(
        &self,
        simd: S,
        panel: usize,
    ) -> usize {
        // SAFETY: the caller vouches for the memory.
        unsafe {
            for point in 0..POINTS {
                // With few stretches, as in one small image, smaller tiles may repeat less work.
                if self.count.next_multiple_of(SMALL) < self.count.next_multiple_of(P) {
                    self.tiles::<S, W, SMALL, K>(simd, point, panel);
                } else {
                    self.tiles::<S, W, P, K>(simd, point, panel);
                }
            }
            let biases = self.packed.add(self.layout.weight_len());
            let mut place = Position::of(self.stretches, self.first);
            for index in 0..self.count {
                let pixels = Pixels::output(self.stretches, place);
                for k in 0..K {
                    let channel = (panel + k) * LANES;
                    let lanes = LANES.min(self.stretches.outer - channel);
                    transform_output(
                        simd,
                        self.products.add((index * K + k) * LANES),
                        self.products_len,
                        biases.add(channel),
                        self.epilogue,
                        &pixels,
                        self.output,
                        (channel, lanes),
                    );
                }
                place = place.next(self.stretches);
            }
        }
        K
    }

    /// The products of one point and `K` panels, in tiles of `P` stretches.
    ///
    /// # Safety
    /// As for [`Block::panels`].
    #[inline(always)]
    unsafe fn tiles<S: Simd, W: Words, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
    ) {
        // SAFETY: the caller vouches for the memory.
        unsafe {
            let mut stretch = 0;
            while self.count - stretch >= P {
                self.tile::<S, W, P, K>(simd, point, panel, stretch);
                stretch += P;
            }
            if stretch < self.count && self.count >= P {
                // The last tile is moved back over stretches that are already done.
                self.tile::<S, W, P, K>(simd, point, panel, self.count - P);
                stretch = self.count;
            }
            while self.count - stretch >= 4 {
                self.tile::<S, W, 4, K>(simd, point, panel, stretch);
                stretch += 4;
            }
            while stretch < self.count {
                self.tile::<S, W, 1, K>(simd, point, panel, stretch);
                stretch += 1;
            }
        }
    }

    /// The products of one point, `P` stretches and `K` panels.
    ///
    /// # Safety
    /// As for [`Block::panels`].
    #[inline(always)]
    unsafe fn tile<S: Simd, W: Words, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
        stretch: usize,
    ) {
        let words = W::PRECISION.words(self.stretches.inner);
        // SAFETY: the caller vouches for the memory.
        unsafe {
            let mut from = 0;
            while from < words {
                let tap = Tap { input: from, row: from, len: EXACT_WORDS.min(words - from) };
                let sums = tile::sums::<S, W, P, K>(
                    simd,
                    self.transformed.add(point * self.transformed_len),
                    &std::array::from_fn(|p| (stretch + p) * words),
                    &[tap],
                    Panels {
                        first: self.packed.add(self.layout.row(point, panel, 0)),
                        stride: self.layout.panel_len(),
                    },
                );
                let to = self.products.add(point * self.products_len + stretch * K * LANES);
                for p in 0..P {
                    for k in 0..K {
                        let to = to.add((p * K + k) * LANES);
                        let sum = sums[p][k];
                        simd.store(to, if from == 0 { sum } else { simd.add(simd.load(to), sum) });
                    }
                }
                from += tap.len;
            }
        }
    }
}
