//! Small files to start from: for each target, valid ones and ones that claim more than they contain.

use std::io::Cursor;
use std::path::Path;

use convscope_data::{Normalization, SourceOptions, open};
use convscope_graph::{Graph, InputDescription, ModelFile, Parameters, WeightsFile, preset};
use convscope_testkit::hostile;
use convscope_train::run_dir::DataRecord;
use convscope_train::{Checkpoint, TrainConfig};
use image::{DynamicImage, ImageFormat, RgbImage, Rgba, RgbaImage};
use ndarray::{Array1, Array4};
use ndarray_npy::{NpzWriter, WriteNpyExt};

/// The fingerprint of the checkpoints among the seeds.
pub(crate) const FINGERPRINT: &str = "net";

/// The seeds of the target with this name.
///
/// # Panics
/// There is no such target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "picture" => pictures(),
        "cifar" => vec![records(1), records(2), b"red\ngreen\nblue\n".to_vec()],
        "weights" => weights(),
        "checkpoint" => vec![checkpoint()],
        "model" => models(),
        "configuration" => configurations(),
        "journal" => journals(),
        "manifest" => vec![manifest()],
        "npy" => arrays(),
        "npz" => vec![archive(), b"PK\x05\x06".iter().copied().chain([0; 18]).collect()],
        "tensors" => tensor_files(),
        "case" => cases(),
        "onnx" => vec![include_bytes!("../../crates/onnx/tests/recorded/small.onnx").to_vec()],
        "torch" => torch_files(),
        "keras" => vec![
            include_bytes!("../../crates/keras/tests/files/network.weights.h5").to_vec(),
            include_bytes!("../../crates/keras/tests/files/model.h5").to_vec(),
        ],
        other => panic!("no target is called {other}"),
    }
}

/// Writes the seeds of every target to `folder/<target>/seed-<number>`.
///
/// # Errors
/// A file or folder that cannot be written.
pub fn write_seeds(folder: &Path) -> std::io::Result<()> {
    for (target, _) in crate::TARGETS {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

/// Files of both forms, with arrays of every type, and a checkpoint with other things beside them.
fn torch_files() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../crates/torch/tests/files/archive.pth").to_vec(),
        include_bytes!("../../crates/torch/tests/files/old.pth").to_vec(),
        include_bytes!("../../crates/torch/tests/files/old_protocol4.pth").to_vec(),
        include_bytes!("../../crates/torch/tests/files/checkpoint.pth").to_vec(),
    ]
}

fn pictures() -> Vec<Vec<u8>> {
    let rgb = DynamicImage::from(RgbImage::from_fn(9, 6, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 7])));
    let rgba = DynamicImage::from(RgbaImage::from_pixel(4, 5, Rgba([9, 8, 7, 100])));
    let encoded = |image: &DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, format).expect("a small picture can be encoded");
        file.into_inner()
    };
    vec![
        encoded(&rgb, ImageFormat::Png),
        encoded(&rgb, ImageFormat::Jpeg),
        encoded(&rgb, ImageFormat::WebP),
        encoded(&rgb, ImageFormat::Bmp),
        encoded(&rgba, ImageFormat::Png),
        encoded(&DynamicImage::from(rgb.to_luma16()), ImageFormat::Png),
        hostile::png(100_000, 100_000, 8, 2),
        hostile::jpeg(50_000, 50_000),
        hostile::webp(16_384, 16_384, 16_383),
        hostile::webp(16, 16, 16),
        hostile::bmp(30_000, -30_000),
    ]
}

/// Two records with this label.
fn records(label: u8) -> Vec<u8> {
    let record: Vec<u8> = [label].into_iter().chain((0..3072).map(|at| at as u8)).collect();
    record.repeat(2)
}

const MODEL: &str = "name = 'net'\n[[node]]\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\npadding = 1\n\
    activation = 'relu'\n[[node]]\nop = 'batch_norm'\n[[node]]\nop = 'max_pool2d'\nkernel_size = 2\n\
    [[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n";

fn weights() -> Vec<Vec<u8>> {
    let file = ModelFile::parse("net.toml", MODEL).expect("the model is well-formed");
    let model = file.resolve([3, 8, 6], 2).expect("the model fits");
    let parameters = Parameters::new(&Graph::new(model.clone()).expect("the model fits"), 1);
    let parameters = parameters.expect("the model is small");
    let input = InputDescription {
        size: [8, 6],
        resize: "squash".into(),
        background: "white".into(),
        scale: 1.0 / 255.0,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    };
    let sound = WeightsFile { model, classes: vec!["a".into(), "b".into()], input, data: None, parameters };
    let sound = sound.to_bytes();
    let mut wide = sound.clone();
    if let Some(at) = wide.windows(16).position(|bytes| bytes == b"out_channels = 4") {
        wide[at + 15] = b'9';
    }
    vec![sound, wide]
}

fn checkpoint() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("checkpoint.safetensors");
    let mut checkpoint = Checkpoint::new();
    checkpoint.insert("weights", vec![0.5_f32, 2.0]);
    checkpoint.insert("steps", vec![7_u64]);
    checkpoint.set_value(&("epoch", 3)).expect("plain data is JSON");
    checkpoint.save(&path, FINGERPRINT).expect("the temporary folder can be written");
    std::fs::read(path).expect("the file was written")
}

