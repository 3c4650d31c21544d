//! Times a training step of the reference network in Burn, on its Flex backend for processors.

mod measuring;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use measuring::{Arguments, CHANNELS, CLASSES, LEARNING_RATE, SIDE};

#[derive(Module, Debug)]
struct Plain8 {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    dense: Linear,
}

impl Plain8 {
    fn new(device: &Device) -> Plain8 {
        let inputs = std::iter::once(3).chain(CHANNELS);
        let convolution = |(from, to): (usize, usize)| {
            let config = Conv2dConfig::new([from, to], [3, 3]);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Plain8 {
            convolutions: inputs.zip(CHANNELS).map(convolution).collect(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dense: LinearConfig::new(CHANNELS[7], CLASSES).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut value = images;
        for (index, convolution) in self.convolutions.iter().enumerate() {
            value = relu(convolution.forward(value));
            if index % 2 == 1 && index < 7 {
                value = self.pool.forward(value);
            }
        }
        let means: Tensor<2> = value.flatten::<3>(2, 3).mean_dim(2).flatten(1, 2);
        self.dense.forward(means)
    }
}

fn main() {
    let arguments = Arguments::read();
    let device = Device::flex().autodiff();
    let batch = arguments.batch_size;
    let images = TensorData::new(measuring::images(batch), [batch, 3, SIDE, SIDE]);
    let labels: Vec<i64> = measuring::labels(batch).map(|label| label as i64).collect();
    let images: Tensor<4> = Tensor::from_data(images, &device);
    let labels: Tensor<1, Int> = Tensor::from_data(TensorData::new(labels, [batch]), &device);
    let loss: CrossEntropyLoss = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamConfig::new().init();
    let mut network = Some(Plain8::new(&device));
    measuring::measure(&arguments, || {
        let old = network.take().expect("a step puts the network back");
        let gradients = loss.forward(old.forward(images.clone()), labels.clone()).backward();
        let gradients = GradientsParams::from_grads(gradients, &old);
        network = Some(optimizer.step(LEARNING_RATE, old, gradients));
    });
}
