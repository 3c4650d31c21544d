//! Files that PyTorch wrote.

use std::path::Path;

use convscope_torch::{Form, TorchError, TorchFile};
use serde_json::Value;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)).unwrap()
}

fn recorded(which: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let answers: Value = serde_json::from_slice(&bytes("arrays.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let arrays = answers[which].as_object().unwrap().iter().map(|(key, array)| {
        let shape = numbers(&array["shape"]).into_iter().map(|axis| axis as usize).collect();
        (key.clone(), shape, numbers(&array["values"]).into_iter().map(|value| value as f32).collect())
    });
    arrays.collect()
}

fn check(file: &TorchFile, which: &str) {
    let expected = recorded(which);
    assert_eq!(file.names().count(), expected.len());
    for (name, shape, values) in expected {
        let tensor = file.tensor(&name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(tensor.shape(), shape, "{name}");
        assert_eq!(file.values(tensor).unwrap(), values, "{name}");
    }
}

#[test]
fn arrays_of_every_type_and_layout_are_those_of_pytorch() {
    for (name, form) in [
        ("archive.pth", Form::Archive),
        ("protocol4.pth", Form::Archive),
        ("protocol5.pth", Form::Archive),
        ("old.pth", Form::Old),
        ("old_protocol4.pth", Form::Old),
    ] {
        let bytes = bytes(name);
        assert_eq!(Form::of(&bytes), Some(form), "{name}");
        let file = TorchFile::from_bytes(bytes).unwrap_or_else(|error| panic!("{name} {error}"));
        check(&file, "arrays");
        assert_eq!(file.integer(file.tensor("tracked").unwrap()), Some(17));
        assert_eq!(file.integer(file.tensor("int64").unwrap()), None);
    }
}

#[test]
fn a_checkpoint_gives_the_arrays_of_its_state_dictionary() {
    check(&TorchFile::from_bytes(bytes("checkpoint.pth")).unwrap(), "checkpoint");
}

#[test]
fn what_is_not_a_dictionary_of_arrays_is_named() {
    let error = |name: &str| TorchFile::from_bytes(bytes(name)).unwrap_err();
    assert!(
        matches!(error("module.pth"), TorchError::Global(name) if name == "torch.nn.modules.container.Sequential")
    );
    assert!(matches!(error("script.pt"), TorchError::Script));
    assert!(matches!(error("arrays.json"), TorchError::OtherFormat));
}

#[test]
fn a_file_that_ends_early_is_an_error_wherever_it_ends() {
    for name in ["archive.pth", "old.pth", "old_protocol4.pth", "checkpoint.pth"] {
        let whole = bytes(name);
        for length in 0..whole.len() {
            assert!(TorchFile::from_bytes(whole[..length].to_vec()).is_err(), "{name} of {length} bytes");
        }
    }
}

#[test]
fn no_changed_byte_leads_outside_the_file() {
    for name in ["archive.pth", "old.pth", "checkpoint.pth"] {
        let whole = bytes(name);
        for place in 0..whole.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[place] ^= change;
                if let Ok(file) = TorchFile::from_bytes(changed) {
                    for name in file.names() {
                        let tensor = file.tensor(name).unwrap();
                        if tensor.shape().iter().product::<usize>() < 10_000 {
                            assert!(file.values(tensor).is_ok());
                        }
                    }
                }
            }
        }
    }
}
