//! The matrix products between the transforms, block by block.

use super::transform::{Pixels, Place, transform_gradient, transform_input, transform_output};
use super::{POINTS, SKEW, Stretches};
use crate::Epilogue;
use crate::channels::channel_blocks;
use crate::conv::tile::{self, Panels, Tap};
use crate::simd::{Kernel, LANES, Simd};

/// Input channels that are summed up before the sum is put aside, which keeps the rounding of long sums small.
const EXACT_CHANNELS: usize = 96;
/// Stretches of a weight gradient that are summed up before the sum goes to memory.
const EXACT_STRETCHES: usize = 64;
/// Panels that a tile covers at most.
const MOST_PANELS: usize = 2;

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
    block * MOST_PANELS * LANES + SKEW
}

impl Kernel for Walk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let stretches = self.stretches;
        let pixels = |[rows, columns]: [usize; 2]| self.images * rows * columns;
        assert!(self.input.len() >= pixels(stretches.input) * stretches.inner, "input too short");
        assert!(self.output.len() >= pixels(stretches.output) * stretches.outer, "output too short");
        assert!(self.packed.len() >= stretches.layout().packed_len(), "weights of another convolution");
        assert!(self.scratch.len() >= Walk::scratch_len(stretches), "scratch too short");
        let block = stretches.block();
        let transformed_len = stretches.transformed_len(block);
        let (transformed, products) = self.scratch.split_at_mut(POINTS * transformed_len);
        let total = self.images * stretches.of_image();
        let mut first = 0;
        while first < total {
            let count = block.min(total - first);
            // SAFETY: the slices were checked to hold all images, and the scratch space a whole block.
            unsafe {
                transform_block(simd, stretches, first, count, self.input, transformed, transformed_len);
                let mut panel = 0;
                while panel < stretches.layout().panels() {
                    let block = Block {
                        stretches,
                        first,
                        count,
                        transformed: transformed.as_ptr(),
                        transformed_len,
                        packed: self.packed.as_ptr(),
                        products: products.as_mut_ptr(),
                        products_len: product_len(block),
                        output: self.output.as_mut_ptr(),
                        epilogue: self.epilogue,
                    };
                    panel += if S::REGISTERS >= 32 && stretches.layout().panels() - panel >= 2 {
                        block.panels::<S, 13, 2>(simd, panel)
                    } else if S::REGISTERS >= 32 {
                        block.panels::<S, 16, 1>(simd, panel)
                    } else {
                        block.panels::<S, 6, 1>(simd, panel)
                    };
                }
            }
            first += count;
        }
    }
}

/// # Safety
/// The input holds all images that the stretches belong to, and `transformed` the points of the block.
#[inline(always)]
unsafe fn transform_block<S: Simd>(
    simd: S,
    stretches: &Stretches,
    first: usize,
    count: usize,
    input: &[f32],
    transformed: &mut [f32],
    transformed_len: usize,
) {
    let mut place = Place::of(stretches, first);
    for index in 0..count {
        let pixels = Pixels::read(stretches, place);
        for (channel, lanes) in channel_blocks(stretches.inner) {
            // SAFETY: the caller vouches for both slices.
            unsafe {
                let to = transformed.as_mut_ptr().add(index * stretches.inner + channel);
                transform_input(simd, &pixels, input.as_ptr(), (channel, lanes), to, transformed_len);
            }
        }
        place = place.next(stretches);
    }
}

/// A block of stretches whose inputs are transformed.
struct Block<'a> {
    stretches: &'a Stretches,
    first: usize,
    count: usize,
    transformed: *const f32,
    transformed_len: usize,
    packed: *const f32,
    products: *mut f32,
    products_len: usize,
    output: *mut f32,
    epilogue: Epilogue,
}

