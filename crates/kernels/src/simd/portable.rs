//! Arrays instead of registers, for every processor: the compiler vectorises what it can.

use super::{LANES, Simd};

#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY: every processor can run it.
unsafe impl Simd for Portable {
    type V = [f32; LANES];
    type M = [bool; LANES];
    type W = [f64; LANES];
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // `f32::mul_add` calls a slow library function if the processor has no such instruction.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M {
        std::array::from_fn(|i| a[i] > b[i] || a[i].is_nan())
    }
    #[inline(always)]
    fn equals(self, a: Self::V, b: Self::V) -> Self::M {
        std::array::from_fn(|i| a[i] == b[i])
    }
    #[inline(always)]
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if mask[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn spread<const GROUP: usize>(self, value: Self::V, member: usize) -> Self::V {
        std::array::from_fn(|i| value[i / GROUP * GROUP + member])
    }
    #[inline(always)]
    fn zero_wide(self) -> Self::W {
        [0.0; LANES]
    }
    #[inline(always)]
    fn widen(self, value: Self::V) -> Self::W {
        value.map(f64::from)
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn fma_wide(self, a: Self::W, b: Self::W, c: Self::W) -> Self::W {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn wide_lanes(self, value: Self::W) -> [f64; LANES] {
        value
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller vouches for sixteen values; `read_unaligned` needs no alignment.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::V) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V {
        let mut value = [0.0; LANES];
        // SAFETY: the caller vouches for `count` values and `count <= 16`.
        unsafe { std::ptr::copy_nonoverlapping(from, value.as_mut_ptr(), count) }
        value
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize) {
        // SAFETY: the caller vouches for `count` values and `count <= 16`.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, count) }
    }
}
