//! Times a training step of the reference network in Candle.

mod measuring;

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{AdamW, Conv2d, Conv2dConfig, Linear, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use measuring::{Arguments, CHANNELS, CLASSES, LEARNING_RATE, SIDE};

struct Plain8 {
    convolutions: Vec<Conv2d>,
    dense: Linear,
}

impl Plain8 {
    fn new(variables: VarBuilder) -> Result<Plain8> {
        let config = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let inputs = std::iter::once(3).chain(CHANNELS);
        let convolution = |(index, (from, to)): (usize, (usize, usize))| {
            candle_nn::conv2d(from, to, 3, config, variables.pp(format!("conv2d_{index}")))
        };
        Ok(Plain8 {
            convolutions: inputs.zip(CHANNELS).enumerate().map(convolution).collect::<Result<_>>()?,
            dense: candle_nn::linear(CHANNELS[7], CLASSES, variables.pp("dense"))?,
        })
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut value = images.clone();
        for (index, convolution) in self.convolutions.iter().enumerate() {
            value = convolution.forward(&value)?.relu()?;
            if index % 2 == 1 && index < 7 {
                value = value.max_pool2d(2)?;
            }
        }
        self.dense.forward(&value.mean((2, 3))?)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::read();
    let (device, batch) = (Device::Cpu, arguments.batch_size);
    let images = Tensor::from_vec(measuring::images(batch), (batch, 3, SIDE, SIDE), &device)?;
    let labels: Vec<u32> = measuring::labels(batch).map(|label| label as u32).collect();
    let labels = Tensor::from_vec(labels, batch, &device)?;
    let variables = VarMap::new();
    let network = Plain8::new(VarBuilder::from_varmap(&variables, DType::F32, &device))?;
    // AdamW without decay is Adam.
    let settings = ParamsAdamW { lr: LEARNING_RATE, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(variables.all_vars(), settings)?;
    let mut step = || -> Result<()> {
        let loss = candle_nn::loss::cross_entropy(&network.forward(&images)?, &labels)?;
        optimizer.backward_step(&loss)
    };
    let mut failed = Ok(());
    measuring::measure(&arguments, || {
        if failed.is_ok() {
            failed = step();
        }
    });
    failed
}
