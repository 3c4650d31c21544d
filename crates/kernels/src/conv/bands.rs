//! One image on several threads: its output rows are divided into bands, each a convolution of its own.

use std::ops::Range;

use super::{Conv, ConvPass, ConvSize, Epilogue, Padding, PaddingMode};
use crate::Isa;
use crate::threads::both;

/// A convolution of one image as bands of output rows that are computed at the same time. The weights are packed by the
/// whole convolution, and the output has the same bits.
#[derive(Clone, Debug)]
pub struct Bands(Vec<Band>);

#[derive(Clone, Debug)]
struct Band {
    conv: Conv,
    /// Its elements in the input and in the output of the image.
    input: Range<usize>,
    output: Range<usize>,
}

/// What a band must cost at least, so that starting it on another thread pays: multiply-adds, with four for each element
/// that is read or written.
const LEAST_WORK: usize = 250_000;
/// The height of Winograd's stretches: a band must start where one does.
const STEP: usize = 2;

impl Bands {
    /// At most `count` bands; none if there is too little work for two, or rows of one band repeat those of another.
    pub fn new(conv: &Conv, count: usize) -> Option<Bands> {
        let size = conv.size();
        let Padding { top, bottom, .. } = size.padding;
        if size.padding_mode != PaddingMode::Zeros && top + bottom > 0 {
            return None;
        }
        let steps = size.output()[0].div_ceil(STEP);
        let count = count.min(worthwhile(conv)).min(steps);
        if count < 2 {
            return None;
        }
        let rows = |index: usize| (index * steps / count * STEP).min(size.output()[0]);
        let bands = (0..count).map(|index| Band::new(conv, rows(index)..rows(index + 1)));
        bands.collect::<Option<Vec<_>>>().map(Bands)
    }

    /// Elements of scratch space that a call needs.
    pub fn scratch_len(&self) -> usize {
        self.0.iter().map(Band::scratch_len).sum()
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
        run(
            &self.0,
            &|band, output, scratch| {
                let input = &input[band.input.clone()];
                band.conv.forward(ConvPass { isa, images: 1, scratch }, input, packed, epilogue, output);
            },
            output,
            scratch,
        );
    }
}

/// The most bands into which one image may be divided so that each is worth starting.
pub(super) fn worthwhile(conv: &Conv) -> usize {
    let size = conv.size();
    (conv.multiply_adds() as usize + 4 * (size.input_len() + size.output_len())) / LEAST_WORK
}

impl Band {
    /// The output rows `rows`; none if they see nothing but padding.
    fn new(conv: &Conv, rows: Range<usize>) -> Option<Band> {
        let size = conv.size();
        let span = size.dilation[0] * (size.kernel[0] - 1) + 1;
        // In rows of the padded image.
        let (first, end) = (rows.start * size.stride[0], (rows.end - 1) * size.stride[0] + span);
        let (top, height) = (size.padding.top, size.input[0]);
        let (start, stop) = (first.saturating_sub(top), end.saturating_sub(top).min(height));
        if start >= stop {
            return None;
        }
        let padding = Padding {
            top: top.saturating_sub(first),
            bottom: end.saturating_sub(top + height),
            ..size.padding
        };
        let part = ConvSize { input: [stop - start, size.input[1]], padding, ..*size };
        let (row, output_row) = (size.input[1] * size.in_channels, size.output()[1] * size.out_channels);
        let band = Conv::with_algorithm(part, conv.algorithm(), conv.precision());
        let is_alike = band.algorithm() == conv.algorithm()
            && band.forward_len() == conv.forward_len()
            && part.output()[0] == rows.len();
        is_alike.then(|| Band {
            conv: band,
            input: start * row..stop * row,
            output: rows.start * output_row..rows.end * output_row,
        })
    }

    /// In whole cache lines, so that bands do not write to the same one.
    fn scratch_len(&self) -> usize {
        self.conv.scratch_len().next_multiple_of(16)
    }
}

