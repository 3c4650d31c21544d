//! Operations that pass over memory once: pooling, batch normalisation, Adam. Rates are bytes read and written per
//! second.

use convscope_bench_kernels::{IMAGES, numbers, zeros};
use convscope_kernels::channels::{Affine, Centered, add_moments, normalize, normalize_backward};
use convscope_kernels::pool::{Span, Windows, max, max_backward};
use convscope_kernels::{Epilogue, Isa};
use convscope_train::{Optimizer, OptimizerConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Message if the benchmark cannot start.
const MEMORY: &str = "the machine has memory for a benchmark";

/// Channels, and rows and columns of images, from the reference network's and ResNet-18's layers.
const SHAPES: [[usize; 2]; 4] = [[16, 32], [32, 16], [64, 16], [128, 4]];

fn pooling(criterion: &mut Criterion) {
    for [channels, side] in SHAPES {
        let span = |index| Span { start: 2 * index, end: 2 * index + 2, step: 1 };
        let spans: Vec<Span> = (0..side / 2).map(span).collect();
        let windows = Windows { channels, input: [side; 2], rows: spans.clone(), columns: spans };
        let input = numbers(IMAGES * windows.input_len());
        let d_output = numbers(IMAGES * windows.output_len());
        let (mut output, mut d_input) = (zeros(d_output.len()), zeros(input.len()));
        let mut group = criterion.benchmark_group(format!("max pooling/{channels} {side}x{side}"));
        group.throughput(bytes(input.len() + output.len()));
        group.bench_function("forward", |bencher| {
            bencher.iter(|| max(Isa::best(), &windows, &input, &mut output));
        });
        group.throughput(bytes(2 * input.len() + d_output.len()));
        group.bench_function("backward", |bencher| {
            bencher.iter(|| max_backward(Isa::best(), &windows, &input, &d_output, &mut d_input));
        });
        group.finish();
    }
}

fn batch_norm(criterion: &mut Criterion) {
    for [channels, side] in SHAPES {
        let len = IMAGES * channels * side * side;
        let (input, d_output, by_channel) = (numbers(len), numbers(len), numbers(channels));
        let mut output = zeros(len);
        let (mut sums, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
        let mut group = criterion.benchmark_group(format!("batch norm/{channels} {side}x{side}"));
        group.throughput(bytes(len));
        group.bench_function("moments", |bencher| {
            bencher.iter(|| add_moments(Isa::best(), &input, &input, &by_channel, &mut sums, &mut squares));
        });
        group.throughput(bytes(2 * len));
        let affine = Affine { center: &by_channel, scale: &by_channel, shift: &by_channel };
        group.bench_function("forward", |bencher| {
            bencher.iter(|| normalize(Isa::best(), &input, affine, Epilogue::Relu, &mut output));
        });
        group.throughput(bytes(3 * len));
        let by = Centered { center: &by_channel, scale: &by_channel, mean: &by_channel, slope: &by_channel };
        group.bench_function("backward", |bencher| {
            bencher.iter(|| normalize_backward(Isa::best(), &input, by, &d_output, &mut output));
        });
        group.finish();
    }
}

fn adam(criterion: &mut Criterion) {
    for len in [1 << 14, 1 << 18, 1 << 22] {
        let (mut parameter, gradient) = (numbers(len), numbers(len));
        let mut optimizer = Optimizer::new(&OptimizerConfig::adam(), [len]).expect(MEMORY);
        let mut group = criterion.benchmark_group("adam");
        // Reads and writes parameter and two moments, reads the gradient.
        group.throughput(bytes(7 * len));
        group.bench_function(format!("{len} values"), |bencher| {
            bencher.iter(|| {
                optimizer.begin_step(0.001, [&gradient[..]]).expect(MEMORY);
                optimizer.update(0, &mut parameter, &gradient);
            });
        });
        group.finish();
    }
}

fn muon(criterion: &mut Criterion) {
    for [rows, columns] in [[32, 288], [128, 1152], [512, 4608]] {
        let (mut parameter, gradient) = (numbers(rows * columns), numbers(rows * columns));
        let optimizer = Optimizer::new(&OptimizerConfig::muon(), [rows * columns]).expect(MEMORY);
        let mut optimizer = optimizer.with_matrices([(0, [rows, columns])]).expect(MEMORY);
        let mut group = criterion.benchmark_group("muon");
        // The long side takes part in four products, the short side in 14 others.
        group.throughput(Throughput::Elements((2 * rows * rows * (4 * columns + 14 * rows)) as u64));
        group.bench_function(format!("{rows}x{columns}"), |bencher| {
            bencher.iter(|| {
                optimizer.begin_step(0.001, [&gradient[..]]).expect(MEMORY);
                optimizer.update(0, &mut parameter, &gradient);
            });
        });
        group.finish();
    }
}

fn bytes(values: usize) -> Throughput {
    Throughput::Bytes((values * size_of::<f32>()) as u64)
}

criterion_group!(benches, pooling, batch_norm, adam, muon);
criterion_main!(benches);
