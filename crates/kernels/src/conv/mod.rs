//! Convolution in channels-last order: forward, and gradients with respect to input and weight.
//!
//! [`Conv`] chooses between three algorithms: most 3x3 convolutions with stride 1 use Winograd's transforms, which save
//! more than half of the multiplications, depthwise convolutions work on vectors of channels, and everything else is
//! computed directly, without a matrix of image patches. Winograd's and the direct one run on the register tiles of
//! `tile`. The transposed convolution is the gradient with respect to the input.

mod bands;
mod channel_bands;
mod depthwise;
mod direct;
mod frame;
mod pass;
mod size;
mod tile;
mod winograd;
pub(crate) mod words;

pub use crate::Epilogue;
use crate::Isa;
pub use bands::Bands;
pub use channel_bands::ChannelBands;
use depthwise::Depthwise;
use direct::Direct;
use serde::Serialize;
pub use size::{ConvSize, Padding, PaddingMode};
use std::fmt::Debug;
use std::sync::Arc;
use winograd::Winograd;
pub use words::Precision;

/// A convolution with everything that depends on its sizes precomputed: created once, run often.
///
/// Weights are used in a packed order. [`Conv::pack_forward`] and [`Conv::pack_backward`] convert from PyTorch's
/// `[out_channels, in_channels / groups, rows, columns]`, and [`Conv::unpack_gradient`] converts back.
///
/// ```
/// use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue, Padding, PaddingMode, Precision};
/// use convscope_kernels::Isa;
/// // One channel, a 1x3 image, a 1x2 kernel: each output is 10 * left + right.
/// let conv = Conv::new(ConvSize {
///     in_channels: 1, out_channels: 1, groups: 1, input: [1, 3], kernel: [1, 2], stride: [1, 1],
///     dilation: [1, 1], padding: Padding::default(), padding_mode: PaddingMode::Zeros,
/// }, Precision::F32);
/// let mut packed = vec![0.0; conv.forward_len()];
/// conv.pack_forward(&[10.0, 1.0], None, &mut packed);
/// let (mut output, mut scratch) = ([0.0; 2], vec![0.0; conv.scratch_len()]);
/// let pass = ConvPass { isa: Isa::best(), images: 1, scratch: &mut scratch };
/// conv.forward(pass, &[1.0, 2.0, 3.0], &packed, Epilogue::Linear, &mut output);
/// assert_eq!(output, [12.0, 23.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv {
    size: ConvSize,
    algorithm: Algorithm,
    precision: Precision,
    method: Arc<dyn Method>,
}

/// What every pass of a convolution runs on.
#[derive(Debug)]
pub struct ConvPass<'a> {
    /// The instructions.
    pub isa: Isa,
    /// Images in the arrays.
    pub images: usize,
    /// As many elements as [`Conv::scratch_len`], with any values.
    pub scratch: &'a mut [f32],
}

/// The algorithm of a convolution, as shown in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Every product of the definition.
    Direct,
    /// Winograd's F(2x2, 3x3): 16 products instead of 36 for four output pixels.
    Winograd,
    /// Every product of the definition, sixteen channels at once, where each channel is convolved by itself or in a group of
    /// at most eight.
    Depthwise,
}

/// What a gradient of the weight does to what is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// It is added.
    Sum,
    /// It replaces any values, and gradients of the bias become zero.
    Nothing,
}

/// The interface of every convolution algorithm; [`Conv`] documents the methods.
trait Method: Debug + Send + Sync {
    fn forward_len(&self) -> usize;
    fn gradient_len(&self) -> usize;
    fn backward_len(&self) -> usize;
    fn scratch_len(&self) -> usize;
    fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]);
    fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]);
    fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>);
    fn forward(
        &self,
        pass: ConvPass<'_>,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
    );
    fn backward_input(&self, pass: ConvPass<'_>, d_output: &[f32], packed: &[f32], d_input: &mut [f32]);
    fn backward_weight(
        &self,
        pass: ConvPass<'_>,
        input: &[f32],
        d_output: &[f32],
        onto: Onto,
        d_packed: &mut [f32],
    );
    fn backward_bias(&self, isa: Isa, images: usize, d_output: &[f32], d_packed: &mut [f32]);
}

