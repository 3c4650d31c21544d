//! A histogram of every channel of a layer, in fixed memory.

use convscope_kernels::statistics::SIZES;

use crate::Histogram;
use crate::histogram::FINITE;

/// Entries below the largest one that are kept separate in a channel: eight powers of two, four entries each.
const TOLD_APART: usize = 8 << 2;

/// How often values of each size occurred in each channel.
///
/// For each channel, only the [`TOLD_APART`] entries up to the largest one are kept, and smaller ones in one count
/// around zero; when a larger value arrives, entries that are then too small join it. The final counts depend only on
/// the values, not on their order.
#[derive(Clone, Debug)]
pub(crate) struct ChannelHistograms {
    channels: Vec<Window>,
}

/// The counts of one channel, 264 bytes. An entry `e` of [`SIZES`] is at `e % TOLD_APART` of its sign.
#[derive(Clone, Debug)]
struct Window {
    /// The largest entry of either sign so far.
    largest: u16,
    near_zero: u32,
    signs: [[u32; TOLD_APART]; 2],
}

impl ChannelHistograms {
    /// Empty histograms.
    pub(crate) fn new(channels: usize) -> ChannelHistograms {
        let empty = Window { largest: 0, near_zero: 0, signs: [[0; TOLD_APART]; 2] };
        ChannelHistograms { channels: vec![empty; channels] }
    }

    /// Counts a position: a value for each channel. Those that are not finite are left out.
    pub(crate) fn add(&mut self, position: &[f32]) {
        self.channels.iter_mut().zip(position).for_each(|(window, &value)| window.add(value));
    }

    /// The histogram of each channel.
    pub(crate) fn finish(&self) -> impl Iterator<Item = Histogram> {
        self.channels.iter().map(Window::histogram)
    }
}

impl Window {
    fn add(&mut self, value: f32) {
        let (negative, entry) = (usize::from(value.is_sign_negative()), size_of(value));
        if entry >= FINITE {
            return;
        }
        if entry > usize::from(self.largest) {
            self.raise(entry);
        }
        if entry < self.first() {
            self.near_zero += 1;
        } else {
            self.signs[negative][entry % TOLD_APART] += 1;
        }
    }

    /// The smallest entry kept separate from zero; entry 0 is zero itself.
    fn first(&self) -> usize {
        (usize::from(self.largest) + 1).saturating_sub(TOLD_APART).max(1)
    }

    fn raise(&mut self, largest: usize) {
        let (from, before) = (self.first(), usize::from(self.largest));
        self.largest = largest as u16;
        for entry in from..self.first().min(before + 1) {
            for sign in &mut self.signs {
                self.near_zero += std::mem::take(&mut sign[entry % TOLD_APART]);
            }
        }
    }

    fn histogram(&self) -> Histogram {
        let mut sizes = vec![0; SIZES];
        sizes[0] = u64::from(self.near_zero);
        for entry in self.first()..=usize::from(self.largest) {
            for (sign, counts) in self.signs.iter().enumerate() {
                sizes[sign * SIZES / 2 + entry] = u64::from(counts[entry % TOLD_APART]);
            }
        }
        Histogram::from_sizes(&sizes, TOLD_APART)
    }
}

/// The entry of a value's magnitude.
fn size_of(value: f32) -> usize {
    (value.abs().to_bits() >> 21) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_counted_apart() {
        let mut histograms = ChannelHistograms::new(3);
        histograms.add(&[1.0, -3.0, 0.0]);
        histograms.add(&[1.2, 1.6, f32::NAN]);
        histograms.add(&[1.9, -3.4, f32::INFINITY]);
        let [first, second, third] = histograms.finish().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(first, Histogram { edges: vec![1.0, 1.25, 1.5, 1.75, 2.0], counts: vec![2, 0, 0, 1] });
        assert_eq!((second.edges[0], second.counts[0]), (-3.5, 2));
        assert_eq!((second.edges.last(), second.counts.last()), (Some(&1.75), Some(&1)));
        assert_eq!(second.counts.iter().sum::<u64>(), 3);
        assert_eq!(third.counts, [1]);
    }

    /// The order of the values, and thus the intermediate window, leaves no trace.
    #[test]
    fn counts_are_those_of_all_values_at_once() {
        let value = |i: i32| (i as f32 * 0.37).sin() * 10f32.powi(i * 7 % 23 - 12);
        let mut values: Vec<f32> = (0..500).map(value).chain([0.0, -0.0]).collect();
        let whole = |values: &[f32]| {
            let mut histograms = ChannelHistograms::new(1);
            values.iter().for_each(|&value| histograms.add(&[value]));
            histograms.finish().next().unwrap()
        };
        let mut sizes = vec![0; SIZES];
        values.iter().for_each(|value| sizes[(value.to_bits() >> 21) as usize] += 1);
        let expected = Histogram::from_sizes(&sizes, TOLD_APART);
        assert!(expected.counts.len() > TOLD_APART && expected.counts.iter().sum::<u64>() == 502);
        assert_eq!(whole(&values), expected);
        values.reverse();
        assert_eq!(whole(&values), expected);
        values.sort_by(f32::total_cmp);
        assert_eq!(whole(&values), expected);
        values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        assert_eq!(whole(&values), expected);
    }

    #[test]
    fn a_value_is_known_to_within_a_quarter_unless_it_is_tiny_beside_the_largest() {
        let mut histograms = ChannelHistograms::new(1);
        for value in [-100.0f32, 0.6, 0.1, 7.0] {
            histograms.add(&[value]);
        }
        let histogram = histograms.finish().next().unwrap();
        let bin_of = |value: f64| {
            let bin = histogram.edges.windows(2).position(|edge| edge[0] <= value && value < edge[1]);
            (histogram.edges[bin.unwrap()], histogram.edges[bin.unwrap() + 1], histogram.counts[bin.unwrap()])
        };
        assert_eq!(bin_of(7.0), (7.0, 8.0, 1));
        assert_eq!(bin_of(0.6), (0.5, 0.625, 1));
        assert_eq!(bin_of(0.1), (-0.4375, 0.4375, 1));
    }
}