impl Block<'_> {
    /// The outputs of `K` panels, in tiles of `P` stretches; gives back `K`.
    ///
    /// # Safety
    /// The pointers lead to whole blocks, weights and images.
    #[inline(always)]
    unsafe fn panels<S: Simd, const P: usize, const K: usize>(&self, simd: S, panel: usize) -> usize {
        // SAFETY: the caller vouches for the memory.
        unsafe {
            for point in 0..POINTS {
                let mut stretch = 0;
                while self.count - stretch >= P {
                    self.tile::<S, P, K>(simd, point, panel, stretch);
                    stretch += P;
                }
                if stretch < self.count && self.count >= P {
                    // The last tile is moved back over stretches that are already done.
                    self.tile::<S, P, K>(simd, point, panel, self.count - P);
                    stretch = self.count;
                }
                while self.count - stretch >= 4 {
                    self.tile::<S, 4, K>(simd, point, panel, stretch);
                    stretch += 4;
                }
                while stretch < self.count {
                    self.tile::<S, 1, K>(simd, point, panel, stretch);
                    stretch += 1;
                }
            }
            let layout = self.stretches.layout();
            let biases = self.packed.add(layout.weight_len());
            let mut place = Place::of(self.stretches, self.first);
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

    /// The products of one point, `P` stretches and `K` panels.
    ///
    /// # Safety
    /// As for [`Block::panels`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
        stretch: usize,
    ) {
        let (inner, layout) = (self.stretches.inner, self.stretches.layout());
        // SAFETY: the caller vouches for the memory.
        unsafe {
            let mut from = 0;
            while from < inner {
                let tap = Tap { input: from, row: from, len: EXACT_CHANNELS.min(inner - from) };
                let sums = tile::sums::<S, P, K>(
                    simd,
                    self.transformed.add(point * self.transformed_len),
                    &std::array::from_fn(|p| (stretch + p) * inner),
                    &[tap],
                    Panels {
                        first: self.packed.add(layout.row(point, panel, 0)),
                        stride: layout.panel_len(),
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

/// Adds the weight gradients of all images to packed gradients; the stretches are those of the forward direction.
pub(super) struct GradientWalk<'a> {
    pub(super) stretches: &'a Stretches,
    pub(super) images: usize,
    pub(super) input: &'a [f32],
    pub(super) d_output: &'a [f32],
    pub(super) d_packed: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl GradientWalk<'_> {
    pub(super) fn scratch_len(stretches: &Stretches) -> usize {
        POINTS * (stretches.transformed_len(EXACT_STRETCHES) + GradientWalk::gradient_len(stretches))
    }

    /// Elements of one point's transformed gradients.
    fn gradient_len(stretches: &Stretches) -> usize {
        EXACT_STRETCHES * stretches.layout().panels() * LANES + SKEW
    }
}

impl Kernel for GradientWalk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let stretches = self.stretches;
        let pixels = |[rows, columns]: [usize; 2]| self.images * rows * columns;
        assert!(self.input.len() >= pixels(stretches.input) * stretches.inner, "input too short");
        assert!(self.d_output.len() >= pixels(stretches.output) * stretches.outer, "gradient too short");
        assert!(self.d_packed.len() >= stretches.layout().weight_len(), "gradients of another convolution");
        assert!(self.scratch.len() >= GradientWalk::scratch_len(stretches), "scratch too short");
        let transformed_len = stretches.transformed_len(EXACT_STRETCHES);
        let gradient_len = GradientWalk::gradient_len(stretches);
        let gradient_row = stretches.layout().panels() * LANES;
        let (transformed, gradients) = self.scratch.split_at_mut(POINTS * transformed_len);
        let offsets: [u32; EXACT_STRETCHES] = std::array::from_fn(|index| (index * stretches.inner) as u32);
        let total = self.images * stretches.of_image();
        let mut first = 0;
        while first < total {
            let count = EXACT_STRETCHES.min(total - first);
            // SAFETY: the slices were checked to hold all images, and the scratch space a whole block.
            unsafe {
                transform_block(simd, stretches, first, count, self.input, transformed, transformed_len);
                let mut place = Place::of(stretches, first);
                for index in 0..count {
                    let pixels = Pixels::output(stretches, place);
                    for (channel, lanes) in channel_blocks(stretches.outer) {
                        let to = gradients.as_mut_ptr().add(index * gradient_row + channel);
                        let from = self.d_output.as_ptr();
                        transform_gradient(simd, &pixels, from, (channel, lanes), to, gradient_len);
                    }
                    place = place.next(stretches);
                }
                for point in 0..POINTS {
                    let block = GradientBlock {
                        stretches,
                        offsets: &offsets[..count],
                        transformed: transformed.as_ptr().add(point * transformed_len),
                        gradients: gradients.as_ptr().add(point * gradient_len),
                        d_packed: self.d_packed.as_mut_ptr(),
                    };
                    let mut panel = 0;
                    while panel < stretches.layout().panels() {
                        panel += if S::REGISTERS >= 32 && stretches.layout().panels() - panel >= 2 {
                            block.panels::<S, 12, 2>(simd, point, panel)
                        } else if S::REGISTERS >= 32 {
                            block.panels::<S, 16, 1>(simd, point, panel)
                        } else {
                            block.panels::<S, 6, 1>(simd, point, panel)
                        };
                    }
                }
            }
            first += count;
        }
    }
}

/// One point of a block of stretches, both sides transformed.
struct GradientBlock<'a> {
    stretches: &'a Stretches,
    /// Offset of each stretch in the transformed input.
    offsets: &'a [u32],
    transformed: *const f32,
    gradients: *const f32,
    d_packed: *mut f32,
}

impl GradientBlock<'_> {
    /// The gradients of `K` panels, in tiles of `P` input channels and the rest in smaller ones; gives back `K`.
    ///
    /// # Safety
    /// The pointers lead to the point's matrices and to all gradients.
    #[inline(always)]
    unsafe fn panels<S: Simd, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
    ) -> usize {
        let inner = self.stretches.inner;
        let mut channel = 0;
        // SAFETY: the caller vouches for the memory.
        unsafe {
            // A rest of 16 makes two tiles of 8, where 12 would leave small ones.
            while inner - channel >= P && (inner - channel - P == 0 || inner - channel - P >= 8 || P < 12) {
                self.tile::<S, P, K>(simd, point, panel, channel);
                channel += P;
            }
            while inner - channel >= 8 {
                self.tile::<S, 8, K>(simd, point, panel, channel);
                channel += 8;
            }
            while inner - channel >= 3 {
                self.tile::<S, 3, K>(simd, point, panel, channel);
                channel += 3;
            }
            while channel < inner {
                self.tile::<S, 1, K>(simd, point, panel, channel);
                channel += 1;
            }
        }
        K
    }

    /// # Safety
    /// As for [`GradientBlock::panels`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize, const K: usize>(
        &self,
        simd: S,
        point: usize,
        panel: usize,
        channel: usize,
    ) {
        let layout = self.stretches.layout();
        // SAFETY: the caller vouches for the memory.
        unsafe {
            tile::outer::<S, P, K>(
                simd,
                self.transformed.add(channel),
                self.offsets,
                self.gradients.add(panel * LANES),
                layout.panels() * LANES,
                LANES,
                Panels {
                    first: self.d_packed.add(layout.row(point, panel, channel)),
                    stride: layout.panel_len(),
                },
            );
        }
    }
}
