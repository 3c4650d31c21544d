//! Convolutions that are matrix products (dense layers, 1x1 kernels), compared with the `gemm` crate on the same
//! matrices.

use convscope_bench_kernels::{Shape, announce_peak, numbers, zeros};
use convscope_kernels::conv::{Conv, ConvPass, Epilogue};
use convscope_kernels::Isa;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Dense layers of 128 and 512 inputs, a large one, and 1x1 convolutions of few and of many pixels.
const SHAPES: [Shape; 5] = [
    Shape { name: "linear", in_channels: 128, out_channels: 10, side: 1, kernel: 1, stride: 1 },
    Shape { name: "linear", in_channels: 512, out_channels: 200, side: 1, kernel: 1, stride: 1 },
    Shape { name: "linear", in_channels: 1024, out_channels: 1024, side: 1, kernel: 1, stride: 1 },
    Shape { name: "1x1", in_channels: 64, out_channels: 128, side: 16, kernel: 1, stride: 1 },
    Shape { name: "1x1", in_channels: 256, out_channels: 512, side: 4, kernel: 1, stride: 1 },
];
const IMAGES: usize = 64;

fn products(criterion: &mut Criterion) {
    announce_peak();
    for shape in SHAPES {
        let conv = Conv::new(shape.size(), Precision::F32);
        let pixels = IMAGES * shape.side * shape.side;
        let (inner, outer) = (shape.in_channels, shape.out_channels);
        let (input, weight) = (numbers(pixels * inner), numbers(inner * outer));
        let mut output = zeros(pixels * outer);
        let mut scratch = zeros(conv.scratch_len());
        let mut packed = zeros(conv.forward_len());
        conv.pack_forward(&weight, None, &mut packed);

        let mut group = criterion.benchmark_group(shape.label());
        group.throughput(Throughput::Elements((2 * pixels * inner * outer) as u64));
        group.bench_function("convscope", |bencher| {
            bencher.iter(|| {
                let isa = Isa::best();
                conv.forward(ConvPass { isa, images: IMAGES, scratch: &mut scratch }, &input, &packed, Epilogue::Linear, &mut output);
            });
        });
        group.bench_function("gemm", |bencher| {
            bencher.iter(|| multiply(&input, &weight, [pixels, inner, outer], &mut output));
        });
        group.finish();
    }
}

/// `output = input * weight'` for contiguous rows, on one thread.
fn multiply(input: &[f32], weight: &[f32], [rows, inner, columns]: [usize; 3], output: &mut [f32]) {
    assert!(input.len() == rows * inner && weight.len() == inner * columns && output.len() == rows * columns);
    // SAFETY: the slices hold matrices of these sizes and strides.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            output.as_mut_ptr(),
            1,
            columns as isize,
            false,
            input.as_ptr(),
            1,
            inner as isize,
            weight.as_ptr(),
            inner as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
