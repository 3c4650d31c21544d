//! Shared by the benchmarks: shapes from real networks, and the machine's peak.

use convscope_kernels::conv::{ConvSize, Padding, PaddingMode};
use convscope_kernels::peak::Peak;
use convscope_kernels::{Buffer, Isa, threads};

/// Images per call, as many as an executor runs at a time.
pub const IMAGES: usize = 8;

/// A convolution of a network.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The network and the layer.
    pub name: &'static str,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Rows and columns of the input.
    pub side: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl Shape {
    const fn new(
        name: &'static str,
        channels: [usize; 2],
        side: usize,
        kernel: usize,
        stride: usize,
    ) -> Shape {
        let [in_channels, out_channels] = channels;
        Shape { name, in_channels, out_channels, side, kernel, stride }
    }

    /// The convolution, padded so that stride 1 keeps the size.
    pub fn size(self) -> ConvSize {
        let padding = self.kernel / 2;
        ConvSize {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            groups: 1,
            input: [self.side; 2],
            kernel: [self.kernel; 2],
            stride: [self.stride; 2],
            dilation: [1, 1],
            padding: Padding { top: padding, bottom: padding, left: padding, right: padding },
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// The name with the numbers that matter.
    pub fn label(self) -> String {
        let Shape { name, in_channels, out_channels, side, kernel, stride } = self;
        format!("{name}/{in_channels}-{out_channels} {side}x{side} k{kernel} s{stride}")
    }
}

/// The reference network on images of 32x32.
pub const REFERENCE: [Shape; 8] = [
    Shape::new("plain8", [3, 16], 32, 3, 1),
    Shape::new("plain8", [16, 16], 32, 3, 1),
    Shape::new("plain8", [16, 32], 16, 3, 1),
    Shape::new("plain8", [32, 32], 16, 3, 1),
    Shape::new("plain8", [32, 64], 8, 3, 1),
    Shape::new("plain8", [64, 64], 8, 3, 1),
    Shape::new("plain8", [64, 128], 4, 3, 1),
    Shape::new("plain8", [128, 128], 4, 3, 1),
];

/// ResNet-18 on images of 64x64, each kind of convolution once.
pub const RESNET18: [Shape; 11] = [
    Shape::new("resnet18", [3, 64], 64, 7, 2),
    Shape::new("resnet18", [64, 64], 16, 3, 1),
    Shape::new("resnet18", [64, 128], 16, 3, 2),
    Shape::new("resnet18", [64, 128], 16, 1, 2),
    Shape::new("resnet18", [128, 128], 8, 3, 1),
    Shape::new("resnet18", [128, 256], 8, 3, 2),
    Shape::new("resnet18", [128, 256], 8, 1, 2),
    Shape::new("resnet18", [256, 256], 4, 3, 1),
    Shape::new("resnet18", [256, 512], 4, 3, 2),
    Shape::new("resnet18", [256, 512], 4, 1, 2),
    Shape::new("resnet18", [512, 512], 2, 3, 1),
];

/// Memory for results.
///
/// # Panics
/// The system cannot provide it.
pub fn zeros(len: usize) -> Buffer {
    Buffer::zeros(len).expect("the machine has memory for a benchmark")
}

/// Numbers between -1 and 1.
pub fn numbers(len: usize) -> Buffer {
    let mut buffer = zeros(len);
    let mut state = 1_u32;
    for value in buffer.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
    buffer
}

/// Prints what one thread of this machine can reach; with operations as elements, rates are in the same unit.
pub fn announce_peak() {
    let measure = || Peak::measure(Isa::best());
    let peak = threads::pool(1).map(|pool| pool.install(measure)).unwrap_or_else(|_| measure());
    eprintln!(
        "{}: one thread reaches {:.1} Gelem/s in f32 and {:.1} in bf16 in registers; an element is one operation, two for \
         each multiply-add of the definition",
        Isa::best(),
        2e-9 * peak.f32,
        2e-9 * peak.bf16
    );
}
