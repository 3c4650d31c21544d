//! Whole runs against PyTorch: the loss of every step and the weights at the end, as recorded by
//! `fixtures/training.py`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use convscope_data::{DataError, ImageSize, Normalization, Normalize, Source, Split};
use convscope_graph::{Graph, InputDescription, Parameters, WeightsFile, preset};
use convscope_ops::Role;
use convscope_train::metrics::EpochMetrics;
use convscope_train::recipes::recipe;
use convscope_train::run_dir::RunLocation;
use convscope_train::sink::{RunState, Sink, SinkResult};
use convscope_train::{BatchEvent, PartialConfig, Session, TrainConfig};
use serde::Deserialize;

/// Rounding grows from step to step, and differently wherever sums are taken in a different order; a number's error may
/// be this many times that of PyTorch's own float32.
const LEEWAY: f64 = 10.0;

/// Lower bound on the error of PyTorch's float32 that is assumed.
const LEAST_ERROR: f64 = 1e-6;

#[derive(Deserialize)]
struct Answers {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: String,
    recipe: String,
    /// Teachers are untrained networks with batch norm.
    teacher_seeds: Vec<u64>,
    config: PartialConfig,
    train_loss: Vec<Recorded>,
    val_loss: Vec<Recorded>,
    norms: BTreeMap<String, Recorded>,
    sums: BTreeMap<String, Recorded>,
}

/// A number in float64 and the error of PyTorch's float32.
#[derive(Clone, Copy, Deserialize)]
struct Recorded(f64, f64);

/// Striped pictures, which the script also generates.
struct Stripes {
    classes: Vec<String>,
}

impl Stripes {
    const SIZE: ImageSize = ImageSize { height: 12, width: 20 };

    fn number(split: Split, index: usize) -> u32 {
        index as u32 + if split == Split::Train { 0 } else { 1000 }
    }
}

impl Source for Stripes {
    fn name(&self) -> &str {
        "stripes"
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn image_size(&self) -> ImageSize {
        Self::SIZE
    }

    fn len(&self, split: Split) -> usize {
        match split {
            Split::Train => 280,
            Split::Val => 30,
            Split::Test => 0,
        }
    }

    fn label(&self, split: Split, index: usize) -> usize {
        let number = Self::number(split, index) as usize;
        number * number % 11 % self.classes.len()
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let number = Self::number(split, index);
        let label = self.label(split, index) as u32;
        let slope = self.classes.len() as u32 - label;
        for (place, byte) in pixels.iter_mut().enumerate() {
            let (pixel, channel) = (place as u32 / 3, place as u32 % 3);
            let (y, x) = (pixel / Self::SIZE.width as u32, pixel % Self::SIZE.width as u32);
            let noise = number.wrapping_mul(747796405).wrapping_add(channel.wrapping_mul(277803737));
            let noise = noise.wrapping_add(y.wrapping_mul(1640531527)).wrapping_add(x);
            let noise = noise.wrapping_mul(2654435769);
            let noise = (noise ^ (noise >> 15)).wrapping_mul(739798189);
            let stripes = (x * (label + 1) + y * slope + channel * label + number) * 16 % 256;
            *byte = ((stripes * 2 + (noise >> 24)) / 3) as u8;
        }
        Ok(())
    }
}

/// Records the losses of a run.
#[derive(Default)]
struct Losses {
    train: Vec<f64>,
    val: Vec<f64>,
}

impl Sink for Losses {
    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        self.train.push(event.loss);
        Ok(())
    }

    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        self.val.push(metrics.val_loss);
        Ok(())
    }
}

#[test]
fn trains_as_pytorch_does_from_the_same_weights_on_the_same_batches() {
    let answers: Answers =
        serde_json::from_str(include_str!("../../../fixtures/training.json")).expect("the answers parse");
    assert_eq!(answers.runs.len(), 8);
    for run in &answers.runs {
        let (losses, weights) = train(run);
        check(&format!("{}: training loss", run.name), &losses.train, &run.train_loss);
        check(&format!("{}: validation loss", run.name), &losses.val, &run.val_loss);
        for tensor in weights.tensors() {
            let count = (tensor.role == Role::BatchesTracked).then_some(tensor.batches as f64);
            let values = || tensor.slice().iter().map(|&value| f64::from(value)).chain(count);
            let norm = values().map(|value| value * value).sum::<f64>().sqrt();
            let sum = values().enumerate().map(|(index, value)| value * (index as f64).cos()).sum::<f64>();
            let key = &tensor.key;
            check(&format!("{}: norm of {key}", run.name), &[norm], &[run.norms[key]]);
            check(&format!("{}: sum of {key}", run.name), &[sum], &[run.sums[key]]);
        }
        assert_eq!(weights.tensors().len(), run.norms.len());
    }
}

/// Trains in a temporary folder.
fn train(run: &Run) -> (Losses, Parameters) {
    let config = TrainConfig::default().merged(&recipe(&run.recipe).unwrap()).unwrap();
    let mut config = config.merged(&run.config).unwrap();
    let source = Stripes { classes: ["a", "b", "c", "d", "e"].map(String::from).to_vec() };
    let folder = tempfile::tempdir().unwrap();
    for &seed in &run.teacher_seeds {
        let path = folder.path().join(format!("{seed}.safetensors"));
        std::fs::write(&path, teacher(seed, &source).to_bytes()).unwrap();
        config.teachers.push(path.to_string_lossy().into_owned());
    }
    let location = RunLocation::Exact(folder.path().join("run"));
    let mut session = Session::start(config, Arc::new(source), &location).unwrap();
    let mut losses = Losses::default();
    session.run(&AtomicBool::new(false), &mut losses).unwrap();
    let weights = WeightsFile::read(&session.run_dir().unwrap().last_weights_path()).unwrap();
    (losses, weights.parameters)
}

/// An untrained network.
fn teacher(seed: u64, source: &Stripes) -> WeightsFile {
    let Normalization { mean, std } = Normalize::Standard.fit(source).unwrap();
    let (height, width) = (Stripes::SIZE.height, Stripes::SIZE.width);
    let model = preset("plain8-bn", [3, height, width], source.classes.len()).unwrap();
    let parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), seed).unwrap();
    let input = InputDescription {
        size: [height, width],
        resize: "squash".into(),
        background: "white".into(),
        scale: 1.0 / 255.0,
        mean,
        std,
    };
    WeightsFile { model, classes: source.classes.clone(), input, data: None, parameters }
}

/// Compares numbers in order; an error that was allowed once remains allowed.
fn check(what: &str, ours: &[f64], theirs: &[Recorded]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut allowed = LEAST_ERROR;
    for (place, (ours, &Recorded(exact, error))) in ours.iter().zip(theirs).enumerate() {
        allowed = error.max(allowed);
        let off = (ours - exact).abs();
        assert!(
            off <= LEEWAY * allowed * exact.abs().max(1.0),
            "{what}, number {place}: {ours}, not {exact}: off by {off:.1e}, PyTorch's float32 by {error:.1e}"
        );
    }
}
