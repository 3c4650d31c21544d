//! One pass over the pixels of an image: which inputs meet which weights, and where the sums go.

use super::Onto;
use super::tile::{self, Panels, Tap};
use super::words::Singles;
use crate::Epilogue;
use crate::simd::{Kernel, LANES, Simd};
use std::ops::Range;

/// Pixels whose outputs are computed for all channels before the next ones, so that both sides stay in the caches: whole
/// tiles of 14 and of 16.
const STRETCH: usize = 112;

/// Pixels of a weight gradient that are added up before their sum goes to memory, to limit rounding errors.
const EXACT_PIXELS: usize = 64;

/// A convolution as lists: output pixel `targets[q]` gathers the inputs at `inputs[q] + tap`.
///
/// The lists cover a block of images, so that tiles of pixels may extend beyond an image's end.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// Offset of each pixel's first value in the framed images.
    pub(super) inputs: Vec<u32>,
    /// Offset of each pixel in the output.
    pub(super) targets: Vec<u32>,
    /// Pixels of one image.
    pub(super) image_pixels: usize,
    /// Kernel positions (row, column) in the order in which the weights are packed.
    pub(super) order: Vec<[usize; 2]>,
    pub(super) taps: Vec<Tap>,
    pub(super) channels: Channels,
}

/// How channels are divided into groups and panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channels {
    pub(super) groups: usize,
    /// Input channels of one group.
    pub(super) inner: usize,
    /// Output channels of one group.
    pub(super) outer: usize,
}

impl Channels {
    pub(super) fn panels(&self) -> usize {
        self.outer.div_ceil(LANES)
    }

    /// Lanes that are in use in the last panel of `count` panels from `panel`.
    fn last_lanes(&self, panel: usize, count: usize) -> usize {
        (self.outer - (panel + count - 1) * LANES).min(LANES)
    }
}

impl Pass {
    /// Weight rows of one panel.
    pub(super) fn rows(&self) -> usize {
        self.order.len() * self.channels.inner
    }

    fn panel_len(&self) -> usize {
        self.rows() * LANES
    }

    /// Elements of the packed weights, which are followed by the packed bias.
    pub(super) fn weight_len(&self) -> usize {
        self.channels.groups * self.channels.panels() * self.panel_len()
    }

    /// Elements of the packed bias.
    pub(super) fn bias_len(&self) -> usize {
        self.channels.groups * self.channels.panels() * LANES
    }

    /// Elements of packed weights and bias.
    pub(super) fn packed_len(&self) -> usize {
        self.weight_len() + self.bias_len()
    }

    /// Checks that the input contains everything that the taps of the first `pixels` pixels read.
    fn check_input(&self, pixels: usize, input: &[f32]) {
        let reach = self.taps.iter().map(|tap| tap.input + tap.len).max().unwrap_or(0);
        let width = self.channels.inner * (self.channels.groups - 1);
        let farthest = self.inputs[..pixels].iter().max().map_or(0, |&at| at as usize);
        assert!(self.taps.is_empty() || farthest + reach + width <= input.len(), "input too short");
    }

