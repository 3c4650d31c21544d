//! Depthwise convolutions of MobileNetV2 and EfficientNet-B0, as shares of what bounds them: the multiply-adds at the peak of
//! one thread, or a copy of as many values, whichever takes longer. Each time is the best of several.

use convscope_bench_kernels::{numbers, zeros};
use convscope_kernels::Isa;
use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue, Onto, Padding, PaddingMode, Precision};
use convscope_kernels::peak::Peak;
use std::hint::black_box;
use std::time::Instant;

const IMAGES: usize = 16;

/// Channels, rows and columns of the input, kernel size, stride.
const SHAPES: [(usize, usize, usize, usize); 12] = [
    (32, 64, 3, 1),
    (96, 64, 3, 2),
    (144, 32, 3, 1),
    (144, 32, 3, 2),
    (192, 16, 3, 1),
    (384, 14, 3, 1),
    (240, 28, 3, 2),
    (144, 56, 5, 2),
    (240, 28, 5, 1),
    (480, 14, 5, 1),
    (672, 14, 5, 1),
    (672, 14, 5, 2),
];

fn main() {
    let isa = Isa::best();
    // That of all threads together.
    let peak = Peak::measure(isa).of(Precision::F32) / rayon::current_num_threads() as f64;
    println!("{:.0} GFLOP/s on one thread\n", 2.0 * peak / 1e9);
    println!("channels    input  kernel  stride  forward  by input  by weight  bound by");
    for (channels, side, kernel, stride) in SHAPES {
        let around = kernel / 2;
        let conv = Conv::new(
            ConvSize {
                in_channels: channels,
                out_channels: channels,
                groups: channels,
                input: [side; 2],
                kernel: [kernel; 2],
                stride: [stride; 2],
                dilation: [1, 1],
                padding: Padding { top: around, bottom: around, left: around, right: around },
                padding_mode: PaddingMode::Zeros,
            },
            Precision::F32,
        );
        let size = conv.size();
        let (input, d_output) = (numbers(IMAGES * size.input_len()), numbers(IMAGES * size.output_len()));
        let (mut output, mut d_input) = (zeros(d_output.len()), zeros(input.len()));
        let (mut forward, mut backward) = (zeros(conv.forward_len()), zeros(conv.backward_len()));
        let (mut gradient, mut scratch) = (zeros(conv.gradient_len()), zeros(conv.scratch_len()));
        let weight = numbers(size.weight_len());
        conv.pack_forward(&weight, None, &mut forward);
        conv.pack_backward(&weight, None, &mut backward);

        let half = (input.len() + output.len()) / 2;
        let (from, mut to) = (numbers(half), zeros(half));
        let copy = fastest(|| black_box(&mut to).copy_from_slice(black_box(&from)));
        let products = (IMAGES * size.multiply_adds()) as f64 / peak;
        let forward = fastest(|| {
            let pass = ConvPass { isa, images: IMAGES, scratch: &mut scratch };
            conv.forward(pass, &input, &forward, Epilogue::Linear, &mut output);
        });
        let by_input = fastest(|| {
            let pass = ConvPass { isa, images: IMAGES, scratch: &mut scratch };
            conv.backward_input(pass, &d_output, &backward, &mut d_input);
        });
        let by_weight = fastest(|| {
            let pass = ConvPass { isa, images: IMAGES, scratch: &mut scratch };
            conv.backward_weight(pass, &input, &d_output, Onto::Nothing, &mut gradient);
        });
        let [forward, by_input, by_weight] =
            [forward, by_input, by_weight].map(|time| 100.0 * products.max(copy) / time);
        println!(
            "{channels:>8}  {side:>3}x{side:<3}  {kernel:>6}  {stride:>6}  {forward:>5.0} %  {by_input:>6.0} %  {by_weight:>7.0} %  {}",
            if products > copy { "multiply-adds" } else { "memory" },
        );
    }
}

/// Seconds of the fastest of several calls.
fn fastest(mut call: impl FnMut()) -> f64 {
    let time = |_| {
        let started = Instant::now();
        call();
        started.elapsed().as_secs_f64()
    };
    (0..25).map(time).fold(f64::INFINITY, f64::min)
}
