//! Small histograms.

use std::fmt::Write;

use convscope_inspect::Histogram;

use crate::number::significant;

/// Bars of a small histogram.
const BARS: usize = 28;

/// The heights of a histogram's bars, 0 to 1, over an even scale from `min` to `max`; `None` if there is nothing to
/// draw. The bins of the histogram, which are even in the logarithm, are distributed over the bars in proportion to
/// their overlap. Heights are square roots, so that rare values next to a peak are visible.
fn heights(histogram: &Histogram, min: f64, max: f64) -> Option<[f64; BARS]> {
    let span = max - min;
    if !span.is_finite() || span <= 0.0 || histogram.counts.is_empty() {
        return None;
    }
    let mut bars = [0.0_f64; BARS];
    for (edges, &count) in histogram.edges.windows(2).zip(&histogram.counts) {
        let place = |edge: f64| ((edge - min) / span * BARS as f64).clamp(0.0, BARS as f64);
        let (low, high) = (place(edges[0]), place(edges[1]));
        let last = (low as usize).min(BARS - 1);
        if high - low < 1e-9 {
            bars[last] += count as f64;
            continue;
        }
        for (bar, value) in bars.iter_mut().enumerate().skip(last) {
            let overlap = (high.min(bar as f64 + 1.0) - low.max(bar as f64)).max(0.0);
            *value += count as f64 * overlap / (high - low);
        }
    }
    let most = bars.iter().copied().fold(0.0, f64::max);
    (most > 0.0).then(|| bars.map(|value| (value / most).sqrt()))
}

/// A drawing of the histogram; empty if there is nothing to draw.
pub(super) fn svg(histogram: &Histogram, min: f64, max: f64) -> String {
    const SIZE: (f64, f64) = (84.0, 22.0);
    let Some(bars) = heights(histogram, min, max) else { return String::new() };
    let step = SIZE.0 / BARS as f64;
    let mut path = String::new();
    for (index, value) in bars.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let height = (value * SIZE.1).max(0.6);
        let _ = write!(
            path,
            "M{:.1} {}v-{height:.1}h{:.1}v{height:.1}z",
            index as f64 * step,
            SIZE.1,
            step - 0.5
        );
    }
    format!(
        "<svg class=\"histogram\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" \
         aria-label=\"distribution from {2} to {3}\"><path d=\"{path}\"/></svg>",
        SIZE.0,
        SIZE.1,
        significant(min),
        significant(max)
    )
}

/// The heights as text that the page's script draws: one character per bar, `0` for none, then by height from `1` to
/// `z`.
pub(super) fn digits(histogram: &Histogram, min: f64, max: f64) -> Option<String> {
    let digit = |height: f64| char::from_digit((height * 35.0).ceil().min(35.0) as u32, 36).unwrap_or('0');
    heights(histogram, min, max).map(|bars| bars.map(digit).iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_dealt_to_an_even_scale() {
        // 28 bars of width 1: all of the first bin in one bar, the second spread over 27.
        let histogram = Histogram { edges: vec![0.0, 1.0, 28.0], counts: vec![100, 27 * 25] };
        let text = svg(&histogram, 0.0, 28.0);
        let heights: Vec<f64> =
            text.split("v-").skip(1).map(|part| part.split('h').next().unwrap().parse().unwrap()).collect();
        assert_eq!(heights.len(), 28);
        assert_eq!((heights[0], heights[1], heights[27]), (22.0, 11.0, 11.0));
        let half = "i".repeat(27);
        assert_eq!(digits(&histogram, 0.0, 28.0), Some(format!("z{half}")));
        let gap = Histogram { edges: vec![0.0, 1.0, 27.0, 28.0], counts: vec![1, 0, 10_000] };
        assert_eq!(digits(&gap, 0.0, 28.0), Some(format!("1{}z", "0".repeat(26))));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let histogram = Histogram { edges: vec![0.0, 1.0, 2.0], counts: vec![7, 3] };
        assert!(!svg(&histogram, 0.0, 5.0).is_empty());
        for max in [0.0, f64::NAN, f64::INFINITY] {
            assert!(svg(&histogram, 0.0, max).is_empty());
            assert_eq!(digits(&histogram, 0.0, max), None);
        }
        assert!(svg(&Histogram { edges: vec![9.0, 9.5], counts: vec![0] }, 0.0, 5.0).is_empty());
    }
}
