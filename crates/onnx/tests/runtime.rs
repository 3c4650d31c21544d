//! The nodes of exported presets in onnxruntime.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use convscope_graph::{
    Executor, Graph, InputDescription, Observation, Observer, Parameters, ValueId, WeightsFile, preset,
};
use convscope_onnx::export::{ExportOptions, export};
use convscope_ops::{Mode, Role};
use convscope_testkit::random;
use ndarray::Array4;

const BATCH: usize = 2;

/// The value of each node, in PyTorch's order of axes.
struct Values(Mutex<Vec<Vec<f32>>>);

impl Observer for Values {
    fn observe(&self, seen: &Observation<'_>) {
        let len = seen.shape.len();
        let mut planes = vec![0.0; seen.values.len()];
        convscope_kernels::layout::to_planes(seen.values, seen.shape.channels(), len, &mut planes);
        let node = &mut self.0.lock().unwrap()[seen.node];
        node.resize(BATCH * len, f32::NAN);
        node[seen.first_image * len..][..planes.len()].copy_from_slice(&planes);
    }
}

/// A preset with weights and running statistics that differ from channel to channel.
fn network(name: &str) -> WeightsFile {
    let model = preset(name, [3, 64, 64], 10).unwrap();
    let graph = Graph::new(model.clone()).unwrap();
    let mut parameters = Parameters::new(&graph, 3).unwrap();
    for (seed, tensor) in (1..).zip(parameters.tensors_mut()) {
        let values = random(seed, tensor.slice().len());
        let pairs = tensor.values.iter_mut().zip(values);
        match tensor.role {
            Role::RunningVar | Role::Scale => pairs.for_each(|(value, random)| *value = 1.0 + 0.5 * random),
            Role::RunningMean | Role::Shift => pairs.for_each(|(value, random)| *value = 0.3 * random),
            _ => {}
        }
    }
    let input = InputDescription {
        size: [64, 64],
        resize: "squash".into(),
        background: "white".into(),
        scale: 1.0 / 255.0,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    };
    let classes = (0..10).map(|class| format!("class {class}")).collect();
    WeightsFile { classes, input, data: None, parameters, model }
}

#[test]
#[ignore = "needs a python3 with onnx, onnxruntime and NumPy"]
fn every_node_is_onnxruntimes() {
    for name in ["resnet18", "mobilenet_v3_small", "convnext_tiny"] {
        let weights = network(name);
        let graph = Arc::new(Graph::new(weights.model.clone()).unwrap());
        let images = random(9, BATCH * 3 * 64 * 64);
        let images = Array4::from_shape_vec((BATCH, 3, 64, 64), images).unwrap();
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, BATCH).unwrap();
        executor.load(&weights.parameters);
        let values = Values(Mutex::new(vec![Vec::new(); graph.nodes().len()]));
        executor.logits(images.view(), Some(&values)).unwrap();

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("net.onnx"), export(&weights, ExportOptions::default()).unwrap())
            .unwrap();
        let of_input = (ValueId::Input(0), images.into_raw_vec_and_offset().0);
        let of_nodes = values.0.into_inner().unwrap().into_iter().enumerate();
        let of_nodes = of_nodes.map(|(node, values)| (ValueId::Node(node), values));
        let (mut names, mut bytes) = (Vec::new(), Vec::new());
        for (value, values) in [of_input].into_iter().chain(of_nodes) {
            let shape = [&[BATCH][..], graph.shape(value).axes()].concat();
            names.push((graph.value_name(value).to_owned(), shape));
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        std::fs::write(folder.path().join("nodes.json"), serde_json::to_vec(&names).unwrap()).unwrap();
        std::fs::write(folder.path().join("values.bin"), bytes).unwrap();
        eprintln!("{name}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime.py");
        assert!(Command::new("python3").arg(script).arg(folder.path()).status().unwrap().success(), "{name}");
    }
}
