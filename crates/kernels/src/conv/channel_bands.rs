//! One image on several threads: its output channels are divided into bands, each a convolution of its own.

use super::bands::worthwhile;
use super::{Conv, ConvPass, ConvSize, Epilogue};
use crate::Isa;
use crate::simd::LANES;
use crate::threads::both;

/// A convolution of one image as bands of output channels that are computed at the same time, with the same bits. Every
/// weight is read once, whereas [`Bands`](super::Bands) of rows read all weights each, so it is for many weights and small
/// images. Weights are packed by band.
#[derive(Clone, Debug)]
pub struct ChannelBands {
    bands: Vec<Band>,
    /// Output channels of all bands.
    channels: usize,
    /// Output pixels.
    pixels: usize,
}

#[derive(Clone, Debug)]
struct Band {
    conv: Conv,
    /// Its first output channel.
    first: usize,
}

impl Band {
    fn channels(&self) -> usize {
        self.conv.size().out_channels
    }

    fn output_len(&self) -> usize {
        self.conv.size().output_len()
    }

    /// In whole cache lines, so that bands do not write to the same one.
    fn scratch_len(&self) -> usize {
        (self.output_len() + self.conv.scratch_len()).next_multiple_of(LANES)
    }
}

impl ChannelBands {
    /// At most `count` bands; none if the convolution has fewer weights than values, groups, too few channels or too little
    /// work.
    pub fn new(conv: &Conv, count: usize) -> Option<ChannelBands> {
        /// Channels that are computed together, of which a band has several.
        const STEP: usize = 2 * LANES;
        let size = conv.size();
        if size.groups > 1 || conv.forward_len() < size.input_len() + size.output_len() {
            return None;
        }
        let steps = size.out_channels / STEP;
        let count = count.min(worthwhile(conv)).min(steps / 2);
        if count < 2 {
            return None;
        }
        let channel = |index: usize| {
            if index == count { size.out_channels } else { index * steps / count * STEP }
        };
        let band = |index: usize| {
            let (first, end) = (channel(index), channel(index + 1));
            let part = ConvSize { out_channels: end - first, ..*size };
            let conv_of_band = Conv::with_algorithm(part, conv.algorithm(), conv.precision());
            let is_alike = conv_of_band.algorithm() == conv.algorithm();
            is_alike.then_some(Band { conv: conv_of_band, first })
        };
        let bands = (0..count).map(band).collect::<Option<Vec<_>>>()?;
        let [rows, columns] = size.output();
        Some(ChannelBands { bands, channels: size.out_channels, pixels: rows * columns })
    }

    /// Elements of the packed weights and biases.
    pub fn packed_len(&self) -> usize {
        self.bands.iter().map(|band| band.conv.forward_len()).sum()
    }

    /// Elements of scratch space that a call needs.
    pub fn scratch_len(&self) -> usize {
        self.bands.iter().map(Band::scratch_len).sum()
    }

    /// Packs weight and bias.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        let of_channel = weight.len() / self.channels;
        let mut rest = packed;
        for band in &self.bands {
            let (own, others) = rest.split_at_mut(band.conv.forward_len());
            let channels = band.first..band.first + band.channels();
            let weight = &weight[channels.start * of_channel..channels.end * of_channel];
            band.conv.pack_forward(weight, bias.map(|bias| &bias[channels]), own);
            rest = others;
        }
    }

    /// [`Conv::forward`] for one image.
    pub fn forward(
        &self,
        isa: Isa,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        run(&self.bands, &Shared { isa, input, epilogue }, packed, scratch);
        let mut rest = &*scratch;
        for band in &self.bands {
            let channels = band.channels();
            let computed = rest[..band.output_len()].chunks_exact(channels);
            for (pixel, values) in
                output[..self.pixels * self.channels].chunks_exact_mut(self.channels).zip(computed)
            {
                pixel[band.first..][..channels].copy_from_slice(values);
            }
            rest = &rest[band.scratch_len()..];
        }
    }
}

/// What all bands read.
struct Shared<'a> {
    isa: Isa,
    input: &'a [f32],
    epilogue: Epilogue,
}

/// Halves the bands until each is one, on as many threads as are free. A band's output is first in its scratch space.
fn run(bands: &[Band], shared: &Shared<'_>, packed: &[f32], scratch: &mut [f32]) {
    let [band] = bands else {
        let (left, right) = bands.split_at(bands.len() / 2);
        let (of_left, of_right) = packed.split_at(left.iter().map(|band| band.conv.forward_len()).sum());
        let (near, far) = scratch.split_at_mut(left.iter().map(Band::scratch_len).sum());
        both(|| run(left, shared, of_left, near), || run(right, shared, of_right, far));
        return;
    };
    let (output, scratch) = scratch.split_at_mut(band.output_len());
    let pass = ConvPass { isa: shared.isa, images: 1, scratch };
    let packed = &packed[..band.conv.forward_len()];
    band.conv.forward(pass, shared.input, packed, shared.epilogue, output);
}

#[cfg(test)]
mod tests {
    use super::super::bands::tests::{numbers, size};
    use super::super::{Algorithm, Precision};
    use super::*;

    /// Both algorithms, and channels that do not fill the last vector.
    #[test]
    fn bands_have_the_bits_of_the_whole() {
        let mut seen = Vec::new();
        for size in [
            size([70, 203, 1], [6, 5], 3, 1, 1),
            size([240, 331, 1], [5, 4], 1, 1, 1),
            size([640, 1290, 1], [1, 1], 1, 1, 1),
        ] {
            let conv = Conv::new(size, Precision::F32);
            seen.push(conv.algorithm());
            let (weight, bias) = (numbers(size.weight_len(), 1), numbers(size.out_channels, 2));
            let input = numbers(size.input_len(), 3);
            let mut packed = vec![f32::NAN; conv.forward_len()];
            conv.pack_forward(&weight, Some(&bias), &mut packed);
            for isa in Isa::available() {
                let mut expected = vec![f32::NAN; size.output_len()];
                let mut scratch = vec![f32::NAN; conv.scratch_len()];
                let pass = ConvPass { isa, images: 1, scratch: &mut scratch };
                conv.forward(pass, &input, &packed, Epilogue::Relu, &mut expected);
                for count in [2, 3, 8] {
                    let bands = ChannelBands::new(&conv, count).expect("there are channels enough");
                    assert!(bands.bands.len() > 1 && bands.bands.len() <= count);
                    let mut packed = vec![f32::NAN; bands.packed_len()];
                    bands.pack(&weight, Some(&bias), &mut packed);
                    let mut output = vec![f32::NAN; size.output_len()];
                    let mut scratch = vec![f32::NAN; bands.scratch_len()];
                    bands.forward(isa, &input, &packed, Epilogue::Relu, &mut output, &mut scratch);
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert!(bits(&output) == bits(&expected), "{size:?} in {count} bands on {isa:?}");
                }
            }
        }
        assert!([Algorithm::Direct, Algorithm::Winograd].iter().all(|algorithm| seen.contains(algorithm)));
    }

    #[test]
    fn few_weights_and_few_channels_stay_in_one_piece() {
        let conv = |size| Conv::new(size, Precision::F32);
        assert!(ChannelBands::new(&conv(size([64, 128, 1], [30, 30], 1, 1, 1)), 4).is_none());
        assert!(ChannelBands::new(&conv(size([500, 64, 1], [2, 2], 1, 1, 1)), 4).is_none());
    }
}