/// Halves the bands until each is one, on as many threads as are free.
fn run(
    bands: &[Band],
    one: &(impl Fn(&Band, &mut [f32], &mut [f32]) + Sync),
    output: &mut [f32],
    scratch: &mut [f32],
) {
    let [band] = bands else {
        let (left, right) = bands.split_at(bands.len() / 2);
        let (of_left, of_right) = output.split_at_mut(right[0].output.start - left[0].output.start);
        let (near, far) = scratch.split_at_mut(left.iter().map(Band::scratch_len).sum());
        both(|| run(left, one, of_left, near), || run(right, one, of_right, far));
        return;
    };
    one(band, output, scratch);
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Algorithm, Precision};
    use super::*;

    pub(in super::super) fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32)
            .map(|index| {
                (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    pub(in super::super) fn size(
        channels: [usize; 3],
        input: [usize; 2],
        kernel: usize,
        stride: usize,
        dilation: usize,
    ) -> ConvSize {
        let [in_channels, out_channels, groups] = channels;
        let around = dilation * (kernel - 1) / 2;
        ConvSize {
            in_channels,
            out_channels,
            groups,
            input,
            kernel: [kernel, kernel],
            stride: [stride, stride],
            dilation: [dilation, dilation],
            padding: Padding { top: around, bottom: around, left: around, right: around },
            padding_mode: PaddingMode::Zeros,
        }
    }

    #[test]
    fn bands_have_the_bits_of_the_whole() {
        let sizes = [
            size([24, 40, 1], [37, 41], 3, 1, 1),
            size([24, 40, 1], [50, 41], 3, 2, 1),
            size([24, 40, 1], [50, 41], 3, 1, 3),
            size([96, 96, 96], [57, 60], 5, 2, 1),
            size([96, 96, 96], [57, 60], 3, 1, 1),
            size([30, 60, 3], [41, 44], 3, 1, 1),
            size([96, 70, 1], [23, 44], 1, 1, 1),
        ];
        let mut seen = Vec::new();
        for size in sizes {
            let conv = Conv::new(size, Precision::F32);
            seen.push(conv.algorithm());
            let weight = numbers(size.weight_len(), 1);
            let bias = numbers(size.out_channels, 2);
            let input = numbers(size.input_len(), 3);
            let mut packed = vec![0.0; conv.forward_len()];
            conv.pack_forward(&weight, Some(&bias), &mut packed);
            for isa in Isa::available() {
                let mut expected = vec![f32::NAN; size.output_len()];
                let mut scratch = vec![f32::NAN; conv.scratch_len()];
                conv.forward(
                    ConvPass { isa, images: 1, scratch: &mut scratch },
                    &input,
                    &packed,
                    Epilogue::Relu,
                    &mut expected,
                );
                for count in [2, 3, 8] {
                    let bands = Bands::new(&conv, count).expect("there is work enough");
                    assert!(bands.0.len() > 1 && bands.0.len() <= count);
                    let mut output = vec![f32::NAN; size.output_len()];
                    let mut scratch = vec![f32::NAN; bands.scratch_len()];
                    bands.forward(isa, &input, &packed, Epilogue::Relu, &mut output, &mut scratch);
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert!(bits(&output) == bits(&expected), "{size:?} in {count} bands on {isa:?}");
                }
            }
        }
        for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Depthwise] {
            assert!(seen.contains(&algorithm));
        }
    }

    #[test]
    fn little_work_stays_in_one_piece() {
        assert!(Bands::new(&Conv::new(size([8, 8, 1], [8, 8], 3, 1, 1), Precision::F32), 4).is_none());
        let mirrored =
            ConvSize { padding_mode: PaddingMode::Reflect, ..size([24, 40, 1], [37, 41], 3, 1, 1) };
        assert!(Bands::new(&Conv::new(mirrored, Precision::F32), 4).is_none());
    }
}
