//! Sixteen `f32` at a time: the instruction sets, how one is chosen, and the interface that kernels use.

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
/// Only [`Isa::best`], [`Isa::asked`] and [`Isa::available`] return one, so having a value proves that this processor
/// has them.
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
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The environment variable that chooses the instruction set: `portable`, `avx2`, `avx512` or `avx512-bf16`.
    pub const VARIABLE: &'static str = "CONVSCOPE_ISA";

    /// The fastest instruction set of this processor, or the one that [`VARIABLE`](Self::VARIABLE) asks for, if this
    /// processor has it. Determined once.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::asked().ok().flatten().unwrap_or_else(|| Isa::available()[0]))
    }

    /// The instruction set that [`VARIABLE`](Self::VARIABLE) asks for, if it is set.
    ///
    /// # Errors
    /// An unknown name, or instructions that this processor does not have.
    pub fn asked() -> Result<Option<Isa>, IsaError> {
        std::env::var_os(Isa::VARIABLE).map(|name| Isa::named(&name.to_string_lossy())).transpose()
    }

    fn named(name: &str) -> Result<Isa, IsaError> {
        let found = Isa::available().into_iter().find(|isa| isa.name() == name);
        found.ok_or_else(|| IsaError {
            name: name.to_owned(),
            available: Isa::available().into_iter().map(Isa::name).collect(),
        })
    }

    fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            Level::Portable => "portable",
        }
    }

    /// Every instruction set that this processor can run, the fastest first.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                if is_x86_feature_detected!("avx512bf16") {
                    found.push(Isa(Level::Avx512Bf16));
                }
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

/// An instruction set that is unknown or that this processor does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    name: String,
    available: Vec<&'static str>,
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variable, available) = (Isa::VARIABLE, self.available.join(", "));
        write!(f, "{variable} is {}; this processor can run {available}", self.name)
    }
}

impl std::error::Error for IsaError {}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => "AVX-512 with BF16",
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
        Level::Avx512Bf16 => unsafe { avx512::run_bf16(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::run(kernel) },
        Level::Portable => kernel.run(portable::Portable),
    }
}

/// Arithmetic on sixteen `f32`.
///
/// # Safety
/// The methods are safe to call on any value of the type, so a value may exist only if the processor has the
/// instructions that they use: none can be created outside the function that [`dispatch`] calls after checking.
pub(crate) unsafe trait Simd: Copy {
    /// Sixteen `f32`.
    type V: Copy;
    /// Sixteen Booleans.
    type M: Copy;
    /// Sixteen `f64`.
    type W: Copy;
    /// How many `V` fit in the registers; determines the size of tiles.
    const REGISTERS: usize;

