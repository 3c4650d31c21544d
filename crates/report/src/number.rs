//! Human-readable numbers.
//!
//! Sizes and counts use powers of 1000 (`1 kB` = 1000 bytes) and three significant digits.

use std::time::Duration;

pub use convscope_inspect::number::thousands;

/// A count with three significant digits and one of `k`, `M`, `G`, `T`, `P`, `E`; below 1000 the count itself.
///
/// ```
/// assert_eq!(convscope_report::number::count(1_234_567), "1.23 M");
/// assert_eq!(convscope_report::number::count(999), "999");
/// ```
pub fn count(value: u64) -> String {
    let (number, prefix) = scaled(value);
    if prefix.is_empty() { number } else { format!("{number} {prefix}") }
}

/// A number of bytes with three significant digits, in powers of 1000.
///
/// ```
/// assert_eq!(convscope_report::number::bytes(12_345_678), "12.3 MB");
/// assert_eq!(convscope_report::number::bytes(512), "512 B");
/// ```
pub fn bytes(value: u64) -> String {
    let (number, prefix) = scaled(value);
    format!("{number} {prefix}B")
}

/// A fraction as a percentage with two decimals; `n/a` if it is not finite, such as the precision of a class that was
/// never predicted.
///
/// ```
/// assert_eq!(convscope_report::number::percent(0.93414), "93.41 %");
/// assert_eq!(convscope_report::number::percent(f64::NAN), "n/a");
/// ```
pub fn percent(fraction: f64) -> String {
    if !fraction.is_finite() {
        return "n/a".to_owned();
    }
    let text = format!("{:.2} %", fraction * 100.0);
    if text == "-0.00 %" { "0.00 %".to_owned() } else { text }
}

/// Two shares as an interval in percent: `47 to 83 %`, with a decimal if they are close.
///
/// ```
/// use convscope_report::number::interval;
/// assert_eq!(interval(0.4719, 0.8271), "47 to 83 %");
/// assert_eq!(interval(0.83469, 0.84908), "83.5 to 84.9 %");
/// ```
pub fn interval(low: f64, high: f64) -> String {
    let digits = if high - low < 0.1 { 1 } else { 0 };
    format!("{:.digits$} to {:.digits$} %", 100.0 * low, 100.0 * high)
}

/// A number with four significant digits: `0.1234`, `12.34`, `1,234`, `1.234e-6`; `n/a` if it is not finite.
///
/// ```
/// use convscope_report::number::significant;
/// assert_eq!(significant(0.0123456), "0.01235");
/// assert_eq!(significant(12_345_678.0), "1.235e7");
/// ```
pub fn significant(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "n/a".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..999_999.5).contains(&size) {
        format!("{value:.3e}")
    } else if size >= 999.95 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", thousands(size.round() as u64))
    } else {
        // The power of ten after rounding: 0.099999 has the digits of 0.1.
        let rounded = format!("{size:.3e}");
        let power: i32 = rounded.rsplit('e').next().and_then(|power| power.parse().ok()).unwrap_or(0);
        let decimals = (3 - power).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    }
}

/// A time span in its two largest units: `850 ms`, `8.5s`, `42s`, `1m 05s`, `2h 03m`, `1d 04h`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(convscope_report::number::duration(Duration::from_secs(65)), "1m 05s");
/// ```
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    // Each limit is where the text would round up to the next unit.
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let seconds = seconds.round() as u64;
    let minutes = (seconds + 30) / 60;
    let hours = (seconds + 1800) / 3600;
    if seconds < 60 {
        format!("{seconds}s")
    } else if seconds < 3600 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else if minutes < 24 * 60 {
        format!("{}h {:02}m", minutes / 60, minutes % 60)
    } else {
        format!("{}d {:02}h", hours / 24, hours % 24)
    }
}

/// The number to three significant digits and its prefix.
fn scaled(value: u64) -> (String, &'static str) {
    if value < 1000 {
        return (value.to_string(), "");
    }
    let mut rest = value as f64;
    for prefix in ["k", "M", "G", "T", "P", "E"] {
        rest /= 1000.0;
        // From 999.5 on three digits round to 1000, which is 1.00 of the next prefix.
        if rest < 999.5 {
            let decimals = match rest {
                r if r < 9.995 => 2,
                r if r < 99.95 => 1,
                _ => 0,
            };
            return (format!("{rest:.decimals$}"), prefix);
        }
    }
    unreachable!("u64::MAX is 18.4 E")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_three_digits_and_carry_into_the_next_prefix() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (9_994, "9.99 k"),
            (9_996, "10.0 k"),
            (12_345, "12.3 k"),
            (99_949, "99.9 k"),
            (99_951, "100 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (39_800_000, "39.8 M"),
            (u64::MAX, "18.4 E"),
        ];
        for (value, text) in cases {
            assert_eq!(count(value), text, "{value}");
        }
    }

    #[test]
    fn bytes_are_decimal() {
        let cases = [(0, "0 B"), (1023, "1.02 kB"), (1_179_240, "1.18 MB"), (4_000_000_000, "4.00 GB")];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn four_digits_whatever_the_size() {
        let cases = [
            (0.0, "0"),
            (-0.5, "-0.5000"),
            (123.456, "123.5"),
            (-1234.5, "-1,235"),
            (0.001, "0.001000"),
            (0.000_999, "9.990e-4"),
            (0.099_999_999, "0.1000"),
            (9.9999, "10.00"),
            (1e6, "1.000e6"),
            (f64::INFINITY, "n/a"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn percentages_are_never_minus_zero() {
        let cases = [
            (0.0, "0.00 %"),
            (-1e-9, "0.00 %"),
            (1.0, "100.00 %"),
            (0.07, "7.00 %"),
            (-0.5, "-50.00 %"),
            (f64::INFINITY, "n/a"),
        ];
        for (value, text) in cases {
            assert_eq!(percent(value), text);
        }
    }

    #[test]
    fn durations_carry_into_the_next_unit() {
        let cases = [
            (0.0, "0 ms"),
            (0.0123, "12 ms"),
            (0.9996, "1.0s"),
            (8.54, "8.5s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m 00s"),
            (65.0, "1m 05s"),
            (3599.4, "59m 59s"),
            (3599.6, "1h 00m"),
            (7_409.0, "2h 03m"),
            (86_399.0, "1d 00h"),
            (102_600.0, "1d 05h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text, "{seconds}");
        }
    }
}
