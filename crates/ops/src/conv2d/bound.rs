//! Convolution as the executor runs it.

use crate::*;
use convscope_kernels::conv::{Bands, ChannelBands, Conv, ConvPass, Epilogue};

/// Whether a bias is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bias {
    None,
    Added,
}

impl Bias {
    pub(crate) fn new(is_added: bool) -> Bias {
        if is_added { Bias::Added } else { Bias::None }
    }
}

/// A convolution, or a matrix product as one, with a weight and perhaps a bias.
#[derive(Debug)]
pub(crate) struct BoundConv {
    pub(crate) conv: Conv,
    pub(crate) bias: Bias,
    pub(crate) mode: Mode,
    divided: Divided,
}

/// How a single image is divided among threads.
#[derive(Debug)]
enum Divided {
    /// It is not.
    No,
    /// By its rows.
    Rows(Bands),
    /// By the channels of the output; only single images are computed then.
    Channels(ChannelBands),
}

impl BoundConv {
    pub(crate) fn new(conv: Conv, bias: Bias, mode: Mode) -> BoundConv {
        BoundConv { conv, bias, mode, divided: Divided::No }
    }
}

impl Bound for BoundConv {
    fn packed_len(&self) -> usize {
        if let Divided::Channels(bands) = &self.divided {
            return bands.packed_len();
        }
        let backward = if self.mode.has_backward() { self.conv.backward_len() } else { 0 };
        self.conv.forward_len() + backward
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        let weight = parameters[0].slice();
        if let Divided::Channels(bands) = &self.divided {
            return bands.pack(weight, parameters.get(1).map(Parameter::slice), packed);
        }
        let (forward, backward) = packed.split_at_mut(self.conv.forward_len());
        self.conv.pack_forward(weight, parameters.get(1).map(Parameter::slice), forward);
        if self.mode.has_backward() {
            self.conv.pack_backward(weight, None, backward);
        }
    }

    fn gradient_len(&self) -> usize {
        self.conv.gradient_len()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        let (weight, bias) = gradients.split_at_mut(1);
        self.conv.unpack_gradient(packed, &mut weight[0], bias.first_mut().map(Vec::as_mut_slice));
    }

    fn scratch_len(&self, _images: usize) -> usize {
        match &self.divided {
            Divided::No => self.conv.scratch_len(),
            Divided::Rows(bands) => self.conv.scratch_len().max(bands.scratch_len()),
            Divided::Channels(bands) => bands.scratch_len(),
        }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn fuses(&self, _epilogue: Epilogue) -> bool {
        true
    }

    fn products(&self) -> Option<Products> {
        Some(Products::from(&self.conv))
    }

    fn divide(&mut self, threads: usize) {
        // More than one for each thread, since threads are not always equally fast.
        let count = 2 * threads;
        let by_channels = ChannelBands::new(&self.conv, count).map(Divided::Channels);
        let by_rows = || Bands::new(&self.conv, count).map(Divided::Rows);
        self.divided = by_channels.or_else(by_rows).unwrap_or(Divided::No);
    }

    fn forward(&self, call: Forward<'_>) {
        let input = call.inputs.get(0);
        let Forward { isa, epilogue, output, scratch, .. } = call;
        if let Divided::Channels(bands) = &self.divided {
            debug_assert_eq!(call.images, 1);
            return bands.forward(isa, input, call.packed, epilogue, output, scratch);
        }
        let packed = &call.packed[..self.conv.forward_len()];
        if let (1, Divided::Rows(bands)) = (call.images, &self.divided) {
            return bands.forward(isa, input, packed, epilogue, output, scratch);
        }
        self.conv.forward(ConvPass { isa, images: call.images, scratch }, input, packed, epilogue, output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let packed = &call.packed[self.conv.forward_len()..];
        self.conv.backward_input(
            ConvPass { isa: call.isa, images: call.images, scratch: call.scratch },
            call.d_output,
            packed,
            d_input,
        );
    }

    fn begins_gradient(&self) -> bool {
        true
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        let input = call.inputs.get(0);
        self.conv.backward_weight(
            ConvPass { isa: call.isa, images: call.images, scratch: call.scratch },
            input,
            call.d_output,
            call.onto,
            d_packed,
        );
        if self.bias == Bias::Added {
            self.conv.backward_bias(call.isa, call.images, call.d_output, d_packed);
        }
    }
}