    fn splat(self, value: f32) -> Self::V;
    /// `a * b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair of lanes; where one is NaN, the lane of `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair of lanes; where one is NaN, the lane of `b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// Where `a` is larger than `b`, or NaN.
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M;
    /// Where `a` equals `b`.
    fn equals(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a` where `mask` is true, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;
    /// Lane `l` becomes lane `l / GROUP * GROUP + member`: each group of lanes is filled with one of them. `GROUP` is 1, 2, 4
    /// or 8.
    fn spread<const GROUP: usize>(self, value: Self::V, member: usize) -> Self::V;
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

    /// `c + a0 * b0 + a1 * b1` for lanes that are pairs of bfloat16.
    #[inline(always)]
    fn dot_pairs(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let (mut left, mut right, mut sum) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        // SAFETY: the arrays have sixteen elements.
        unsafe {
            self.store(left.as_mut_ptr(), a);
            self.store(right.as_mut_ptr(), b);
            self.store(sum.as_mut_ptr(), c);
            for lane in 0..LANES {
                let [(a0, a1), (b0, b1)] = [left[lane], right[lane]].map(halves);
                sum[lane] = sum[lane] + a1 * b1 + a0 * b0;
            }
            self.load(sum.as_ptr())
        }
    }

    /// Lanes that are pairs of bfloat16, one rounded from each vector.
    #[inline(always)]
    fn pair(self, first: Self::V, second: Self::V) -> Self::V {
        let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
        // SAFETY: the arrays have sixteen elements.
        unsafe {
            self.store(low.as_mut_ptr(), first);
            self.store(high.as_mut_ptr(), second);
            for lane in 0..LANES {
                let word = u32::from(bf16(low[lane])) | u32::from(bf16(high[lane])) << 16;
                low[lane] = f32::from_bits(word);
            }
            self.load(low.as_ptr())
        }
    }

    /// Writes the first `count` lanes as bfloat16.
    /// # Safety
    /// `count <= 16` values are writable at `to`.
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut u16, value: Self::V, count: usize) {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array has sixteen elements, and the caller vouches for the target.
        unsafe {
            self.store(lanes.as_mut_ptr(), value);
            for (lane, &value) in lanes[..count].iter().enumerate() {
                to.add(lane).write_unaligned(bf16(value));
            }
        }
    }
}

/// The nearest bfloat16, ties to even: the upper half of an `f32`.
#[inline(always)]
pub(crate) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    // Rounding must not turn a NaN into an infinity.
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let rounded = if value.is_nan() { bits | 0x40_0000 } else { rounded };
    (rounded >> 16) as u16
}

/// The values of a pair of bfloat16.
#[inline(always)]
fn halves(pair: f32) -> (f32, f32) {
    let bits = pair.to_bits();
    (f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_the_nearest_and_to_even() {
        let rounded = |value: f32| f32::from_bits(u32::from(bf16(value)) << 16);
        assert_eq!(rounded(1.0), 1.0);
        assert_eq!(rounded(-3.140625), -3.140625);
        // Eight bits: 257 is halfway between 256 and 258, and goes to the even neighbour.
        assert_eq!([rounded(257.0), rounded(259.0), rounded(257.5)], [256.0, 260.0, 258.0]);
        assert_eq!(rounded(f32::INFINITY), f32::INFINITY);
        assert!(rounded(f32::from_bits(0x7f80_0001)).is_nan());
    }

    #[test]
    fn each_set_has_its_name_and_no_other_is_known() {
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.name()), Ok(isa));
        }
        let error = Isa::named("AVX2").unwrap_err().to_string();
        assert!(error.starts_with("CONVSCOPE_ISA is AVX2; this processor can run "), "{error}");
        assert!(error.ends_with("portable"), "{error}");
    }

    struct PairUp([f32; LANES], [f32; LANES], [f32; LANES], [f32; LANES]);

    /// Pairs, stores and multiplies as the default methods do.
    impl Kernel for PairUp {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let PairUp(a0, a1, b0, b1) = self;
            // SAFETY: arrays of sixteen.
            unsafe {
                let a = simd.pair(simd.load(a0.as_ptr()), simd.load(a1.as_ptr()));
                let b = simd.pair(simd.load(b0.as_ptr()), simd.load(b1.as_ptr()));
                let mut sum = [0.0; LANES];
                simd.store(sum.as_mut_ptr(), simd.dot_pairs(a, b, simd.splat(0.5)));
                let mut stored = [0u16; LANES];
                simd.store_bf16(stored.as_mut_ptr(), simd.load(a0.as_ptr()), 13);
                for lane in 0..LANES {
                    assert_eq!(sum[lane], 0.5 + a0[lane] * b0[lane] + a1[lane] * b1[lane]);
                    assert_eq!(stored[lane], if lane < 13 { bf16(a0[lane]) } else { 0 });
                }
            }
        }
    }

    #[test]
    fn pairs_multiply_on_every_instruction_set() {
        for isa in Isa::available() {
            let numbers = |from: f32, step: f32| std::array::from_fn(|lane| from + step * lane as f32);
            dispatch(
                isa,
                PairUp(numbers(1.0, 1.0), numbers(-8.0, 0.5), numbers(3.0, -2.0), numbers(0.0, 4.0)),
            );
        }
    }
}
