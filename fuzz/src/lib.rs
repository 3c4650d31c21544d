//! Everything that reads untrusted bytes: a function for each kind of file that accepts arbitrary bytes.
//!
//! None may panic, and none may use much more memory than its file: they should return errors. `cargo xtask fuzz` lets
//! cargo-fuzz look for bytes that break this; `tests/corpora.rs` runs the [`seeds()`], earlier finds, and small changes
//! to both as an ordinary test.

mod seeds;

pub use seeds::{seeds, write_seeds};

use std::io::Cursor;
use std::path::Path;

use convscope_data::{Framing, ImageSize, PixelLimit, SourceOptions, decode_image, open};
use convscope_graph::{Graph, ModelFile, ModelSummary, WeightsFile};
use convscope_keras::KerasFile;
use convscope_onnx::{OnnxFile, OnnxOptions};
use convscope_torch::TorchFile;
use convscope_train::run_dir::DataRecord;
use convscope_train::{Checkpoint, PartialConfig, TrainConfig};
use convscope_tune::{Parameter, Pruning, Sampler, SearchPlan, Space, Study};
use convscope_verify::{Case, Tensor, Which};

/// A function that accepts arbitrary bytes.
pub type Target = fn(&[u8]);

/// Every target, with the name of its fuzzer and seed folder.
pub const TARGETS: [(&str, Target); 15] = [
    ("picture", picture),
    ("cifar", cifar),
    ("weights", weights),
    ("checkpoint", checkpoint),
    ("model", model),
    ("configuration", configuration),
    ("journal", journal),
    ("manifest", manifest),
    ("npy", npy),
    ("npz", npz),
    ("tensors", tensors),
    ("case", case),
    ("onnx", onnx),
    ("torch", torch),
    ("keras", keras),
];

/// A picture file of any supported format.
pub fn picture(bytes: &[u8]) {
    let limit = PixelLimit::new(1 << 20).expect("the limit is in range");
    in_folder(|folder| {
        let path = written(folder, "picture", bytes);
        let _ = decode_image(path, ImageSize { height: 5, width: 7 }, Framing::default(), limit);
    });
}

/// A data file of CIFAR-10, or of CIFAR-100 if the first byte is odd.
pub fn cifar(bytes: &[u8]) {
    let is_100 = bytes.first().is_some_and(|byte| byte % 2 == 1);
    let names: &[&str] = if is_100 {
        &["train.bin", "test.bin", "fine_label_names.txt"]
    } else {
        &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
            "batches.meta.txt",
        ]
    };
    in_folder(|folder| {
        names.iter().for_each(|name| {
            written(folder, name, bytes);
        });
        let _ = open(&folder.to_string_lossy(), &SourceOptions::default());
    });
}

/// A weights file.
pub fn weights(bytes: &[u8]) {
    if let Ok(weights) = WeightsFile::from_bytes("weights", bytes) {
        weights.to_bytes();
    }
}

/// An ONNX file.
pub fn onnx(bytes: &[u8]) {
    let Ok(file) = OnnxFile::from_bytes("net.onnx", bytes.to_vec()) else { return };
    let Ok(network) = file.network(&OnnxOptions::default()) else { return };
    let Ok(graph) = Graph::new(network.description().clone()) else { return };
    if graph.trained_parameters() < 1 << 20 {
        let _ = network.parameters(&graph);
    }
}

/// A file of `torch.save`, whose arrays are read as far as they are small.
pub fn torch(bytes: &[u8]) {
    let Ok(file) = TorchFile::from_bytes(bytes.to_vec()) else { return };
    for name in file.names() {
        let Some(tensor) = file.tensor(name) else { continue };
        // An array can repeat an element as often as its shape says.
        if tensor.shape().iter().product::<usize>() < 1 << 16 {
            let _ = file.values(tensor);
            file.integer(tensor);
        }
    }
}

/// A weights file of Keras.
pub fn keras(bytes: &[u8]) {
    let Ok(file) = KerasFile::from_bytes(bytes.to_vec()) else { return };
    for name in file.names() {
        let _ = file.values(name);
    }
}

/// A checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    in_folder(|folder| {
        let _ = Checkpoint::load(&written(folder, "checkpoint.safetensors", bytes), seeds::FINGERPRINT);
    });
}

/// A model file.
pub fn model(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(file) = ModelFile::parse("model.toml", &text) else { return };
    let Ok(description) = file.resolve(file.input().unwrap_or([3, 8, 6]), 4) else { return };
    description.to_toml();
    let Ok(graph) = Graph::new(description) else { return };
    // A network within the limits may still be large; planning it takes work, but is not a fault.
    let elements: usize = graph.nodes().iter().map(|node| node.shape.len()).sum();
    if elements < 1 << 16 && graph.trained_parameters() < 1 << 16 {
        let _ = ModelSummary::new(&graph);
    }
}

/// A configuration, and one setting as `key=value`.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some((key, value)) = text.split_once('=') {
        let _ = PartialConfig::setting(key.trim(), value.trim());
    }
    let _ = toml::from_str::<TrainConfig>(&text);
    let Ok(partial) = toml::from_str::<PartialConfig>(&text) else { return };
    if let Ok(config) = TrainConfig::default().merged(&partial) {
        let _ = config.to_toml();
    }
}

/// The journal of a search.
pub fn journal(bytes: &[u8]) {
    in_folder(|folder| {
        let path = written(folder, "journal.log", bytes);
        let parameter = Parameter::grid("lr=0.1,0.01").expect("the grid is well-formed");
        let plan = SearchPlan {
            space: Space::new(vec![parameter]).expect("one parameter is enough"),
            sampler: Sampler::Grid,
            seed: 1,
            pruning: Pruning::Off,
            base: TrainConfig::default(),
            data: None,
            model: None,
        };
        if let Ok(mut study) = Study::open(&path, "study", plan, &folder.join("workers"), |_| ()) {
            study.trials();
            let _ = study.claim();
        }
    });
}

/// A run's record of its images, `data.json`.
pub fn manifest(bytes: &[u8]) {
    in_folder(|folder| {
        let Ok(record) = DataRecord::read(&written(folder, "data.json", bytes)) else { return };
        record.trained_on();
        record.description();
        record.identity(&[]);
    });
}

/// A `.npy` file.
pub fn npy(bytes: &[u8]) {
    let _ = Tensor::read_npy(bytes, bytes.len() as u64);
}

/// A `.npz` file.
pub fn npz(bytes: &[u8]) {
    let _ = Tensor::read_npz(Cursor::new(bytes), Which::NamedOrOnly("input"));
}

/// A safetensors file of tensors for an operator.
pub fn tensors(bytes: &[u8]) {
    let _ = Tensor::read_safetensors(bytes, Which::NamedOrOnly("input"));
}

/// A case: an operator, its arguments and its tensors.
pub fn case(bytes: &[u8]) {
    if let Ok(case) = Case::read("case", bytes) {
        let _ = case.check();
    }
}

fn in_folder(work: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    work(folder.path());
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    path
}