fn models() -> Vec<Vec<u8>> {
    let end = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 4\n";
    let mut all = vec![
        MODEL.to_owned(),
        format!("name = 'x'\ninput = [3, 6148914691236517206, 1]\n[[node]]\nop = 'relu'\n{end}"),
        format!("name = 'x'\nwidth = 2.5\ninitializer = 'he_normal'\n{end}"),
        format!(
            "name = 'x'\n[[node]]\nop = 'conv_transpose2d'\nout_channels = 4\nkernel_size = [3, 2]\nstride = 2\n\
             output_padding = [1, 0]\n[[node]]\nname = 'a'\nop = 'adaptive_avg_pool2d'\noutput_size = [3, 'none']\n\
             [[node]]\nop = 'avg_pool2d'\nkernel_size = 2\nceil_mode = true\ninputs = ['a']\n\
             [[node]]\nop = 'dropout'\np = 0.5\n{end}"
        ),
        format!("name = 'x'\n[[node]]\nop = 'concat'\ninputs = ['input', 'input']\n{end}"),
    ];
    all.extend(
        ["plain8", "resnet8"]
            .map(|name| preset(name, [3, 8, 6], 4).map(|model| model.to_toml()).unwrap_or_default()),
    );
    all.into_iter().map(String::into_bytes).collect()
}

fn configurations() -> Vec<Vec<u8>> {
    let whole = TrainConfig::default().to_toml().expect("the default is valid");
    let part = "epochs = 3\naugment = 'flip,shift=0.1,fill=nearest'\n[optimizer]\nname = 'sgd'\nmomentum = 0.9\n\
                [schedule]\nname = 'cosine'\nwarmup_epochs = 1.5\n[data]\nmax_pixels = 5\n[model_options]\nwidth = 2\n";
    [whole.as_str(), part, "model.dropout.p=0.25", "batch-size=64"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

fn journals() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"op_code": 0, "worker_id": "w", "study_name": "study", "directions": [2]}"#,
        r#"{"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"convscope": {}}}"#,
        r#"{"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2025-01-01T00:00:00.000000"}"#,
        r#"{"op_code": 6, "worker_id": "w", "trial_id": 0, "state": 1, "values": [0.5]}"#,
    ];
    vec![
        lines.map(|line| format!("{line}\n")).concat().into_bytes(),
        lines[0].as_bytes().to_vec(),
        Vec::new(),
    ]
}

/// The record of a small image folder.
fn manifest() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for class in ["a", "b"] {
        let class = folder.path().join("images").join(class);
        std::fs::create_dir_all(&class).expect("the temporary folder can be written");
        for (number, picture) in pictures().iter().take(4).enumerate() {
            std::fs::write(class.join(format!("{number}.png")), picture)
                .expect("the temporary folder can be written");
        }
    }
    let images = folder.path().join("images");
    let source = open(&images.to_string_lossy(), &SourceOptions::default()).expect("the folder is sound");
    let record = DataRecord::new(&TrainConfig::default(), &*source, &Normalization::unit(3), folder.path());
    serde_json::to_vec(&record).expect("a record is JSON")
}

fn arrays() -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    Array4::<f32>::ones((1, 2, 3, 4)).write_npy(&mut whole).expect("a vector can be written");
    let mut numbers = Vec::new();
    Array1::from(vec![7_i64, -1]).write_npy(&mut numbers).expect("a vector can be written");
    vec![
        whole,
        numbers,
        hostile::npy("(1099511627776,)", &[]),
        hostile::npy("(0, 4611686018427387904, 8)", &[]),
        hostile::npy(&"(".repeat(200), &[]),
    ]
}

fn archive() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut npz = NpzWriter::new_compressed(&mut file);
    npz.add_array("input", &Array1::from(vec![1.0_f32; 40])).expect("a vector can be written");
    npz.finish().expect("a vector can be written");
    file.into_inner()
}

fn tensor_files() -> Vec<Vec<u8>> {
    let header = |shape: &str| format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[0,8]}}}}"#);
    vec![
        hostile::safetensors(&header("[1,2]"), &[0; 8]),
        hostile::safetensors(&header("[0,4611686018427387904,8]"), &[0; 8]),
    ]
}

fn cases() -> Vec<Vec<u8>> {
    let case = |op: &str, arguments: serde_json::Value, tensors: &[(&str, &[usize])]| {
        let mut header = serde_json::json!({"__metadata__": {
            "format": "convscope-case-1", "op": op, "args": arguments.to_string(),
        }});
        let mut data: Vec<u8> = Vec::new();
        for (name, shape) in tensors {
            let start = data.len();
            data.extend(0.5_f32.to_le_bytes().repeat(shape.iter().product()));
            let offsets = [start, data.len()];
            header[*name] = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        }
        hostile::safetensors(&header.to_string(), &data)
    };
    let image: &[usize] = &[1, 2, 3, 4];
    let none = || serde_json::json!({});
    vec![
        case("relu", none(), &[("input", image), ("expect.output", image)]),
        case(
            "conv2d",
            serde_json::json!({"padding": [1, 16_777_216], "stride": 2}),
            &[("input", image), ("weight", &[3, 2, 2, 2]), ("expect.output", &[1])],
        ),
        case(
            "conv2d",
            serde_json::json!({"padding": [1, 0], "dilation": [1, 2]}),
            &[("input", image), ("weight", &[3, 2, 2, 2]), ("bias", &[3]), ("expect.output", &[1, 3, 4, 2])],
        ),
        case(
            "max_pool2d",
            serde_json::json!({"kernel_size": 2, "ceil_mode": true}),
            &[("input", image), ("expect.output", &[1, 2, 2, 2]), ("grad_output", &[1, 2, 2, 2])],
        ),
        case(
            "roi_align",
            serde_json::json!({"output_size": [2, 1], "sampling_ratio": 2}),
            &[("input", image), ("boxes", &[1, 5]), ("expect.output", &[1, 2, 2, 1])],
        ),
    ]
}
