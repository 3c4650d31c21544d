//! Weights files: written, read and rejected.

use convscope_graph::{DataDescription, Graph, InputDescription, Parameters, WeightsFile, preset};

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
