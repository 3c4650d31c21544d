//! Numbers in sentences.

/// An integer with a comma between groups of three digits.
///
/// ```
/// assert_eq!(convscope_inspect::number::thousands(294_810), "294,810");
/// ```
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with three digits: `0.0123`, `1.23`, `123`, `1.23e7`; if it has more before the decimal point, all of
/// those: `12,346`.
pub(crate) fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let power = value.abs().log10().floor() as i32;
    match power {
        3..=5 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", thousands(value.abs().round() as u64))
        }
        -4..=2 => format!("{value:.*}", usize::try_from(2 - power).unwrap_or(0)),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_groups_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (1_000_000, "1,000,000")];
        for (value, text) in cases {
            assert_eq!(thousands(value), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn figures_have_three_digits() {
        let shown: Vec<String> =
            [0.000_123_4, 0.5, 1.0, 12.345, 640.4, 12_345.6, -1234.5, 1.0e7, 0.0, -2.5].map(figure).into();
        let expected =
            ["0.000123", "0.500", "1.00", "12.3", "640", "12,346", "-1,235", "1.00e7", "0", "-2.50"];
        assert_eq!(shown, expected);
    }
}
