//! Weights files: written, read and rejected.

use convscope_graph::{
    ArraysFile, DataDescription, Graph, InputDescription, KeyMap, ModelBuilder, Parameters, WeightsFile,
    preset,
};
use convscope_ops::{BatchNorm, Conv2d, Flatten, Linear};
use safetensors::tensor::{Dtype, TensorView};

fn weights() -> WeightsFile {
    let model = preset("plain8-bn", [3, 8, 8], 2).unwrap();
    let graph = Graph::new(model.clone()).unwrap();
    let mut parameters = Parameters::new(&graph, 5).unwrap();
    for tensor in
        parameters.tensors_mut().iter_mut().filter(|tensor| tensor.key.ends_with("num_batches_tracked"))
    {
        // A count that single precision cannot represent.
        tensor.batches = (1 << 24) + 1;
    }
    WeightsFile {
        model,
        classes: vec!["cat \"A\"".to_string(), "dog".to_string()],
        input: InputDescription {
            size: [8, 8],
            resize: "squash".into(),
            background: "white".into(),
            scale: 1.0 / 255.0,
            mean: vec![0.1, 0.2, 0.3],
            std: vec![0.4, 0.5, 0.6],
        },
        data: Some(DataDescription {
            digest: "12ab".to_string(),
            split_seed: u64::MAX,
            val_share: 0.1,
            test_share: 0.0,
            train_on_val: true,
        }),
        parameters,
    }
}

fn error(bytes: &[u8]) -> String {
    WeightsFile::from_bytes("w.safetensors", bytes).unwrap_err().to_string()
}

#[test]
fn a_file_reads_back_and_its_bytes_are_always_the_same() {
    let weights = weights();
    let bytes = weights.to_bytes();
    assert_eq!(WeightsFile::from_bytes("w", &bytes).unwrap(), weights);
    let unknown = WeightsFile { data: None, ..weights.clone() };
    assert_eq!(WeightsFile::from_bytes("w", &unknown.to_bytes()).unwrap(), unknown);
    // The metadata comes from a hash map whose order changes every time.
    assert!((0..20).all(|_| weights.to_bytes() == bytes));
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    assert!(error(b"\x89HDF\r\n\x1a\n").contains("was written by Keras, so it has arrays but no network"));
    let bytes = weights().to_bytes();
    for len in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(error(&bytes[..len]).contains("w.safetensors: is not a whole safetensors file"), "{len}");
    }
    let foreign = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    let foreign = [&(foreign.len() as u64).to_le_bytes(), &foreign[..], &[0; 4]].concat();
    assert!(error(&foreign).contains("has no 'convscope.model' in its metadata"));
}

#[test]
fn arrays_must_fit_the_model() {
    let mut weights = weights();
    weights.model = preset("plain8", [3, 8, 8], 2).unwrap();
    WeightsFile::from_bytes("w", &weights.to_bytes())
        .expect("the network without batch norm finds everything it needs");
    weights.model = preset("resnet8", [3, 8, 8], 2).unwrap();
    assert!(error(&weights.to_bytes()).contains("has no array 'stem.weight', which its model needs"));
    weights.model = preset("plain8-bn", [3, 8, 8], 3).unwrap();
    assert!(error(&weights.to_bytes()).contains("names 2 classes, but its model has 3"));
    weights.classes.push("bird".to_string());
    assert!(
        error(&weights.to_bytes())
            .contains("'dense.weight' has shape [2, 128], but its model needs [3, 128]")
    );
}

