//! Brings an operator of your own, `swish`, trains a network with it, and looks inside.
//!
//! `cargo run --release --example own_operator`

use std::error::Error;

use convscope::ops::{Backward, BindOptions, Bound, Forward, Layer, OpError, Reads, Shape, register};
use convscope::prelude::*;
use serde::{Deserialize, Serialize};

/// `x * sigmoid(beta * x)`: Ramachandran, Zoph and Le, "Searching for activation functions", 2017.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Swish {
    beta: f32,
}

impl Layer for Swish {
    fn name() -> &'static str {
        "swish"
    }

    fn keras_name(&self) -> &'static str {
        "swish"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        match inputs {
            [input] => Ok(*input),
            _ => Err(OpError::shape("swish", format!("takes one input, not {}", inputs.len()))),
        }
    }

    fn bind(&self, _inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(*self)
    }
}

impl Bound for Swish {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        for (y, x) in call.output.iter_mut().zip(call.inputs.get(0)) {
            *y = x / (1.0 + (-self.beta * x).exp());
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        for ((d, x), d_output) in d_input.iter_mut().zip(call.inputs.get(0)).zip(call.d_output) {
            let sigmoid = 1.0 / (1.0 + (-self.beta * x).exp());
            *d = d_output * sigmoid * (1.0 + self.beta * x * (1.0 - sigmoid));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Without this line the weights that are written below could not be read again.
    register::<Swish>()?;
    let shapes = SplitCounts { train: 1000, val: 200, test: 200 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;

    let conv = |channels| Conv2d { padding: 1.into(), stride: 2.into(), ..Conv2d::new(channels, 3) };
    let network = ModelBuilder::new("swished", [3, 32, 32])
        .add(conv(16))
        .add(Swish { beta: 1.0 })
        .named("features/first swish")
        .add(conv(32))
        .add(Swish { beta: 1.5 })
        .add(Flatten::default())
        .add(Linear::new(10))
        .activation(Activation::Softmax)
        .build()?;

    let config = TrainConfig { epochs: 12, batch_size: 16, lr: 0.003, ..TrainConfig::default() };
    let mut session = Session::with_model(config, network, Arc::clone(&source))?;
    let outcome = session.train()?;
    println!("test accuracy {:.1} %", outcome.test.map_or(0.0, |test| test.accuracy * 100.0));

    let path = std::env::temp_dir().join("swished.safetensors");
    session.model()?.save(&path)?;
    let survey = Inspector::open(&path)?.survey(source, SurveyOptions::default(), &mut |_| {})?;
    for row in &survey.layers.rows {
        println!("{} ({}): mean |activation| {:.3}", row.name, row.kind, row.mean_abs_activation);
    }
    Ok(())
}
