//! Convolution forward and its gradients, with the algorithm that is chosen for each shape.

use convscope_bench_kernels::{IMAGES, REFERENCE, RESNET18, announce_peak, numbers, zeros};
use convscope_kernels::conv::{Conv, ConvPass, Epilogue, Onto, Precision};
use convscope_kernels::Isa;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn convolutions(criterion: &mut Criterion) {
    announce_peak();
    for shape in REFERENCE.iter().chain(&RESNET18) {
        for precision in [Precision::F32, Precision::Bf16] {
            let conv = Conv::new(shape.size(), precision);
            // Without bfloat16 products there is nothing new to measure.
            if conv.precision() == precision {
                convolution(criterion, &shape.label(), &conv);
            }
        }
    }
}

fn convolution(criterion: &mut Criterion, label: &str, conv: &Conv) {
    let (isa, size) = (Isa::best(), *conv.size());
    let weight = numbers(size.weight_len());
    let (input, d_output) = (numbers(IMAGES * size.input_len()), numbers(IMAGES * size.output_len()));
    let (mut output, mut d_input) = (zeros(d_output.len()), zeros(input.len()));
    let mut scratch = zeros(conv.scratch_len());
    let mut forward = zeros(conv.forward_len());
    let mut backward = zeros(conv.backward_len());
    let mut gradient = zeros(conv.gradient_len());
    conv.pack_forward(&weight, None, &mut forward);
    conv.pack_backward(&weight, None, &mut backward);

    let mut group =
        criterion.benchmark_group(format!("{label} {:?} {:?}", conv.algorithm(), conv.precision()));
    group.throughput(Throughput::Elements((2 * IMAGES * size.multiply_adds()) as u64));
    group.bench_function("forward", |bencher| {
        bencher.iter(|| {
            conv.forward(ConvPass { isa, images: IMAGES, scratch: &mut scratch }, &input, &forward, Epilogue::Relu, &mut output);
        });
    });
    group.bench_function("by input", |bencher| {
        bencher.iter(|| {
            conv.backward_input(ConvPass { isa, images: IMAGES, scratch: &mut scratch }, &d_output, &backward, &mut d_input);
        });
    });
    group.bench_function("by weight", |bencher| {
        bencher.iter(|| {
            conv.backward_weight(ConvPass { isa, images: IMAGES, scratch: &mut scratch }, &input, &d_output, Onto::Sum, &mut gradient);
        });
    });
    group.finish();
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
