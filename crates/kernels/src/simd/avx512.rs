//! AVX-512: one register holds the sixteen lanes; with or without the instructions for bfloat16.

use super::{Kernel, LANES, Simd};
use std::arch::x86_64::*;
use std::mem::transmute;

#[derive(Clone, Copy)]
pub(super) struct Avx512<const BF16: bool>(());

/// # Safety
/// The processor has AVX-512 F and VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) {
    kernel.run(Avx512::<false>(()));
}

/// # Safety
/// The processor has AVX-512 F, VL and BF16, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16,avx2,fma")]
pub(super) unsafe fn run_bf16<K: Kernel>(kernel: K) {
    kernel.run(Avx512::<true>(()));
}

#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

// SAFETY: an `Avx512` exists only inside `run` and `run_bf16`, whose callers checked the features.
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe impl<const BF16: bool> Simd for Avx512<BF16> {
    type V = __m512;
    type M = __mmask16;
    type W = [__m512d; 2];
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn exceeds(self, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a) }
    }
    #[inline(always)]
    fn equals(self, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(mask, b, a) }
    }
    #[inline(always)]
    fn spread<const GROUP: usize>(self, value: __m512, member: usize) -> __m512 {
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let first = _mm512_and_si512(lanes, _mm512_set1_epi32(!(GROUP as i32 - 1)));
            _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(member as i32)), value)
        }
    }
    #[inline(always)]
    fn zero_wide(self) -> Self::W {
        unsafe { [_mm512_setzero_pd(); 2] }
    }
    #[inline(always)]
    fn widen(self, value: __m512) -> Self::W {
        unsafe {
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(value)));
            [_mm512_cvtps_pd(_mm512_castps512_ps256(value)), _mm512_cvtps_pd(upper)]
        }
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        unsafe { [_mm512_add_pd(a[0], b[0]), _mm512_add_pd(a[1], b[1])] }
    }
    #[inline(always)]
    fn fma_wide(self, a: Self::W, b: Self::W, c: Self::W) -> Self::W {
        unsafe { [_mm512_fmadd_pd(a[0], b[0], c[0]), _mm512_fmadd_pd(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn wide_lanes(self, value: Self::W) -> [f64; LANES] {
        let mut lanes = [0.0; LANES];
        unsafe {
            _mm512_storeu_pd(lanes.as_mut_ptr(), value[0]);
            _mm512_storeu_pd(lanes.as_mut_ptr().add(8), value[1]);
        }
        lanes
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask(count), from) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: __m512, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, mask(count), value) }
    }
    #[inline(always)]
    fn dot_pairs(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe {
            if BF16 {
                return _mm512_dpbf16_ps(
                    c,
                    transmute::<__m512, __m512bh>(a),
                    transmute::<__m512, __m512bh>(b),
                );
            }
            let [a, b] = [_mm512_castps_si512(a), _mm512_castps_si512(b)];
            let [a0, b0] = [_mm512_slli_epi32::<16>(a), _mm512_slli_epi32::<16>(b)];
            let upper = _mm512_set1_epi32(0xffff_0000u32 as i32);
            let [a1, b1] = [_mm512_and_si512(a, upper), _mm512_and_si512(b, upper)];
            let sum = _mm512_fmadd_ps(_mm512_castsi512_ps(a1), _mm512_castsi512_ps(b1), c);
            _mm512_fmadd_ps(_mm512_castsi512_ps(a0), _mm512_castsi512_ps(b0), sum)
        }
    }
    #[inline(always)]
    fn pair(self, first: __m512, second: __m512) -> __m512 {
        unsafe {
            let (first, second) = (self.round_bf16(first), self.round_bf16(second));
            let low = _mm512_cvtepu16_epi32(first);
            let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(second));
            _mm512_castsi512_ps(_mm512_or_si512(low, high))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut u16, value: __m512, count: usize) {
        unsafe {
            let halves = self.round_bf16(value);
            if count == LANES {
                _mm256_storeu_si256(to.cast(), halves);
            } else {
                let mut lanes = [0u16; LANES];
                _mm256_storeu_si256(lanes.as_mut_ptr().cast(), halves);
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<const BF16: bool> Avx512<BF16> {
    /// Sixteen bfloat16, rounded to nearest, ties to even.
    #[inline(always)]
    fn round_bf16(self, value: __m512) -> __m256i {
        unsafe {
            if BF16 {
                return transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
            }
            let bits = _mm512_castps_si512(value);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let rounded = _mm512_mask_mov_epi32(rounded, nan, quiet);
            _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
        }
    }
}
