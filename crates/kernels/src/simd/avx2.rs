//! AVX2 with FMA: two registers hold the sixteen lanes.

use super::{Kernel, LANES, Simd};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) {
    kernel.run(Avx2(()));
}

// SAFETY: an `Avx2` exists only inside `run`, whose caller checked the features.
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe impl Simd for Avx2 {
    type V = [__m256; 2];
    type M = [__m256; 2];
    type W = [__m256d; 4];
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        unsafe { [_mm256_set1_ps(value); 2] }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M {
        unsafe {
            let larger = [_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]), _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])];
            let nan = [_mm256_cmp_ps::<_CMP_UNORD_Q>(a[0], a[0]), _mm256_cmp_ps::<_CMP_UNORD_Q>(a[1], a[1])];
            [_mm256_or_ps(larger[0], nan[0]), _mm256_or_ps(larger[1], nan[1])]
        }
    }
    #[inline(always)]
    fn equals(self, a: Self::V, b: Self::V) -> Self::M {
        unsafe { [_mm256_cmp_ps::<_CMP_EQ_OQ>(a[0], b[0]), _mm256_cmp_ps::<_CMP_EQ_OQ>(a[1], b[1])] }
    }
    #[inline(always)]
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_blendv_ps(b[0], a[0], mask[0]), _mm256_blendv_ps(b[1], a[1], mask[1])] }
    }
    #[inline(always)]
    fn spread<const GROUP: usize>(self, value: Self::V, member: usize) -> Self::V {
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let first = _mm256_and_si256(lanes, _mm256_set1_epi32(!(GROUP as i32 - 1)));
            let from = _mm256_add_epi32(first, _mm256_set1_epi32(member as i32));
            [_mm256_permutevar8x32_ps(value[0], from), _mm256_permutevar8x32_ps(value[1], from)]
        }
    }
    #[inline(always)]
    fn zero_wide(self) -> Self::W {
        unsafe { [_mm256_setzero_pd(); 4] }
    }
    #[inline(always)]
    fn widen(self, value: Self::V) -> Self::W {
        unsafe {
            [
                _mm256_cvtps_pd(_mm256_castps256_ps128(value[0])),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(value[0])),
                _mm256_cvtps_pd(_mm256_castps256_ps128(value[1])),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(value[1])),
            ]
        }
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        let mut sum = a;
        for quarter in 0..4 {
            sum[quarter] = unsafe { _mm256_add_pd(a[quarter], b[quarter]) };
        }
        sum
    }
    #[inline(always)]
    fn fma_wide(self, a: Self::W, b: Self::W, c: Self::W) -> Self::W {
        let mut sum = c;
        for quarter in 0..4 {
            sum[quarter] = unsafe { _mm256_fmadd_pd(a[quarter], b[quarter], c[quarter]) };
        }
        sum
    }
    #[inline(always)]
    fn wide_lanes(self, value: Self::W) -> [f64; LANES] {
        let mut lanes = [0.0; LANES];
        for quarter in 0..4 {
            unsafe { _mm256_storeu_pd(lanes.as_mut_ptr().add(quarter * 4), value[quarter]) };
        }
        lanes
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::V) {
        unsafe {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V {
        let mut lanes = [0.0f32; LANES];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            self.load(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize) {
        let mut lanes = [0.0f32; LANES];
        unsafe {
            self.store(lanes.as_mut_ptr(), value);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
}
