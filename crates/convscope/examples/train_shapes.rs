//! Trains a small network on the built-in synthetic shapes and asks it about a test image.
//!
//! `cargo run --release --example train_shapes`

use convscope::data::{self, SourceOptions, Split, SplitCounts};
use convscope::train::metrics::EpochMetrics;
use convscope::train::run_dir::RunLocation;
use convscope::train::{Session, TrainConfig, TrainEvents, TrainedModel};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

struct Printer;

impl TrainEvents for Printer {
    fn epoch(&mut self, metrics: &EpochMetrics) {
        let EpochMetrics { epoch, train_loss, val_accuracy, .. } = metrics;
        eprintln!(
            "epoch {epoch}: training loss {train_loss:.3}, validation accuracy {:.1} %",
            val_accuracy * 100.0
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = SplitCounts { train: 2000, val: 500, test: 500 };
    let source = data::open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    let config = TrainConfig { model: "plain8-bn".to_string(), epochs: 4, ..TrainConfig::default() };
    let folder = std::env::temp_dir().join("convscope-example");

    let evaluation = convscope::pool(0)?.install(|| {
        let mut session = Session::start(config, Arc::clone(&source), &RunLocation::Numbered(folder))?;
        session.run(&AtomicBool::new(false), &mut Printer)?;
        let mut model = TrainedModel::open(session.run_dir().path(), 64)?;
        model.evaluate(source, Split::Test)
    })?;
    let summary =
        format!("test accuracy {:.1} % on {} images", evaluation.accuracy * 100.0, evaluation.images);
    eprintln!("{summary}");
    Ok(())
}
