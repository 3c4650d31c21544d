//! `cargo xtask hashes FILE...`: whether two weights files have the same arrays.

use std::fs;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

/// Prints the SHA-256 of the names, types, shapes and bytes of all arrays in each file, in the order of the names. The
/// metadata is ignored.
pub(crate) fn run(files: &[&str]) -> Result<(), String> {
    if files.is_empty() {
        return Err("cargo xtask hashes FILE...: name some weights files".to_owned());
    }
    for file in files {
        let bytes = fs::read(file).map_err(|error| format!("{file}: cannot be read: {error}"))?;
        println!("{}  {file}", hash(&bytes).map_err(|problem| format!("{file}: {problem}"))?);
    }
    Ok(())
}

fn hash(bytes: &[u8]) -> Result<String, String> {
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|error| format!("is not a safetensors file: {error}"))?;
    let mut tensors = tensors.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut digest = Sha256::new();
    for (name, tensor) in tensors {
        digest.update(format!("{name}\0{:?}\0{:?}\0", tensor.dtype(), tensor.shape()));
        digest.update(tensor.data());
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, TensorView, serialize};
    use std::collections::HashMap;

    fn file(names: [&str; 2], shape: &[usize], first: u8, note: &str) -> Vec<u8> {
        let data = [first, 0, 0, 0, 1, 0, 0, 0];
        let view = || TensorView::new(Dtype::F32, shape.to_vec(), &data).unwrap();
        let metadata = HashMap::from([("note".to_owned(), note.to_owned())]);
        serialize(names.map(|name| (name, view())), Some(metadata)).unwrap()
    }

    #[test]
    fn names_shapes_and_bytes_count_and_metadata_do_not() {
        let one = hash(&file(["a", "b"], &[2], 0, "x")).unwrap();
        assert_eq!(one, hash(&file(["b", "a"], &[2], 0, "y")).unwrap());
        for other in [
            file(["a", "c"], &[2], 0, "x"),
            file(["a", "b"], &[2, 1], 0, "x"),
            file(["a", "b"], &[2], 1, "x"),
        ] {
            assert_ne!(one, hash(&other).unwrap());
        }
        assert!(hash(b"nothing").unwrap_err().starts_with("is not a safetensors file"));
    }
}
