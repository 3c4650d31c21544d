//! The colours of pictures and plots.

/// The colour of `value` in viridis, from dark violet at 0 to yellow at 1. Values outside are clamped; NaN is
/// [`NOT_A_NUMBER`].
///
/// Viridis increases evenly in lightness and is readable with every common kind of colour blindness (Nathaniel Smith,
/// Stéfan van der Walt and Eric Firing, 2015; released as CC0 and taken from matplotlib's `_cm_listed.py`). Every fifth
/// of its 256 entries is kept; interpolated values are within 1 of 255 of the original.
///
/// ```
/// use convscope_report::colour::viridis;
/// assert_eq!(viridis(0.0), [68, 1, 84]);
/// assert_eq!(viridis(1.0), [253, 231, 37]);
/// ```
pub fn viridis(value: f32) -> [u8; 3] {
    if value.is_nan() {
        return NOT_A_NUMBER;
    }
    let place = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f32;
    let left = (place as usize).min(VIRIDIS.len() - 2);
    mix(VIRIDIS[left], VIRIDIS[left + 1], place - left as f32)
}

/// The colour of a value that is not a number: a magenta that is not in viridis.
pub const NOT_A_NUMBER: [u8; 3] = [255, 0, 200];

/// Colours for the lines of a plot that colour-blind people can tell apart (Masataka Okabe and Kei Ito, "Color
/// Universal Design", 2008), without its yellow and black, which disappear on a light or a dark page.
pub const OKABE_ITO: [[u8; 3]; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];

/// The colour a `share` (0 to 1) of the way from one to another.
pub(crate) fn mix(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let (from, to) = (f32::from(from[channel]), f32::from(to[channel]));
        // `as` saturates, so rounding cannot leave the range.
        (from + (to - from) * share).round() as u8
    })
}

#[rustfmt::skip]
const VIRIDIS: [[u8; 3]; 52] = [
    [68, 1, 84], [70, 8, 92], [71, 16, 99], [72, 23, 105], [72, 29, 111], [72, 36, 117], [71, 42, 122],
    [70, 48, 126], [69, 55, 129], [67, 61, 132], [65, 66, 135], [63, 72, 137], [61, 78, 138], [58, 83, 139],
    [56, 89, 140], [53, 94, 141], [51, 99, 141], [49, 104, 142], [46, 109, 142], [44, 113, 142], [42, 118, 142],
    [41, 123, 142], [39, 128, 142], [37, 132, 142], [35, 137, 142], [33, 142, 141], [32, 146, 140], [31, 151, 139],
    [30, 156, 137], [31, 161, 136], [33, 165, 133], [36, 170, 131], [40, 174, 128], [46, 179, 124], [53, 183, 121],
    [61, 188, 116], [70, 192, 111], [80, 196, 106], [90, 200, 100], [101, 203, 94], [112, 207, 87], [124, 210, 80],
    [137, 213, 72], [149, 216, 64], [162, 218, 55], [176, 221, 47], [189, 223, 38], [202, 225, 31], [216, 226, 25],
    [229, 228, 25], [241, 229, 29], [253, 231, 37],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_passes_through_the_entries_of_matplotlib_and_grows_lighter() {
        // matplotlib.colormaps["viridis"](index, bytes=True)
        for (index, expected) in [(64, [59, 82, 139]), (127, [33, 145, 140]), (192, [94, 201, 98])] {
            let colour = viridis(index as f32 / 255.0);
            for (ours, theirs) in colour.into_iter().zip(expected) {
                assert!(ours.abs_diff(theirs) <= 2, "{index}: {colour:?}, not {expected:?}");
            }
        }
        let light = |value: u8| {
            let [r, g, b] = viridis(f32::from(value) / 255.0).map(f64::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((1..=255).all(|value| light(value) >= light(value - 1) - 0.8));
    }

    #[test]
    fn what_lies_outside_is_cut_off_and_nan_stands_out() {
        assert_eq!(viridis(-3.0), viridis(0.0));
        assert_eq!(viridis(f32::INFINITY), viridis(1.0));
        assert_eq!(viridis(f32::NAN), NOT_A_NUMBER);
    }
}
