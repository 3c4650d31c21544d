//! What can go wrong between a configuration and a finished run directory.

use std::io;
use std::path::{Path, PathBuf};

use convscope_data::Split;
use convscope_ops::OutOfMemory;

/// An error of this crate; its message is one sentence that names the file or field and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A configuration value outside its range.
    #[error("{field} is {value}; it must be {accepted}")]
    InvalidValue {
        /// The configuration key, as in the TOML file (`optimizer.momentum`).
        field: &'static str,
        /// The value that was given.
        value: String,
        /// The accepted range.
        accepted: &'static str,
    },
    /// A network in an ONNX file that cannot be used.
    #[error(transparent)]
    Onnx(#[from] convscope_onnx::OnnxError),
    /// Names for another number of classes than an ONNX file has outputs.
    #[error("{}: has {outputs} outputs, but there are {names} names of classes", path.display())]
    OnnxClasses {
        /// The file.
        path: PathBuf,
        /// Its outputs.
        outputs: usize,
        /// The names.
        names: usize,
    },
    /// Options of a model for an ONNX file.
    #[error("{}: the network in an ONNX file is as it is; model options do not apply to it", path.display())]
    OnnxOptions {
        /// The file.
        path: PathBuf,
    },
    /// Options of a model for a trained network.
    #[error("{}: a trained network is as it is; model options do not apply to it", path.display())]
    TrainedOptions {
        /// The run directory or weights file.
        path: PathBuf,
    },
    /// A trained network whose classes cannot be others.
    #[error("{}: no node before the output says how many classes there are, so it cannot be trained for others", path.display())]
    NoClassifier {
        /// The run directory or weights file.
        path: PathBuf,
    },
    /// Means for another number of channels than the images of an ONNX file have.
    #[error("{}: takes images of {channels} channels, but there are means and deviations of {found}", path.display())]
    OnnxChannels {
        /// The file.
        path: PathBuf,
        /// Its channels.
        channels: usize,
        /// The means.
        found: usize,
    },
    /// A weights file that asks for a way of resizing, or a background, that this version does not know.
    #[error(
        "the weights file asks for images to be resized in a way that this version does not know: `{value}`"
    )]
    Framing {
        /// What it asks for.
        value: String,
    },
    /// A file of lines `ours = theirs` that makes no sense.
    #[error("{}: {problem}", path.display())]
    KeyMap {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        problem: String,
    },
    /// A setting that the chosen optimizer or schedule does not have, or of a teacher that is not trained.
    #[error("{field} does not apply to {name}; leave it out or choose {owners}")]
    SettingNotApplicable {
        /// The configuration key.
        field: String,
        /// The optimizer or schedule that was chosen, or what the run does.
        name: String,
        /// Those that have the setting.
        owners: String,
    },
    /// There is no setting with this name.
    #[error("{name} is not a training setting")]
    UnknownSetting {
        /// The name.
        name: String,
    },
    /// A text that is not a value of a setting.
    #[error("{name} cannot be {value}; it must be {wanted}")]
    SettingValue {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// What it must be.
        wanted: String,
    },
    /// A configuration file that is not valid TOML or has a key or value of the wrong kind.
    #[error("{}: {message}", path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// The parser's message with line, key and the keys that exist.
        message: String,
    },
    /// There is no recipe with this name.
    #[error("there is no recipe {name}; give {} or a file that ends in .toml", crate::recipes::RECIPES.join(", "))]
    UnknownRecipe {
        /// The name that was given.
        name: String,
    },
    /// An operation on a file or folder failed.
    #[error("{}: cannot {action}: {cause}{}", path.display(), advice(cause))]
    Io {
        /// What was attempted (`write the file`).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The folder for a new run exists and is not empty.
    #[error("{}: already exists and is not empty; choose another folder or resume the run in it", path.display())]
    OutputTaken {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is writing to the run directory.
    #[error("{}: {} is training this run; wait until it ends, or stop it", path.display(), holder.as_deref().unwrap_or("another process"))]
    RunBusy {
        /// The folder.
        path: PathBuf,
        /// That process, as `process 4711 on ada`, if known.
        holder: Option<String>,
    },
    /// The folder is not a run directory.
    #[error("{}: is not a run directory (it has no config.toml); give the folder of a training run", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A run directory without weights.
    #[error("{}: this run has not finished an epoch, so there are no weights yet; wait for the first epoch, or resume the run", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A run directory without a checkpoint.
    #[error("{}: there is no checkpoint because the run ended before its first one; start it again", path.display())]
    CheckpointMissing {
        /// The file that was expected.
        path: PathBuf,
    },
    /// The file in the checkpoint's place is not a checkpoint.
    #[error("{}: is not a Convscope checkpoint; give a run directory written by convscope", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint that was truncated or altered.
    #[error("{}: the checkpoint is damaged: {reason}; restore it from a copy or start the run again", path.display())]
    CheckpointDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file with the features of a frozen body that was altered.
    #[error("{}: the features are damaged; delete the file, and they are computed again", path.display())]
    FeaturesDamaged {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint of a run with a different model.
    #[error("{}: the checkpoint was made for {found}, but this run trains {expected}; resume with the run's own configuration", path.display())]
    CheckpointOfOtherModel {
        /// The file.
        path: PathBuf,
        /// The fingerprint in the file.
        found: String,
        /// The fingerprint of the current run.
        expected: String,
    },
    /// A checkpoint of a run on different images.
    #[error("{}: the checkpoint was made with images, classes or preprocessing different from those in data.json", path.display())]
    CheckpointOfOtherData {
        /// The file.
        path: PathBuf,
    },
    /// The data of a resumed run is not the data that the run records.
    #[error("{}: the run records the {what} {recorded}, but the data has {found}", run.display())]
    OtherData {
        /// The run directory.
        run: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the run records.
        recorded: String,
        /// What the data or the configuration has.
        found: String,
    },
    /// A teacher that was trained on this run's validation or test images.
    #[error("{}: this teacher was trained on {count} of the {images} {} images", path.display(), split.adjective())]
    TeacherKnowsImages {
        /// The run or weights file.
        path: PathBuf,
        /// How many images.
        count: usize,
        /// Of how many.
        images: usize,
        /// Of which split.
        split: Split,
    },
    /// An entry of a checkpoint is missing or does not fit the current run.
    #[error(
        "{name}: the saved state has {found}, but this run needs {expected}; resume with the run's own configuration"
    )]
    StateMismatch {
        /// The entry.
        name: String,
        /// What is there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A picture file for a network that was trained on arrays.
    #[error("this network was trained on arrays of {channels} channels, not on pictures; give it arrays")]
    NotOfPictures {
        /// Its channels.
        channels: usize,
    },
    /// Images of a different shape from those that a network was trained on.
    #[error("these images are {found:?} (channels, height, width), but the network takes {expected:?}")]
    OtherShape {
        /// The shape of an image of the network.
        expected: [usize; 3],
        /// The shape that was given.
        found: [usize; 3],
    },
    /// Parameters whose names or shapes are not the network's.
    #[error("{network}: these parameters belong to a different network")]
    OtherParameters {
        /// The network.
        network: String,
    },
    /// A sink failed.
    #[error(transparent)]
    Sink(Box<dyn std::error::Error + Send + Sync>),
    /// A file in the run directory has contents that this program does not write.
    #[error("{}: {reason}", path.display())]
    BadContents {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A label or prediction that is not a class of the model.
    #[error(
        "class {class} is out of range for {classes} classes; the data and the model have different classes"
    )]
    ClassOutOfRange {
        /// The label or prediction.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// A number that is not finite occurred during training.
    #[error("{place} is no longer finite in epoch {epoch}, step {step}; the last checkpoint is kept")]
    Diverged {
        /// The value that was not finite first: "the output of conv2d_3".
        place: String,
        /// The epoch, from 1.
        epoch: u64,
        /// The step of the run, from 1.
        step: u64,
    },
    /// A network's output for a picture is not finite.
    #[error("{path}: the network's output for this picture is not finite")]
    NotFinite {
        /// The picture.
        path: PathBuf,
    },
    /// A network whose number of outputs is not the number of classes in the data.
    #[error("the model outputs {model} values, but the data has {data} classes{origin}")]
    ClassesDiffer {
        /// Values of the last node.
        model: usize,
        /// Classes of the data.
        data: usize,
        /// What determines the number of values.
        origin: ValuesFrom,
    },
    /// Data whose classes are not those of a trained network.
    #[error(
        "the model knows the classes {model}, but the data has {data}; give data with the model's classes"
    )]
    OtherClasses {
        /// Names that the model knows.
        model: String,
        /// Names that the data has.
        data: String,
    },
    /// A trained network that cannot teach the current one.
    #[error(
        "{}: this teacher knows {found}, but the data has {expected}; choose a teacher that was trained on the same", path.display()
    )]
    TeacherUnfit {
        /// The run or weights file.
        path: PathBuf,
        /// What the teacher was trained on: "images of 32x32".
        found: String,
        /// What the data has.
        expected: String,
    },
    /// A run's own teacher has not been trained to the end.
    #[error(
        "the teacher of this configuration is not trained yet; train it first, or name teachers that are trained"
    )]
    TeacherUntrained,
    /// Training needs more memory than the process can have.
    #[error("training needs about {} MB, but only {} MB are available; {}", needed / 1_000_000, limit / 1_000_000, fitting(*largest_batch))]
    TooLarge {
        /// The bytes that training needs.
        needed: u64,
        /// The bytes that the machine or the process's control group has.
        limit: u64,
        /// The largest batch size that would fit; 0 if there is none.
        largest_batch: usize,
    },
    /// The system cannot provide the memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// What is wrong with the data.
    #[error(transparent)]
    Data(#[from] convscope_data::DataError),
    /// What is wrong with the model or its weights.
    #[error(transparent)]
    Graph(#[from] convscope_graph::GraphError),
}

/// What determines the number of values that a network outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValuesFrom {
    /// A number in an argument of a node.
    Argument {
        /// The node and its argument: `dense.out_features`.
        key: String,
        /// The number.
        value: usize,
    },
    /// A value for each class at each of several positions.
    Places {
        /// The node that outputs them.
        node: String,
        /// How many rows and columns there are.
        size: [usize; 2],
    },
    /// Something else.
    Elsewhere,
}

impl std::fmt::Display for ValuesFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValuesFrom::Argument { key, value } => write!(f, ": {key} is {value}"),
            ValuesFrom::Places { node, size: [rows, columns] } => {
                write!(f, ": {node} outputs each class at {rows} rows and {columns} columns")
            }
            ValuesFrom::Elsewhere => Ok(()),
        }
    }
}

impl TrainError {
    /// For `map_err`: adds the file and the attempted action to the operating system's error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }
}

fn fitting(largest_batch: usize) -> String {
    match largest_batch {
        0 => "no batch size fits; choose a smaller network or smaller images".to_owned(),
        batch => format!("choose a batch size of at most {batch}"),
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that you may write to"
        }
        io::ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}
