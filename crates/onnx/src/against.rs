//! The values of a network beside those that onnxruntime computes.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use convscope_graph::{Executor, Graph, Observation, Observer};
use convscope_kernels::layout;
use convscope_ops::Mode;
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::{Ends, OnnxError, OnnxFile, OnnxOptions};

/// How far a value of a network may be off, as a share of its largest number. Rounding adds up from layer to layer, so it is more
/// than for [one operator](crate::TOLERANCE).
pub const NETWORK_TOLERANCE: f32 = 1e-4;

/// A value of the file that one of our nodes computes, beside onnxruntime's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedValue {
    /// Our node.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// The name of the value in the file.
    pub value: String,
    /// Its axes with us, the images first.
    pub shape: Vec<usize>,
    /// Its axes with onnxruntime.
    pub expected_shape: Vec<usize>,
    /// The largest number with onnxruntime, ignoring signs.
    pub largest: f32,
    /// The largest difference as a share of that number; infinite for different shapes.
    pub error: f32,
}

impl ComparedValue {
    /// Whether the values differ by more than [`NETWORK_TOLERANCE`].
    pub fn differs(&self) -> bool {
        self.error.is_nan() || self.error > NETWORK_TOLERANCE
    }
}

/// Compares every value of a network that has a counterpart in its file with what the onnxruntime of this Python computes, in the
/// order of the file, on a random image; the `seed` gives the same image again. Where the file leaves rows and columns open,
/// `size` has them.
///
/// # Errors
/// A file that cannot be used; Python cannot be started, has no onnxruntime, or that refuses the file.
pub fn against_onnxruntime(
    python: &Path,
    path: &Path,
    size: [usize; 2],
    seed: u64,
) -> Result<Vec<ComparedValue>, OnnxError> {
    let file = OnnxFile::read(path)?;
    let is_open = matches!(file.image()?, [_, None, _] | [_, _, None]);
    let options =
        OnnxOptions { size: is_open.then_some(size), ends: Ends::AsInFile, ..OnnxOptions::default() };
    let network = file.network(&options)?;
    let graph = Arc::new(Graph::new(network.description().clone())?);
    let shape = graph.inputs().next().map(|(_, shape)| shape.axes().to_vec()).unwrap_or_default();
    let image = random_image(&[&[file.images()], shape.as_slice()].concat(), seed);
    let ours = values(&graph, &network.parameters(&graph)?, &image)?;
    let own: HashSet<&str> = file.outputs().collect();
    let added: Vec<&str> = network
        .values()
        .iter()
        .map(|(value, _)| value.as_str())
        .filter(|value| !own.contains(value))
        .collect();
    let expected =
        Question { python, path, image: &image, added: &added, channels_last: file.is_channels_last() };
    let expected = expected.ask()?;
    let index: HashMap<&str, usize> =
        graph.nodes().iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
    let compared = network.values().iter().filter_map(|(value, node)| {
        let index = *index.get(node.as_str())?;
        let (ours, expected) = (ours.get(&index)?, expected.get(value)?);
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        Some(ComparedValue {
            node: node.clone(),
            operator: graph.nodes()[index].operator.name().to_owned(),
            value: value.clone(),
            shape: ours.shape().to_vec(),
            expected_shape: expected.shape().to_vec(),
            largest,
            error: error(ours, expected, largest),
        })
    });
    Ok(compared.collect())
}

/// The largest difference as a share of the largest number.
fn error(ours: &ArrayD<f32>, expected: &ArrayD<f32>, largest: f32) -> f32 {
    if ours.shape() != expected.shape() {
        return f32::INFINITY;
    }
    let off = ours.iter().zip(expected).fold(0f32, |off, (a, b)| {
        let difference = if a == b { 0.0 } else { (a - b).abs() };
        // A plain maximum would lose a NaN.
        if difference.is_nan() || off.is_nan() { f32::NAN } else { off.max(difference) }
    });
    if off == 0.0 { 0.0 } else { off / largest }
}

