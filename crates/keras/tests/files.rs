//! Files that Keras wrote, and damaged ones. `fixtures/keras_weights.py` writes the first.

use convscope_keras::{KerasError, KerasFile};

const WEIGHTS: &[u8] = include_bytes!("files/network.weights.h5");
const MODEL: &[u8] = include_bytes!("files/model.h5");

fn read(bytes: &[u8]) -> Result<KerasFile, KerasError> {
    KerasFile::from_bytes(bytes.to_vec())
}

#[test]
fn arrays_have_the_names_of_layers_in_both_forms() {
    let expected = [
        ("batch_normalization.bias", &[4][..]),
        ("batch_normalization.running_mean", &[4]),
        ("batch_normalization.running_var", &[4]),
        ("batch_normalization.weight", &[4]),
        ("each.bias", &[8]),
        ("each.weight", &[2, 3, 4, 2]),
        ("flat.bias", &[36]),
        ("flat.running_mean", &[36]),
        ("flat.running_var", &[36]),
        ("flat.weight", &[36]),
        ("head.bias", &[4]),
        ("head.weight", &[36, 4]),
        ("stem.bias", &[4]),
        ("stem.weight", &[3, 2, 3, 4]),
        ("up.weight", &[2, 3, 3, 8]),
        ("wide.bias", &[36]),
        ("wide.weight", &[36, 36]),
    ];
    let recorded: serde_json::Value = serde_json::from_str(include_str!("files/network.json")).unwrap();
    for bytes in [WEIGHTS, MODEL] {
        let file = read(bytes).unwrap();
        let found: Vec<_> = file.names().map(|name| (name, file.shape(name).unwrap())).collect();
        assert_eq!(found, expected);
        for (ours, theirs) in [
            ("stem.weight", "stem/kernel"),
            ("flat.running_var", "flat/moving_variance"),
            ("up.weight", "up/kernel"),
            ("batch_normalization.bias", "batch_normalization/beta"),
        ] {
            let values = recorded["arrays"][theirs].as_array().unwrap();
            let values: Vec<f32> = values.iter().map(|value| value.as_f64().unwrap() as f32).collect();
            assert_eq!(file.values(ours).unwrap().unwrap(), values, "{ours}");
        }
        assert!(file.values("stem.kernel").unwrap().is_none());
    }
}

#[test]
fn damaged_and_other_files_are_errors() {
    for bytes in [WEIGHTS, MODEL] {
        for end in [0, 7, 8, 100, 1000, bytes.len() / 2] {
            assert!(matches!(read(&bytes[..end]), Err(KerasError::Hdf5(_))), "{end}");
        }
    }
    assert!(!KerasFile::is_hdf5(b"PK\x03\x04"));
    assert!(KerasFile::is_hdf5(WEIGHTS));
}

/// Arrays that claim more than the file has; every byte that can be a size is made larger in turn.
#[test]
fn an_array_is_never_larger_than_its_file() {
    for bytes in [WEIGHTS, MODEL] {
        let mut refused = 0;
        // 36 occurs as the size of axes; a shift makes it far larger than the file.
        let places: Vec<usize> =
            (0..bytes.len() - 8).filter(|&at| bytes[at..at + 8] == 36u64.to_le_bytes()).collect();
        assert!(!places.is_empty());
        for at in places {
            let mut changed = bytes.to_vec();
            changed[at + 5] = 0x40;
            match read(&changed) {
                Err(KerasError::Truncated { shape, .. }) => {
                    assert!(shape.contains(&(36 | 0x40 << 40)), "{shape:?}");
                    refused += 1;
                }
                Err(_) => {}
                Ok(file) => {
                    for name in file.names() {
                        assert!(file.shape(name).unwrap().iter().product::<usize>() < bytes.len());
                    }
                }
            }
        }
        assert!(refused > 3, "{refused}");
    }
}