    /// Calls `visit(packed, [group, outer, inner, row, column])` for every weight.
    pub(super) fn for_each_weight(&self, mut visit: impl FnMut(usize, [usize; 5])) {
        let Channels { groups, inner, outer } = self.channels;
        for group in 0..groups {
            for panel in 0..self.channels.panels() {
                let first = (group * self.channels.panels() + panel) * self.panel_len();
                let channels = panel * LANES..outer.min((panel + 1) * LANES);
                // A few channels of the input at a time, so that both orders stay in the first cache.
                for start in (0..inner).step_by(LANES) {
                    for channel in channels.clone() {
                        for (tap, &[row, column]) in self.order.iter().enumerate() {
                            let packed = first + tap * inner * LANES + channel % LANES;
                            for from in start..inner.min(start + LANES) {
                                visit(packed + from * LANES, [group, channel, from, row, column]);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Calls `visit(packed, channel)` for every bias, `packed` counted from the start of the packed bias.
    pub(super) fn for_each_bias(&self, mut visit: impl FnMut(usize, usize)) {
        let Channels { groups, outer, .. } = self.channels;
        for group in 0..groups {
            for channel in 0..outer {
                visit(group * self.channels.panels() * LANES + channel, group * outer + channel);
            }
        }
    }
}

/// Runs a pass over the framed images of one block.
pub(super) struct Gather<'a> {
    pub(super) pass: &'a Pass,
    pub(super) images: usize,
    pub(super) input: &'a [f32],
    /// Packed weights and bias.
    pub(super) packed: &'a [f32],
    pub(super) epilogue: Epilogue,
    pub(super) output: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let pass = self.pass;
        let pixels = self.images * pass.image_pixels;
        if pixels == 0 {
            return;
        }
        assert!(self.packed.len() >= pass.packed_len(), "packed weights of a different convolution");
        pass.check_input(pixels, self.input);
        let last = pass.targets[..pixels].iter().max().map_or(0, |&at| at as usize);
        assert!(last + pass.channels.groups * pass.channels.outer <= self.output.len(), "output too short");
        for group in 0..pass.channels.groups {
            for first in (0..pixels).step_by(STRETCH) {
                let stretch = first..pixels.min(first + STRETCH);
                let panels = pass.channels.panels();
                let mut panel = 0;
                while panel < panels {
                    if S::REGISTERS >= 32 && panels - panel >= 2 {
                        self.panels::<S, 14, 2>(simd, group, panel, stretch.clone());
                        panel += 2;
                    } else if S::REGISTERS >= 32 {
                        self.panels::<S, 16, 1>(simd, group, panel, stretch.clone());
                        panel += 1;
                    } else {
                        self.panels::<S, 6, 1>(simd, group, panel, stretch.clone());
                        panel += 1;
                    }
                }
            }
        }
    }
}

impl Gather<'_> {
    /// Some pixels of `K` panels: tiles of `P`, and a smaller one for the rest.
    #[inline(always)]
    fn panels<S: Simd, const P: usize, const K: usize>(
        &mut self,
        simd: S,
        group: usize,
        panel: usize,
        pixels: Range<usize>,
    ) {
        let mut pixel = pixels.start;
        while pixels.end - pixel >= P {
            self.tile::<S, P, K>(simd, group, panel, pixel);
            pixel += P;
        }
        if pixel == pixels.end {
            return;
        }
        // The smallest tile that holds the rest, if it can be moved back over pixels that are already done.
        let (rest, end) = (pixels.end - pixel, pixels.end);
        if rest <= 4 && end >= 4 {
            self.tile::<S, 4, K>(simd, group, panel, end - 4);
        } else if rest <= 8 && end >= 8 && P > 8 {
            self.tile::<S, 8, K>(simd, group, panel, end - 8);
        } else if end >= P {
            self.tile::<S, P, K>(simd, group, panel, end - P);
        } else {
            while end - pixel >= 4 {
                self.tile::<S, 4, K>(simd, group, panel, pixel);
                pixel += 4;
            }
            while pixel < end {
                self.tile::<S, 1, K>(simd, group, panel, pixel);
                pixel += 1;
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const K: usize>(
        &mut self,
        simd: S,
        group: usize,
        panel: usize,
        pixel: usize,
    ) {
        let Pass { channels, .. } = *self.pass;
        let from = group * channels.inner;
        let to = group * channels.outer + panel * LANES;
        let pixels: [usize; P] = std::array::from_fn(|p| self.pass.inputs[pixel + p] as usize + from);
        let targets: [usize; P] = std::array::from_fn(|p| self.pass.targets[pixel + p] as usize + to);
        let first = group * channels.panels() + panel;
        // SAFETY: `run` checked that the input holds every pixel's taps for every group, the output every target
        // with all channels, and the packed weights all panels followed by the bias.
        unsafe {
            tile::gather::<S, P, K>(
                simd,
                self.input.as_ptr(),
                &pixels,
                &self.pass.taps,
                Panels {
                    first: self.packed.as_ptr().add(first * self.pass.panel_len()),
                    stride: self.pass.panel_len(),
                },
                self.packed.as_ptr().add(self.pass.weight_len() + first * LANES),
                self.epilogue,
                self.output.as_mut_ptr(),
                &targets,
                channels.last_lanes(panel, K),
            );
        }
    }
}

/// The weight gradients of one block of images; `pass` is the forward pass.
pub(super) struct Outer<'a> {
    pub(super) pass: &'a Pass,
    pub(super) images: usize,
    pub(super) input: &'a [f32],
    pub(super) d_output: &'a [f32],
    pub(super) onto: Onto,
    /// Packed gradients.
    pub(super) d_packed: &'a mut [f32],
}

impl Kernel for Outer<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let pass = self.pass;
        let pixels = self.images * pass.image_pixels;
        if pixels == 0 {
            return;
        }
        assert!(self.d_packed.len() >= pass.packed_len(), "gradients of a different convolution");
        pass.check_input(pixels, self.input);
        assert!(pixels * pass.channels.groups * pass.channels.outer <= self.d_output.len());
        for group in 0..pass.channels.groups {
            let panels = pass.channels.panels();
            let mut panel = 0;
            while panel < panels {
                if S::REGISTERS >= 32 && panels - panel >= 2 {
                    self.panels::<S, 12, 2>(simd, group, panel, pixels);
                    panel += 2;
                } else if S::REGISTERS >= 32 {
                    self.panels::<S, 24, 1>(simd, group, panel, pixels);
                    panel += 1;
                } else {
                    self.panels::<S, 6, 1>(simd, group, panel, pixels);
                    panel += 1;
                }
            }
        }
    }
}

impl Outer<'_> {
    /// All weight rows of `K` panels, in tiles of `P` rows and the rest in smaller ones. Stretch by stretch, so that the
    /// gradients of its pixels stay in the cache.
    #[inline(always)]
    fn panels<S: Simd, const P: usize, const K: usize>(
        &mut self,
        simd: S,
        group: usize,
        panel: usize,
        pixels: usize,
    ) {
        for first in (0..pixels).step_by(EXACT_PIXELS) {
            let stretch = first..pixels.min(first + EXACT_PIXELS);
            for tap in 0..self.pass.taps.len() {
                let len = self.pass.taps[tap].len;
                let mut at = 0;
                while len - at >= P {
                    self.tile::<S, P, K>(simd, group, panel, tap, at, stretch.clone());
                    at += P;
                }
                while len - at >= 8 {
                    self.tile::<S, 8, K>(simd, group, panel, tap, at, stretch.clone());
                    at += 8;
                }
                while len - at >= 3 {
                    self.tile::<S, 3, K>(simd, group, panel, tap, at, stretch.clone());
                    at += 3;
                }
                while at < len {
                    self.tile::<S, 1, K>(simd, group, panel, tap, at, stretch.clone());
                    at += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const K: usize>(
        &mut self,
        simd: S,
        group: usize,
        panel: usize,
        tap: usize,
        at: usize,
        stretch: Range<usize>,
    ) {
        let Pass { channels, .. } = *self.pass;
        let Tap { input, row, .. } = self.pass.taps[tap];
        let first = (group * channels.panels() + panel) * self.pass.panel_len() + (row + at) * LANES;
        let pixel_len = channels.groups * channels.outer;
        let onto = if stretch.start == 0 { self.onto } else { Onto::Sum };
        let d_first = stretch.start * pixel_len + group * channels.outer + panel * LANES;
        // SAFETY: `run` checked that the input holds every pixel's taps for every group, the gradient every pixel's
        // channels, and the packed gradients all panels.
        unsafe {
            tile::outer::<S, Singles, P, K>(
                simd,
                self.input.as_ptr().add(group * channels.inner + input + at),
                &self.pass.inputs[stretch],
                self.d_output.as_ptr().add(d_first),
                pixel_len,
                channels.last_lanes(panel, K),
                onto,
                Panels { first: self.d_packed.as_mut_ptr().add(first), stride: self.pass.panel_len() },
            );
        }
    }
}
