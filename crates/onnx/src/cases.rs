//! The form of ONNX's own tests: a model with inputs and the outputs that it must give.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_graph::{Executor, Graph};
use convscope_ops::Mode;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::arrays::tensor_from_bytes;
use crate::model::Given;
use crate::proto::DataType;
use crate::tensor::{Kind, Tensor};
use crate::{Ends, OnnxError, OnnxFile, OnnxOptions};

/// How far a value may be off, as a share of the largest expected value, or of 1 if that is smaller; otherwise it may be off by
/// ONNX's own tolerance, a thousandth of itself.
pub const TOLERANCE: f32 = 1e-5;

/// The batches for which a network is run.
const BATCHES: [usize; 2] = [1, 3];

/// A case and what became of it.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The name of its folder or file.
    pub case: String,
    /// The operators in it, each once.
    pub operators: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The executor ran it, at batch 1 and 3, and it gave the expected values.
    Executed {
        /// The largest difference as a share of the largest expected value.
        error: f32,
    },
    /// All values are constants; the folder gave the expected ones.
    Folded,
    /// It cannot be expressed.
    Unsupported(String),
    /// It gave other values.
    Failed(String),
}

/// Inputs and expected outputs.
type DataSet = (Vec<Tensor>, Vec<Tensor>);

/// A test case on disk.
#[derive(Clone, Debug)]
pub struct Case {
    model: PathBuf,
    kind: CaseKind,
}

#[derive(Clone, Debug)]
enum CaseKind {
    /// With the folders of its data.
    Folder(Vec<PathBuf>),
    /// A light network with its output; the input is made up.
    Light(PathBuf),
}

/// All cases in a folder and the folders in it, in the order of their paths.
///
/// # Errors
/// A folder that cannot be read.
pub fn find_cases(folder: &Path) -> Result<Vec<Case>, OnnxError> {
    let mut cases = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let inside = entries(&folder)?;
        let model = folder.join("model.onnx");
        if model.is_file() {
            let is_data = |path: &PathBuf| path.is_dir() && file_name(path).starts_with("test_data_set_");
            let data: Vec<PathBuf> = inside.iter().filter(|path| is_data(path)).cloned().collect();
            if !data.is_empty() {
                cases.push(Case { model, kind: CaseKind::Folder(data) });
                continue;
            }
        }
        for path in inside {
            let is_light = path.extension().is_some_and(|extension| extension == "onnx");
            let output = path.with_file_name(format!(
                "{}_output_0.pb",
                path.file_stem().unwrap_or_default().to_string_lossy()
            ));
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if is_light && output.is_file() {
                cases.push(Case { model: path, kind: CaseKind::Light(output) });
            }
        }
    }
    cases.sort_by(|a, b| a.model.cmp(&b.model));
    Ok(cases)
}