/// A file as another program would write it: keys of its own, several types, no metadata.
fn written_elsewhere(arrays: &[(&str, Dtype, &[usize], Vec<u8>)]) -> ArraysFile {
    let views = arrays
        .iter()
        .map(|(key, dtype, shape, bytes)| (*key, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    ArraysFile::from_bytes("foreign", safetensors::serialize(views, None).unwrap()).unwrap()
}

fn bytes<const N: usize>(values: &[f32], number: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| number(value)).collect()
}

#[test]
fn arrays_of_any_origin_are_loaded_by_their_keys() {
    let graph = Graph::new(
        ModelBuilder::new("small", [1, 1, 3])
            .add(Conv2d::new(2, 1))
            .named("features.0")
            .add(BatchNorm::default())
            .named("norm")
            .add(Flatten::default())
            .add(Linear { bias: false, ..Linear::new(2) })
            .named("head")
            .build()
            .unwrap(),
    )
    .unwrap();
    let single = |values: &[f32]| bytes(values, f32::to_le_bytes);
    let arrays = [
        (
            "conv.kernel",
            Dtype::BF16,
            &[2, 1, 1, 1][..],
            bytes(&[1.5, -2.0], |v| [v.to_le_bytes()[2], v.to_le_bytes()[3]]),
        ),
        ("features.0.bias", Dtype::F64, &[2], bytes(&[0.25, 3.0], |v| f64::from(v).to_le_bytes())),
        ("bn.weight", Dtype::F16, &[2], vec![0x00, 0x3c, 0x00, 0xc0]),
        ("bn.bias", Dtype::F32, &[2], single(&[5.0, 6.0])),
        ("bn.running_mean", Dtype::F32, &[2], single(&[7.0, 8.0])),
        ("bn.running_var", Dtype::F32, &[2], single(&[9.0, 10.0])),
        ("head.weight", Dtype::F32, &[2, 6], single(&[0.5; 12])),
        ("optimizer.step", Dtype::F32, &[], single(&[1.0])),
    ];
    let names = KeyMap::parse("# ours = theirs\nnorm = bn\nfeatures.0.weight = \"conv.kernel\"\n").unwrap();
    let loaded = written_elsewhere(&arrays).load(&graph, &names).unwrap();
    assert_eq!(loaded.surplus, ["optimizer.step"]);
    let values = |key: &str| loaded.parameters.get(key).unwrap().slice();
    assert_eq!(values("features.0.weight"), [1.5, -2.0]);
    assert_eq!(values("features.0.bias"), [0.25, 3.0]);
    assert_eq!(values("norm.weight"), [1.0, -2.0]);
    assert_eq!((values("norm.bias"), values("norm.running_mean")), (&[5.0, 6.0][..], &[7.0, 8.0][..]));
    // Files from before PyTorch 0.4 have no count.
    assert_eq!(loaded.parameters.get("norm.num_batches_tracked").unwrap().batches, 0);

    let message = written_elsewhere(&arrays[2..]).load(&graph, &KeyMap::default()).unwrap_err().to_string();
    assert_eq!(
        message,
        "foreign: 6 missing: features.0.weight, features.0.bias, norm.weight, norm.bias, norm.running_mean, \
         norm.running_var; 5 surplus: bn.bias, bn.running_mean, bn.running_var, bn.weight, optimizer.step"
    );
    let mut wide = arrays.clone();
    wide[6] = ("head.weight", Dtype::F32, &[6, 2], single(&[0.5; 12]));
    let message = written_elsewhere(&wide).load(&graph, &names).unwrap_err().to_string();
    assert!(message.contains("1 of another shape: head.weight [6, 2] for [2, 6]"), "{message}");
    wide[6] = ("head.weight", Dtype::U8, &[2, 6], vec![1; 12]);
    let message = written_elsewhere(&wide).load(&graph, &names).unwrap_err().to_string();
    assert!(message.contains("'head.weight' has type U8, which is not supported"), "{message}");
    assert!(ArraysFile::from_bytes("cut", vec![9, 0, 0]).is_err());
}

#[test]
fn shared_arrays_may_be_there_once_or_twice() {
    let model = ModelBuilder::new("twice", [2, 1, 1])
        .add(Conv2d { bias: false, ..Conv2d::new(2, 1) })
        .named("a")
        .add(Conv2d { bias: false, ..Conv2d::new(2, 1) })
        .named("b")
        .weights_of("a")
        .add(Flatten::default());
    let graph = Graph::new(model.build().unwrap()).unwrap();
    let array = |key, value: f32| (key, Dtype::F32, &[2, 2, 1, 1][..], bytes(&[value; 4], f32::to_le_bytes));
    for arrays in [vec![array("a.weight", 3.0)], vec![array("a.weight", 3.0), array("b.weight", 4.0)]] {
        let loaded = written_elsewhere(&arrays).load(&graph, &KeyMap::default()).unwrap();
        assert_eq!(loaded.surplus, [""; 0]);
        assert_eq!(loaded.parameters.tensors().len(), 1);
        assert_eq!(loaded.parameters.of_node(1)[0].slice(), [3.0; 4]);
    }
}

/// The network of `checkpoint.pth`, whose keys begin with `module.`.
fn of_checkpoint(out_channels: usize) -> Graph {
    let model = ModelBuilder::new("two", [2, 4, 4])
        .add(Conv2d::new(out_channels, [1, 2]))
        .named("0")
        .add(BatchNorm::default())
        .named("1")
        .add(Flatten::default());
    Graph::new(model.build().unwrap()).unwrap()
}

fn checkpoint() -> ArraysFile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../torch/tests/files/checkpoint.pth");
    ArraysFile::read(path.as_ref()).unwrap()
}

