//! Data sets in memory, and the recorded networks with their running statistics after one step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{DataError, ImageSize, Source, Split};
use convscope_graph::{Graph, InputDescription, ModelFile, Parameters, WeightsFile};
use convscope_inspect::Inspector;
use convscope_ops::Role;
use safetensors::{Dtype, SafeTensors};

pub(crate) const MEAN: [f32; 3] = [0.5, 0.4, 0.3];
pub(crate) const STD: [f32; 3] = [0.25, 0.2, 0.3];

/// Images whose bytes come from the formula in `fixtures/layer_table.py`; only test images.
pub(crate) struct Formula {
    pub(crate) size: ImageSize,
    pub(crate) classes: Vec<String>,
    pub(crate) images: usize,
}

impl Formula {
    pub(crate) fn for_network(graph: &Graph, images: usize) -> Arc<dyn Source> {
        let [_, height, width] = graph.image();
        Arc::new(Formula { size: ImageSize { height, width }, classes: classes(graph), images })
    }
}

impl Source for Formula {
    fn name(&self) -> &str {
        "formula"
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn image_size(&self) -> ImageSize {
        self.size
    }

    fn len(&self, split: Split) -> usize {
        if split == Split::Test { self.images } else { 0 }
    }

    fn label(&self, _split: Split, index: usize) -> usize {
        index * 7 % self.classes.len()
    }

    fn read(&self, _split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let first = index * pixels.len();
        let byte = |at: usize| (((first + at) as u64 * 2_654_435_761) >> 13) as u8;
        pixels.iter_mut().enumerate().for_each(|(at, pixel)| *pixel = byte(at));
        Ok(())
    }
}

pub(crate) fn classes(graph: &Graph) -> Vec<String> {
    (0..graph.classes()).map(|class| format!("class {class}")).collect()
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

/// A recorded network with its running statistics after the step.
pub(crate) fn recorded(name: &str) -> WeightsFile {
    let text = std::fs::read_to_string(fixture(&format!("networks/{name}.toml"))).unwrap();
    let bytes = std::fs::read(fixture(&format!("networks/{name}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let file = ModelFile::parse(name, &text).unwrap();
    let model = file.resolve(file.input().unwrap(), 0).unwrap();
    let graph = Graph::new(model.clone()).unwrap();
    let mut parameters = Parameters::new(&graph, 0).unwrap();
    for tensor in parameters.tensors_mut().iter_mut().filter(|tensor| tensor.role != Role::BatchesTracked) {
        let when = if tensor.role.is_trained() { "parameter" } else { "after" };
        let recorded = tensors.tensor(&format!("{when}.{}", tensor.key)).unwrap();
        let numbers: Vec<f64> = match recorded.dtype() {
            Dtype::F32 => {
                recorded.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
            }
            _ => recorded.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        };
        assert_eq!(numbers.len(), tensor.values.len());
        tensor.slice_mut().iter_mut().zip(numbers).for_each(|(value, number)| *value = number as f32);
    }
    weights(model, parameters)
}

/// The weights file of a network with its classes and preprocessing.
pub(crate) fn weights(model: convscope_graph::ModelDescription, parameters: Parameters) -> WeightsFile {
    let graph = Graph::new(model.clone()).unwrap();
    let [_, height, width] = model.image().unwrap();
    let input = InputDescription {
        size: [height, width],
        resize: "squash".into(),
        background: "white".into(),
        scale: 1.0 / 255.0,
        mean: MEAN.to_vec(),
        std: STD.to_vec(),
    };
    WeightsFile { classes: classes(&graph), model, input, data: None, parameters }
}

/// A network from a model file's text, with fresh weights and plausible running statistics.
pub(crate) fn fresh(text: &str, input: [usize; 3], classes: usize) -> WeightsFile {
    let model = ModelFile::parse("net.toml", text).unwrap().resolve(input, classes).unwrap();
    let parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), 3).unwrap();
    weights(model, parameters)
}

/// Changes the array with this key.
pub(crate) fn with(mut weights: WeightsFile, key: &str, change: impl Fn(usize, &mut f32)) -> WeightsFile {
    let tensor = weights.parameters.tensors_mut().iter_mut().find(|tensor| tensor.key == key).unwrap();
    assert!(tensor.role != Role::BatchesTracked);
    tensor.slice_mut().iter_mut().enumerate().for_each(|(index, value)| change(index, value));
    weights
}

pub(crate) fn inspector(weights: WeightsFile) -> Inspector {
    Inspector::new(weights).unwrap()
}
