//! Random numbers for test inputs and the comparison of results.

/// `len` reproducible values between -1 and 1.
pub fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let mut next = || {
        // SplitMix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// `max |ours - expected| / max(1, max |expected|)`, infinite if one is NaN and the other is not.
pub fn worst_difference(ours: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len(), "lengths differ");
    let size = expected.iter().fold(1.0f64, |size, value| size.max(value.abs()));
    let difference = |(&ours, &expected): (&f32, &f64)| {
        if ours.is_nan() || expected.is_nan() {
            if ours.is_nan() == expected.is_nan() { 0.0 } else { f64::INFINITY }
        } else {
            (f64::from(ours) - expected).abs()
        }
    };
    ours.iter().zip(expected).map(difference).fold(0.0, f64::max) / size
}

/// Fails if [`worst_difference`] is above `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, ours: &[f32], expected: &[f64], tolerance: f64) {
    let worst = worst_difference(ours, expected);
    assert!(worst <= tolerance, "{what}: off by {worst:.3e}, allowed is {tolerance:.0e}");
}
