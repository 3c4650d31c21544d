//! Convolution in channels-last order, forward, by input and by weight.
//!
//! [`Conv`] chooses between two ways: most 3x3 convolutions with stride 1 go by Winograd's transforms, which save more
//! than half of the multiplications, and everything else is walked over directly, without a matrix of image patches.
//! Both run on the register tiles of `tile`. The transposed convolution is the gradient by input.

mod direct;
mod frame;
mod pass;
mod size;
mod tile;
mod winograd;

use crate::Isa;
use direct::Direct;
pub use size::{ConvSize, Padding, PaddingMode};
pub use tile::Epilogue;
use winograd::Winograd;

/// A convolution with everything that follows from its sizes worked out: made once, run often.
///
/// Weights are used in a packed order. [`Conv::pack_forward`] and [`Conv::pack_backward`] make it from PyTorch's
/// `[out_channels, in_channels / groups, rows, columns]`, [`Conv::unpack_gradient`] leads back.
///
/// ```
/// use convscope_kernels::conv::{Conv, ConvSize, Epilogue, Padding, PaddingMode};
/// use convscope_kernels::Isa;
/// // One channel, a 1x3 image, a 1x2 kernel: each output is 10 * left + right.
/// let conv = Conv::new(ConvSize {
///     in_channels: 1, out_channels: 1, groups: 1, input: [1, 3], kernel: [1, 2], stride: [1, 1],
///     dilation: [1, 1], padding: Padding::default(), padding_mode: PaddingMode::Zeros,
/// });
/// let mut packed = vec![0.0; conv.forward_len()];
/// conv.pack_forward(&[10.0, 1.0], None, &mut packed);
/// let (mut output, mut scratch) = ([0.0; 2], vec![0.0; conv.scratch_len()]);
/// conv.forward(Isa::best(), 1, &[1.0, 2.0, 3.0], &packed, Epilogue::Linear, &mut output, &mut scratch);
/// assert_eq!(output, [12.0, 23.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv {
    size: ConvSize,
    way: Way,
}

/// How a convolution is computed.
#[derive(Clone, Debug)]
enum Way {
    Direct(Direct),
    Winograd(Winograd),
}

/// The name of a way, for those who look at a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Every product of the definition.
    Direct,
    /// Winograd's F(2x2, 3x3): 16 products for the 36 of four output pixels.
    Winograd,
}

impl Conv {
    /// Chooses the way for checked sizes, and works out what follows from them.
    pub fn new(size: ConvSize) -> Conv {
        let algorithm = if Winograd::pays(&size) { Algorithm::Winograd } else { Algorithm::Direct };
        Conv::with_algorithm(size, algorithm)
    }

    /// A convolution that goes a given way, where it can: Winograd's needs a 3x3 kernel with stride and dilation 1,
    /// one group and a padding of zeros.
    pub fn with_algorithm(size: ConvSize, algorithm: Algorithm) -> Conv {
        let way = match algorithm {
            Algorithm::Winograd if Winograd::suits(&size) => Way::Winograd(Winograd::new(&size)),
            _ => Way::Direct(Direct::new(size)),
        };
        Conv { size, way }
    }

    /// The sizes it was made for.
    pub fn size(&self) -> &ConvSize {
        &self.size
    }

    /// The way it goes.
    pub fn algorithm(&self) -> Algorithm {
        match self.way {
            Way::Direct(_) => Algorithm::Direct,
            Way::Winograd(_) => Algorithm::Winograd,
        }
    }

    /// Elements of the packed weights and bias of [`Conv::forward`], and of the packed gradients.
    pub fn forward_len(&self) -> usize {
        match &self.way {
            Way::Direct(direct) => direct.forward_len(),
            Way::Winograd(winograd) => winograd.forward_len(),
        }
    }

    /// Elements of the packed weights of [`Conv::backward_input`].
    pub fn backward_len(&self) -> usize {
        match &self.way {
            Way::Direct(direct) => direct.backward_len(),
            Way::Winograd(winograd) => winograd.backward_len(),
        }
    }

    /// Elements of scratch space that any call needs.
    pub fn scratch_len(&self) -> usize {
        match &self.way {
            Way::Direct(direct) => direct.scratch_len(),
            Way::Winograd(winograd) => winograd.scratch_len(),
        }
    }

    /// Packs weight and bias for [`Conv::forward`].
    pub fn pack_forward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        match &self.way {
            Way::Direct(direct) => direct.pack_forward(weight, bias, packed),
            Way::Winograd(winograd) => winograd.pack_forward(weight, bias, packed),
        }
    }

    /// Packs the weight for [`Conv::backward_input`]; `bias` (of `in_channels`) is added there, which only a
    /// transposed convolution wants.
    pub fn pack_backward(&self, weight: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
        match &self.way {
            Way::Direct(direct) => direct.pack_backward(weight, bias, packed),
            Way::Winograd(winograd) => winograd.pack_backward(weight, bias, packed),
        }
    }

    /// Takes the weight gradient (and the bias gradient) out of packed gradients.
    pub fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        match &self.way {
            Way::Direct(direct) => direct.unpack_gradient(d_packed, d_weight, d_bias),
            Way::Winograd(winograd) => winograd.unpack_gradient(d_packed, d_weight, d_bias),
        }
    }

    /// `output = epilogue(weight * input + bias)` for `images` images.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        images: usize,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        match &self.way {
            Way::Direct(direct) => direct.forward(isa, images, input, packed, epilogue, output, scratch),
            Way::Winograd(winograd) => {
                winograd.forward(isa, images, input, packed, epilogue, output, scratch)
            }
        }
    }

    /// `d_input`, from `d_output` and weights of [`Conv::pack_backward`].
    pub fn backward_input(
        &self,
        isa: Isa,
        images: usize,
        d_output: &[f32],
        packed: &[f32],
        d_input: &mut [f32],
        scratch: &mut [f32],
    ) {
        match &self.way {
            Way::Direct(direct) => direct.backward_input(isa, images, d_output, packed, d_input, scratch),
            Way::Winograd(winograd) => {
                winograd.backward_input(isa, images, d_output, packed, d_input, scratch)
            }
        }
    }

    /// Adds the gradients of weight and bias to `d_packed`, which has the order of [`Conv::pack_forward`].
    #[allow(clippy::too_many_arguments)]
    pub fn backward_weight(
        &self,
        isa: Isa,
        images: usize,
        input: &[f32],
        d_output: &[f32],
        d_packed: &mut [f32],
        scratch: &mut [f32],
    ) {
        match &self.way {
            Way::Direct(direct) => direct.backward_weight(isa, images, input, d_output, d_packed, scratch),
            Way::Winograd(winograd) => {
                winograd.backward_weight(isa, images, input, d_output, d_packed, scratch);
            }
        }
    }
}
