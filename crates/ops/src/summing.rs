//! Sums of many single-precision values that lose next to nothing.

use crate::broadcast::Broadcast;

/// Adds to a sum that keeps what rounding loses in `lost` (Kahan, "Further remarks on reducing truncation errors", 1965).
pub(crate) fn add(sum: &mut f32, lost: &mut f32, value: f64) {
    let value = value as f32 - *lost;
    let next = *sum + value;
    *lost = (next - *sum) - value;
    *sum = next;
}

/// The sums of an image's values over the places that belong to each place of an input.
pub(crate) fn add_up(input: &Broadcast, values: &[f32], sums: &mut [f32], lost: &mut [f32]) {
    if input.is_whole() {
        input.each(|to, from| sums[from] = values[to]);
        return;
    }
    sums.fill(0.0);
    lost[..sums.len()].fill(0.0);
    input.each(|to, from| add(&mut sums[from], &mut lost[from], f64::from(values[to])));
}