impl Conv {
    /// Chooses the algorithm for checked sizes, and precomputes everything that depends on them. Products have this
    /// precision if the algorithm can use it, otherwise `f32`.
    pub fn new(size: ConvSize, precision: Precision) -> Conv {
        let algorithm = if Winograd::pays(&size) { Algorithm::Winograd } else { Algorithm::Depthwise };
        Conv::with_algorithm(size, algorithm, precision)
    }

    /// A convolution with a given algorithm, if possible: Winograd's needs a 3x3 kernel with stride and dilation 1, one
    /// group and zero padding, the depthwise one groups of 1, 2, 4 or 8 channels, as many in the input as in the output.
    pub fn with_algorithm(size: ConvSize, algorithm: Algorithm, precision: Precision) -> Conv {
        if algorithm == Algorithm::Winograd && Winograd::suits(&size) {
            return Conv { size, algorithm, precision, method: Arc::new(Winograd::new(&size, precision)) };
        }
        let precision = Precision::F32;
        if algorithm == Algorithm::Depthwise && Depthwise::suits(&size) {
            return Conv { size, algorithm, precision, method: Arc::new(Depthwise::new(size)) };
        }
        let algorithm = Algorithm::Direct;
        Conv { size, algorithm, precision, method: Arc::new(Direct::new(size)) }
    }

    /// The sizes that it was created for.
    pub fn size(&self) -> &ConvSize {
        &self.size
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Multiply-adds that [`Conv::forward`] performs for one image, without those of the transforms.
    pub fn multiply_adds(&self) -> u64 {
        let products = match self.algorithm {
            Algorithm::Direct | Algorithm::Depthwise => self.size.multiply_adds(),
            Algorithm::Winograd => {
                self.size.in_channels * self.size.out_channels * Winograd::products(&self.size)
            }
        };
        products as u64
    }

    /// Elements of the packed weights and bias of [`Conv::forward`].
    pub fn forward_len(&self) -> usize {
        self.method.forward_len()
    }

    /// Elements of the packed gradients of weights and bias.
    pub fn gradient_len(&self) -> usize {
        self.method.gradient_len()
    }

    /// Elements of the packed weights of [`Conv::backward_input`].
    pub fn backward_len(&self) -> usize {
        self.method.backward_len()
    }

    /// Elements of scratch space that any call needs.
    pub fn scratch_len(&self) -> usize {
        self.method.scratch_len()
    }

    /// Packs weight and bias for [`Conv::forward`].
    pub fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        self.method.pack_forward(weight, bias, packed);
    }

    /// Packs the weight for [`Conv::backward_input`]; `bias` (of `in_channels`) is added there, as only a transposed
    /// convolution needs.
    pub fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        self.method.pack_backward(weight, bias, packed);
    }

    /// Extracts the weight gradient (and the bias gradient) from packed gradients.
    pub fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        self.method.unpack_gradient(d_packed, d_weight, d_bias);
    }

    /// `output = epilogue(weight * input + bias)`.
    pub fn forward(
        &self,
        pass: ConvPass<'_>,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        self.method.forward(pass, input, packed, epilogue, output);
    }

    /// `d_input`, from `d_output` and weights packed by [`Conv::pack_backward`].
    pub fn backward_input(&self, pass: ConvPass<'_>, d_output: &[f32], packed: &[f32], d_input: &mut [f32]) {
        self.method.backward_input(pass, d_output, packed, d_input);
    }

    /// Adds the gradient of the weight to `d_packed`, or puts it there, from which [`Conv::unpack_gradient`] extracts it.
    pub fn backward_weight(
        &self,
        pass: ConvPass<'_>,
        input: &[f32],
        d_output: &[f32],
        onto: Onto,
        d_packed: &mut [f32],
    ) {
        if onto == Onto::Nothing && pass.images == 0 {
            d_packed.fill(0.0);
        }
        self.method.backward_weight(pass, input, d_output, onto, d_packed);
    }

    /// Adds the gradient of the bias to `d_packed`, only to be called where there is one.
    pub fn backward_bias(&self, isa: Isa, images: usize, d_output: &[f32], d_packed: &mut [f32]) {
        self.method.backward_bias(isa, images, d_output, d_packed);
    }
}
