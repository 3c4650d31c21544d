//! The affine map of values with several axes, as the executor runs it.

use convscope_kernels::conv::{Conv, ConvPass, Epilogue};
use convscope_kernels::layout;

use crate::conv2d::{Bias, BoundConv};
use crate::*;

/// An affine map of the last axis. The last axis is not the one that is stored last, so values pass through PyTorch's order.
#[derive(Debug)]
pub(super) struct BoundRows {
    matrix: BoundConv,
    input: Shape,
    output: Shape,
}

impl BoundRows {
    pub(super) fn new(matrix: BoundConv, input: Shape, output: Shape) -> BoundRows {
        BoundRows { matrix, input, output }
    }

    fn conv(&self) -> &Conv {
        &self.matrix.conv
    }

    /// Rows of one image.
    fn rows(&self) -> usize {
        let (_, others) = self.input.axes().split_last().expect("the map takes an axis");
        others.iter().product()
    }

    fn rows_of(&self, shape: Shape, values: &[f32], rows: &mut [f32]) {
        layout::to_planes(values, shape.channels(), shape.len(), rows);
    }

    fn values_of(&self, shape: Shape, rows: &[f32], values: &mut [f32]) {
        layout::to_channels_last(rows, shape.channels(), shape.len(), values);
    }
}

impl Bound for BoundRows {
    fn packed_len(&self) -> usize {
        self.matrix.packed_len()
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        self.matrix.pack(parameters, packed);
    }

    fn gradient_len(&self) -> usize {
        self.matrix.gradient_len()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        self.matrix.unpack_gradient(packed, gradients);
    }

    fn scratch_len(&self, images: usize) -> usize {
        images * (self.input.len() + self.output.len()) + self.conv().scratch_len()
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn products(&self) -> Option<Products> {
        let products = self.matrix.products()?;
        Some(Products { multiply_adds: products.multiply_adds * self.rows() as u64, ..products })
    }

    fn forward(&self, call: Forward<'_>) {
        let (inputs, rest) = call.scratch.split_at_mut(call.images * self.input.len());
        let (outputs, scratch) = rest.split_at_mut(call.images * self.output.len());
        self.rows_of(self.input, call.inputs.get(0), inputs);
        let (conv, rows) = (self.conv(), call.images * self.rows());
        let packed = &call.packed[..conv.forward_len()];
        conv.forward(
            ConvPass { isa: call.isa, images: rows, scratch },
            inputs,
            packed,
            Epilogue::Linear,
            outputs,
        );
        self.values_of(self.output, outputs, call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let (d_inputs, rest) = call.scratch.split_at_mut(call.images * self.input.len());
        let (d_outputs, scratch) = rest.split_at_mut(call.images * self.output.len());
        self.rows_of(self.output, call.d_output, d_outputs);
        let (conv, rows) = (self.conv(), call.images * self.rows());
        let packed = &call.packed[conv.forward_len()..];
        conv.backward_input(ConvPass { isa: call.isa, images: rows, scratch }, d_outputs, packed, d_inputs);
        self.values_of(self.input, d_inputs, d_input);
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        let (inputs, rest) = call.scratch.split_at_mut(call.images * self.input.len());
        let (d_outputs, scratch) = rest.split_at_mut(call.images * self.output.len());
        self.rows_of(self.input, call.inputs.get(0), inputs);
        self.rows_of(self.output, call.d_output, d_outputs);
        let rows = call.images * self.rows();
        self.conv().backward_weight(
            ConvPass { isa: call.isa, images: rows, scratch },
            inputs,
            d_outputs,
            Onto::Sum,
            d_packed,
        );
        if self.matrix.bias == Bias::Added {
            self.conv().backward_bias(call.isa, rows, d_outputs, d_packed);
        }
    }
}