#[test]
fn a_checkpoint_of_pytorch_fits_without_the_prefix_of_its_keys() {
    let loaded = checkpoint().load(&of_checkpoint(3), &KeyMap::default()).unwrap();
    assert_eq!((loaded.surplus, loaded.kept), (vec![], vec![]));
    let weight = &loaded.parameters.get("0.weight").unwrap().values;
    assert_eq!(weight.shape(), [3, 2, 1, 2]);
    assert!(weight.iter().all(|value| value.abs() < 0.6 && *value != 0.0));
    assert_eq!(loaded.parameters.get("1.num_batches_tracked").unwrap().batches, 1);

    let renamed = KeyMap::parse("0 = 5").unwrap();
    let message = checkpoint().load(&of_checkpoint(3), &renamed).unwrap_err().to_string();
    assert!(
        message.contains("2 missing: 0.weight, 0.bias; 2 surplus: module.0.bias, module.0.weight"),
        "{message}"
    );
}

#[test]
fn a_part_of_the_arrays_leaves_the_others_as_they_were() {
    let graph = of_checkpoint(4);
    let message = checkpoint().load(&graph, &KeyMap::default()).unwrap_err().to_string();
    assert!(message.contains("0.weight [3, 2, 1, 2] for [4, 2, 1, 2], 0.bias [3] for [4]"), "{message}");
    let graph = {
        let model = ModelBuilder::new("wide", [2, 4, 4])
            .add(Conv2d::new(3, [1, 2]))
            .named("0")
            .add(BatchNorm::default())
            .named("1")
            .add(Flatten::default())
            .add(Linear::new(2))
            .named("head");
        Graph::new(model.build().unwrap()).unwrap()
    };
    let initial = Parameters::new(&graph, 8).unwrap();
    let loaded = checkpoint().load_part(&graph, &KeyMap::default(), &initial).unwrap();
    assert_eq!(loaded.kept, ["head.weight", "head.bias"]);
    let array = |parameters: &Parameters, key| parameters.get(key).unwrap().values.clone();
    assert_eq!(array(&loaded.parameters, "head.weight"), array(&initial, "head.weight"));
    assert_ne!(array(&loaded.parameters, "0.weight"), array(&initial, "0.weight"));
    let other = Graph::new(preset("plain8", [3, 8, 8], 2).unwrap()).unwrap();
    let initial = Parameters::new(&other, 8).unwrap();
    assert!(checkpoint().load_part(&other, &KeyMap::default(), &initial).is_err());
}
