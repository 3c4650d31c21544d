//! Trains a network of your own on the built-in pictures, in memory, and saves it.
//!
//! `cargo run --release --example own_network`

use std::error::Error;

use convscope::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = SplitCounts { train: 1000, val: 200, test: 200 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;

    let conv = |channels| Conv2d { padding: 1.into(), ..Conv2d::new(channels, 3) };
    let network = ModelBuilder::new("own", [3, 32, 32])
        .add(conv(16))
        .activation(Activation::Relu)
        .add(MaxPool2d::new(2))
        .named("half")
        .add(conv(16))
        .activation(Activation::Relu)
        .named("branch")
        .add(Concat::default())
        .inputs(["half", "branch"])
        .add(AdaptiveAvgPool2d::new(4))
        .add(Flatten::default())
        .add(Linear::new(10))
        .build()?;

    let config = TrainConfig { epochs: 8, batch_size: 16, lr: 0.02, ..TrainConfig::default() };
    let mut session = Session::with_model(config, network, source)?;
    let outcome = session.run(&AtomicBool::new(false), &mut ProgressSink::new(std::io::stderr()))?;
    println!("test accuracy {:.1} %", outcome.test.map_or(0.0, |test| test.accuracy * 100.0));

    session.model()?.save(&std::env::temp_dir().join("own.safetensors"))?;
    Ok(())
}