impl Case {
    /// Its name.
    pub fn name(&self) -> String {
        match self.kind {
            CaseKind::Folder(_) => file_name(self.model.parent().unwrap_or(&self.model)),
            CaseKind::Light(_) => self.model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Runs it.
    pub fn run(&self) -> CaseReport {
        let case = self.name();
        match OnnxFile::read(&self.model) {
            Ok(file) => {
                let outcome = self.outcome(&file).unwrap_or_else(|error| match error {
                    OnnxError::Unsupported(unsupported) => Outcome::Unsupported(
                        unsupported
                            .operators
                            .iter()
                            .map(|operator| format!("{} {}", operator.operator, operator.reason))
                            .collect::<Vec<_>>()
                            .join("; "),
                    ),
                    OnnxError::Tensor { problem, .. } => Outcome::Unsupported(problem),
                    error => Outcome::Unsupported(error.to_string()),
                });
                CaseReport { case, operators: file.operators(), outcome }
            }
            Err(error) => {
                CaseReport { case, operators: Vec::new(), outcome: Outcome::Unsupported(error.to_string()) }
            }
        }
    }

    fn outcome(&self, file: &OnnxFile) -> Result<Outcome, OnnxError> {
        let mut worst = Outcome::Folded;
        for (inputs, expected) in self.data(file)? {
            match run(file, &inputs, &expected)? {
                Outcome::Executed { error } => {
                    let before = if let Outcome::Executed { error } = worst { error } else { 0.0 };
                    worst = Outcome::Executed { error: error.max(before) };
                }
                Outcome::Folded => {}
                other => return Ok(other),
            }
        }
        Ok(worst)
    }

    /// Inputs and expected outputs of each data set.
    fn data(&self, file: &OnnxFile) -> Result<Vec<DataSet>, OnnxError> {
        let read = |path: &Path| {
            let name = path.display().to_string();
            let bytes = convscope_files::read(path)
                .map_err(|source| OnnxError::Read { file: name.clone(), source })?;
            tensor_from_bytes(&name, bytes)
        };
        match &self.kind {
            CaseKind::Light(output) => {
                let inputs = file.made_up_inputs()?;
                Ok(vec![(inputs, vec![read(output)?])])
            }
            CaseKind::Folder(folders) => folders
                .iter()
                .map(|folder| {
                    let all = |kind: &str| {
                        (0..)
                            .map(|index| folder.join(format!("{kind}_{index}.pb")))
                            .take_while(|path| path.is_file())
                            .map(|path| read(&path))
                            .collect::<Result<Vec<_>, _>>()
                    };
                    Ok((all("input")?, all("output")?))
                })
                .collect(),
        }
    }
}

/// Runs a network on these inputs: with as many of them as possible as inputs, the others as constants.
fn run(file: &OnnxFile, inputs: &[Tensor], expected: &[Tensor]) -> Result<Outcome, OnnxError> {
    let names: Vec<String> = file.input_names();
    if names.len() < inputs.len() {
        return Ok(Outcome::Unsupported(format!("{} inputs and data of {}", names.len(), inputs.len())));
    }
    let is_computed = |index: usize| {
        let is_single = file.input_type(index) == Some(DataType::Float);
        inputs[index].kind() == Kind::Float
            && is_single
            && !inputs[index].dims.is_empty()
            && !inputs[index].dims.contains(&0)
    };
    let gives_floats = file.output_types().all(|kind| kind == Some(DataType::Float));
    let batch = inputs.first().and_then(|input| input.dims.first()).copied();
    let alike: Vec<usize> = (0..inputs.len())
        .filter(|&index| gives_floats && is_computed(index) && inputs[index].dims.first().copied() == batch)
        .collect();
    let mut attempts = vec![alike.clone()];
    if alike.len() > 1 {
        attempts.push(vec![alike[0]]);
    }
    let mut first_problem = None;
    for attempt in attempts.iter().filter(|attempt| !attempt.is_empty()) {
        let batch = inputs[attempt[0]].dims[0];
        let given = (0..inputs.len()).map(|index| {
            let name = names[index].as_str();
            if attempt.contains(&index) {
                Given::Input { name, axes: inputs[index].dims[1..].to_vec() }
            } else {
                Given::Constant { name, tensor: inputs[index].clone() }
            }
        });
        let options = OnnxOptions { ends: Ends::AsInFile, ..OnnxOptions::default() };
        let found = file.network_of(batch, given.collect(), &options);
        let network = match found {
            Ok(network) => network,
            Err(error) => {
                first_problem.get_or_insert(error);
                continue;
            }
        };
        let graph = match Graph::new(network.description().clone()) {
            Ok(graph) => Arc::new(graph),
            Err(error) => {
                first_problem.get_or_insert(error.into());
                continue;
            }
        };
        let parameters = network.parameters(&graph)?;
        let arrays: Vec<ArrayD<f32>> =
            attempt.iter().map(|&index| array(&inputs[index])).collect::<Result<_, _>>()?;
        let views: Vec<ArrayViewD<'_, f32>> = arrays.iter().map(|array| array.view()).collect();
        let mut error = 0f32;
        for batch in BATCHES {
            let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, batch)?;
            executor.load(&parameters);
            let outputs = executor.outputs(&views, None)?;
            match compare(&outputs, expected)? {
                Ok(found) => error = error.max(found),
                Err(problem) => return Ok(Outcome::Failed(format!("at batch {batch}: {problem}"))),
            }
        }
        return Ok(Outcome::Executed { error });
    }
    let constants = (0..inputs.len()).map(|index| (names[index].as_str(), inputs[index].clone())).collect();
    match file.fold_all(constants)? {
        Some(outputs) => {
            let outputs: Vec<ArrayD<f32>> = outputs.iter().map(array).collect::<Result<_, _>>()?;
            Ok(match compare(&outputs, expected)? {
                Ok(_) => Outcome::Folded,
                Err(problem) => Outcome::Failed(format!("constants: {problem}")),
            })
        }
        None => match first_problem {
            Some(error) => Err(error),
            None => Ok(Outcome::Unsupported(
                "inputs without a batch axis, or numbers of another type than f32".into(),
            )),
        },
    }
}

/// The largest difference as a share of the largest expected value, or what differs.
fn compare(outputs: &[ArrayD<f32>], expected: &[Tensor]) -> Result<Result<f32, String>, OnnxError> {
    let mut worst = 0f32;
    for (index, (found, expected)) in outputs.iter().zip(expected).enumerate() {
        if found.shape() != expected.dims {
            return Ok(Err(format!(
                "output {index} has the shape {:?}, expected {:?}",
                found.shape(),
                expected.dims
            )));
        }
        let expected = expected.to_floats()?;
        let scale =
            expected.iter().filter(|value| value.is_finite()).fold(1f32, |most, value| most.max(value.abs()));
        for (at, (&a, &b)) in found.iter().zip(expected.iter()).enumerate() {
            let off = if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() / scale };
            let is_close = off <= TOLERANCE || (a - b).abs() <= 1e-7 + 1e-3 * b.abs();
            if !is_close {
                return Ok(Err(format!("output {index} is {a} at {at}, expected {b}")));
            }
            worst = worst.max(off);
        }
    }
    Ok(Ok(worst))
}

fn array(tensor: &Tensor) -> Result<ArrayD<f32>, OnnxError> {
    let values = tensor.to_floats()?.into_owned();
    Ok(ArrayD::from_shape_vec(IxDyn(&tensor.dims), values).expect("as many values as elements"))
}

/// The number of cases of an operator by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Run by the executor.
    pub executed: usize,
    /// Run by the constant folder alone.
    pub folded: usize,
    /// Not expressible.
    pub unsupported: usize,
    /// Wrong.
    pub failed: usize,
}

/// The cases by operator; one with several counts for each.
pub fn counts(reports: &[CaseReport]) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for report in reports {
        let operators: HashSet<&String> = report.operators.iter().collect();
        for operator in operators {
            let counts = counts.entry(operator.clone()).or_default();
            match report.outcome {
                Outcome::Executed { .. } => counts.executed += 1,
                Outcome::Folded => counts.folded += 1,
                Outcome::Unsupported(_) => counts.unsupported += 1,
                Outcome::Failed(_) => counts.failed += 1,
            }
        }
    }
    counts
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, OnnxError> {
    let error = |source| OnnxError::Read { file: folder.display().to_string(), source };
    let mut paths = std::fs::read_dir(folder)
        .map_err(error)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