/// The values of all nodes, by their index, in PyTorch's order.
fn values(
    graph: &Arc<Graph>,
    parameters: &convscope_graph::Parameters,
    image: &ArrayD<f32>,
) -> Result<HashMap<usize, ArrayD<f32>>, OnnxError> {
    let images = image.shape()[0];
    let mut executor = Executor::new(Arc::clone(graph), Mode::Inference, images)?;
    executor.load(parameters);
    let kept = Kept { images, values: Mutex::default() };
    executor.outputs(&[image.view()], Some(&kept))?;
    Ok(kept.values.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps every value.
struct Kept {
    images: usize,
    values: Mutex<HashMap<usize, ArrayD<f32>>>,
}

impl Observer for Kept {
    fn observe(&self, seen: &Observation<'_>) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let axes = [&[self.images], seen.shape.axes()].concat();
        let value = values.entry(seen.node).or_insert_with(|| ArrayD::zeros(IxDyn(&axes)));
        if let Some(all) = value.as_slice_mut() {
            let part = &mut all[seen.first_image * seen.shape.len()..][..seen.values.len()];
            layout::to_planes(seen.values, seen.shape.channels(), seen.shape.len(), part);
        }
    }
}

/// Numbers of about the spread of a normalised photograph, from -2 to 2; neighbours do not resemble each other.
fn random_image(axes: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(axes), || {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / (1u64 << 22) as f32 - 2.0
    })
}

/// What onnxruntime is asked.
struct Question<'a> {
    python: &'a Path,
    path: &'a Path,
    image: &'a ArrayD<f32>,
    /// Values that become outputs.
    added: &'a [&'a str],
    channels_last: bool,
}

/// Describes the image, for the script.
#[derive(Serialize)]
struct Request<'a> {
    shape: &'a [usize],
    channels_last: bool,
    more: usize,
}

/// Describes an array of the answer.
#[derive(Deserialize)]
struct Header {
    name: String,
    shape: Vec<usize>,
}

const SCRIPT: &str = include_str!("against_onnxruntime.py");

impl Question<'_> {
    /// The values by their names.
    fn ask(&self) -> Result<HashMap<String, ArrayD<f32>>, OnnxError> {
        let failed = |problem: String| OnnxError::Python { python: self.python.to_owned(), problem };
        let output =
            self.added.iter().map(|name| ValueInfoProto { name: (*name).to_owned(), ..Default::default() });
        let graph = GraphProto { output: output.collect(), ..Default::default() };
        let more = ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec();
        let request =
            Request { shape: self.image.shape(), channels_last: self.channels_last, more: more.len() };
        let mut child = Command::new(self.python)
            .args(["-c", SCRIPT])
            .arg(self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                failed(format!("cannot be started: {error}; install Python 3.9 or later and onnxruntime"))
            })?;
        if let Some(mut input) = child.stdin.take() {
            let line = serde_json::to_string(&request).unwrap_or_default();
            let image: Vec<u8> = self.image.iter().flat_map(|value| value.to_le_bytes()).collect();
            // If Python exits early, its messages say why, so a broken pipe adds nothing.
            let _ = input
                .write_all(line.as_bytes())
                .and_then(|()| input.write_all(b"\n"))
                .and_then(|()| input.write_all(&image))
                .and_then(|()| input.write_all(&more));
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr);
            let last = messages.trim().lines().last().unwrap_or("it gave no message").to_owned();
            return Err(failed(format!("{last} ({})", output.status)));
        }
        arrays(&output.stdout).ok_or_else(|| failed("gave an answer that makes no sense".to_owned()))
    }
}

/// The arrays of an answer.
fn arrays(mut bytes: &[u8]) -> Option<HashMap<String, ArrayD<f32>>> {
    let mut found = HashMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let Header { name, shape } = serde_json::from_slice(&bytes[..end]).ok()?;
        let rest = &bytes[end + 1..];
        let len = shape.iter().try_fold(4usize, |len, &axis| len.checked_mul(axis))?;
        let (numbers, rest) = rest.split_at_checked(len)?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        found.insert(name, ArrayD::from_shape_vec(IxDyn(&shape), numbers).ok()?);
        bytes = rest;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_and_a_short_one_refused() {
        let mut bytes = b"{\"name\": \"a\", \"shape\": [1, 2]}\n".to_vec();
        bytes.extend([1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(b"{\"name\": \"b\", \"shape\": [0]}\n");
        let found = arrays(&bytes).unwrap();
        assert_eq!(found["a"], ndarray::arr2(&[[1.5, -2.0]]).into_dyn());
        assert_eq!(found["b"].len(), 0);
        for short in [&bytes[..10], &bytes[..40]] {
            assert!(arrays(short).is_none());
        }
        assert!(arrays(b"{\"name\": \"a\", \"shape\": [4294967296, 4294967296]}\n").is_none());
    }

    #[test]
    fn a_difference_is_a_share_of_the_largest_number() {
        let array = |values: [f32; 2]| ndarray::arr1(&values).into_dyn();
        assert_eq!(error(&array([4.0, 1.0]), &array([4.0, 2.0]), 4.0), 0.25);
        assert!(error(&array([f32::NAN, 1.0]), &array([4.0, 2.0]), 4.0).is_nan());
        assert_eq!(error(&array([4.0, 2.0]), &ndarray::arr1(&[4.0]).into_dyn(), 4.0), f32::INFINITY);
        assert_eq!(error(&array([0.0, 0.0]), &array([0.0, 0.0]), 0.0), 0.0);
    }
}
