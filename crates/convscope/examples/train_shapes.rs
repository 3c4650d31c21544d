//! Trains a small network on the built-in synthetic shapes into a run directory, and evaluates it on the test images.
//!
//! `cargo run --release --example train_shapes`

use std::error::Error;
use std::sync::atomic::AtomicBool;

use convscope::data::{self, SourceOptions, SplitCounts};
use convscope::train::run_dir::RunLocation;
use convscope::train::sink::ProgressSink;
use convscope::train::{Session, TrainConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = SplitCounts { train: 2000, val: 500, test: 500 };
    let source = data::open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    let config = TrainConfig { model: "plain8-bn".to_string(), epochs: 4, ..TrainConfig::default() };
    let folder = std::env::temp_dir().join("convscope-example");

    let mut session = Session::start(config, source, &RunLocation::Numbered(folder))?;
    let outcome = session.run(&AtomicBool::new(false), &mut ProgressSink::new(std::io::stderr()))?;
    if let Some(test) = outcome.test {
        println!("test accuracy {:.1} % on {} images", test.accuracy * 100.0, test.images);
    }
    Ok(())
}
