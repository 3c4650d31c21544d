//! Sixteen `f32` at a time: the instruction sets, how one is chosen, and what kernels are written against.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::fmt;
use std::sync::OnceLock;

/// How many `f32` a [`Simd::V`] holds, on every instruction set.
pub(crate) const LANES: usize = 16;

/// The vector instructions that a kernel call uses.
///
/// Only [`Isa::best`] and [`Isa::available`] make one, so holding a value proves that this processor has them.
///
/// ```
/// use convscope_kernels::Isa;
/// assert!(Isa::available().contains(&Isa::best()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The fastest instruction set of this processor, found out once.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::available()[0])
    }

    /// Every instruction set that this processor can run, the fastest first.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                found.push(Isa(Level::Avx512));
            }
            if avx2 {
                found.push(Isa(Level::Avx2));
            }
        }
        found.push(Isa(Level::Portable));
        found
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "AVX2+FMA",
            Level::Portable => "portable",
        })
    }
}

/// A loop written once and compiled for each instruction set. `run` must be `#[inline(always)]`, and so must
/// everything it calls, so that all of it is compiled with the instruction set's features.
pub(crate) trait Kernel {
    /// Runs the loop with `simd`'s instructions.
    fn run<S: Simd>(self, simd: S);
}

/// Runs `kernel` with the instructions of `isa`.
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) {
    match isa.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` of this level exists only where the features were detected.
        Level::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::run(kernel) },
        Level::Portable => kernel.run(portable::Portable),
    }
}

/// Arithmetic on sixteen `f32`.
///
/// A value of the implementing type may only exist inside [`dispatch`]; that makes its safe methods sound.
pub(crate) trait Simd: Copy {
    /// Sixteen `f32`.
    type V: Copy;
    /// Sixteen truths.
    type M: Copy;
    /// Sixteen `f64`.
    type W: Copy;
    /// How many `V` the registers hold: the size of tiles follows from it.
    const REGISTERS: usize;

    fn splat(self, value: f32) -> Self::V;
    /// `a * b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair of lanes; where one is NaN, the lane of `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// Where `a` is larger than `b`, or NaN.
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M;
    /// Where `a` equals `b`.
    fn equals(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a` where `mask` says so, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;
    fn zero_wide(self) -> Self::W;
    fn widen(self, value: Self::V) -> Self::W;
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W;
    /// `a * b + c`.
    fn fma_wide(self, a: Self::W, b: Self::W, c: Self::W) -> Self::W;
    fn wide_lanes(self, value: Self::W) -> [f64; LANES];
    /// # Safety
    /// Sixteen values are readable at `from`.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// # Safety
    /// Sixteen values are writable at `to`.
    unsafe fn store(self, to: *mut f32, value: Self::V);
    /// The first `count` lanes from memory, the others zero.
    /// # Safety
    /// `count <= 16` values are readable at `from`.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V;
    /// Writes the first `count` lanes.
    /// # Safety
    /// `count <= 16` values are writable at `to`.
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize);

    /// # Safety
    /// As for [`Simd::load_first`]; faster where `count` is 16.
    #[inline(always)]
    unsafe fn load_lanes(self, from: *const f32, count: usize) -> Self::V {
        // SAFETY: the caller vouches for it.
        unsafe { if count == LANES { self.load(from) } else { self.load_first(from, count) } }
    }
    /// # Safety
    /// As for [`Simd::store_first`]; faster where `count` is 16.
    #[inline(always)]
    unsafe fn store_lanes(self, to: *mut f32, value: Self::V, count: usize) {
        // SAFETY: the caller vouches for it.
        unsafe { if count == LANES { self.store(to, value) } else { self.store_first(to, value, count) } }
    }
}
