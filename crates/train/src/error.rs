//! What can go wrong between a configuration and a finished run directory.

use std::io;
use std::path::{Path, PathBuf};

use convscope_data::Split;
use convscope_ops::OutOfMemory;

/// An error of this crate; its text is one sentence that names the file or the field and what to do.
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
    /// A weights file that asks for images to be resized in a way, or over a background, that this version does not know.
    #[error(
        "the weights file asks for images to be resized in a way that this version does not know: `{value}`"
    )]
    Framing {
        /// What it asks for.
        value: String,
    },
    /// A setting that the chosen optimizer or schedule does not have.
    #[error("{field} does not apply to {name}; leave it out or choose {owners}")]
    SettingNotApplicable {
        /// The configuration key.
        field: &'static str,
        /// The optimizer or schedule that was chosen.
        name: &'static str,
        /// Those that have the setting.
        owners: &'static str,
    },
    /// A name that no setting has.
    #[error(
        "{name} is not a training setting; `convscope help train` lists them, and model.width or model.<node>.<argument> change the model"
    )]
    UnknownSetting {
        /// The name.
        name: String,
    },
    /// A value that a setting cannot have.
    #[error("{name} cannot be {value}: {reason}")]
    SettingValue {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// What it has to be.
        reason: String,
    },
    /// A configuration file that is not valid TOML or has a key or value of the wrong kind.
    #[error("{}: {message}", path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// The parser's message with line, key and the keys that exist.
        message: String,
    },
    /// A recipe that does not come with the program.
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
        /// The operating system's answer.
        cause: io::Error,
    },
    /// The folder that a new run was to get exists and is not empty.
    #[error("{}: already exists and is not empty; choose another folder or resume the run in it", path.display())]
    OutputTaken {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes to the run directory.
    #[error("{}: {} is training this run; wait until it has ended, or stop it", path.display(), holder.as_deref().unwrap_or("another process"))]
    RunBusy {
        /// The folder.
        path: PathBuf,
        /// That process, as `process 4711 on ada`, where it is known.
        holder: Option<String>,
    },
    /// The folder is not a run directory.
    #[error("{}: is not a run directory, it has no config.toml; give the folder that a training run wrote", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A run directory without weights.
    #[error("{}: no epoch of this run is finished, so there are no weights yet; wait for the first one, or resume the run", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A run directory without a checkpoint.
    #[error("{}: there is no checkpoint; the run ended before its first one, start it anew", path.display())]
    CheckpointMissing {
        /// The file that was expected.
        path: PathBuf,
    },
    /// A file at the checkpoint's place that is something else.
    #[error("{}: is not a Convscope checkpoint; give a run directory that convscope wrote", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint that was cut short or altered.
    #[error("{}: the checkpoint is damaged: {reason}; restore it from a copy or start the run anew", path.display())]
    CheckpointDamaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A checkpoint of a run with another model.
    #[error("{}: the checkpoint was made for {found}, this run trains {expected}; resume with the run's own configuration", path.display())]
    CheckpointOfOtherModel {
        /// The file.
        path: PathBuf,
        /// The fingerprint in the file.
        found: String,
        /// The fingerprint of the present run.
        expected: String,
    },
    /// A checkpoint of a run over other images.
    #[error("{}: the checkpoint was made with other images, classes or treatment than data.json records", path.display())]
    CheckpointOfOtherData {
        /// The file.
        path: PathBuf,
    },
    /// The data of a run that is taken up again is not what the run records.
    #[error("{}: the run records the {what} {recorded}, the data has {found}", run.display())]
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
    /// A teacher that was trained on images which validate or test here.
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
    /// An entry of a checkpoint is absent or does not fit the present run.
    #[error(
        "{name}: the saved state has {found}, this run needs {expected}; resume with the run's own configuration"
    )]
    StateMismatch {
        /// The entry.
        name: String,
        /// What is there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A network that was trained on arrays is asked about a picture file.
    #[error(
        "this network was trained on arrays of {channels} channels, not on pictures; ask it about arrays"
    )]
    NotOfPictures {
        /// Its channels.
        channels: usize,
    },
    /// Images of a different shape from those that a network was trained on.
    #[error("these images are {found:?} (channels, height, width), the network takes {expected:?}")]
    OtherShape {
        /// The shape of an image of the network.
        expected: [usize; 3],
        /// The shape that was given.
        found: [usize; 3],
    },
    /// Parameters whose names or shapes are not those of the network.
    #[error("{network}: these parameters belong to another network")]
    OtherParameters {
        /// The network.
        network: String,
    },
    /// A sink could not take what it was told.
    #[error(transparent)]
    Sink(Box<dyn std::error::Error + Send + Sync>),
    /// A file of the run directory has contents that this program does not write.
    #[error("{}: {reason}", path.display())]
    BadContents {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A label or prediction that is not a class of the model.
    #[error("class {class} is out of range for {classes} classes; the data has other classes than the model")]
    ClassOutOfRange {
        /// The label or prediction.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// A number that is not finite came up while training.
    #[error(
        "{place} is no longer finite in epoch {epoch}, step {step}; the last checkpoint is kept, try a lower learning rate, --clip-norm, or a network with batch normalisation"
    )]
    Diverged {
        /// The value that was not finite first: "the output of conv2d_3".
        place: String,
        /// The epoch, from 1.
        epoch: u64,
        /// The step of the run, from 1.
        step: u64,
    },
    /// A network's answer about a picture that is not a number.
    #[error("{path}: the network's output for this picture is not finite")]
    NotFinite {
        /// The picture.
        path: PathBuf,
    },
    /// A network whose number of outputs is not the number of classes in the data.
    #[error("the model outputs {model} values, the data has {data} classes{origin}")]
    ClassesDiffer {
        /// Values of the last node.
        model: usize,
        /// Classes of the data.
        data: usize,
        /// Where the number of values comes from.
        origin: ValuesFrom,
    },
    /// A trained network is asked about other classes than it knows.
    #[error("the model knows the classes {model}; the data has {data}; give data with the model's classes")]
    OtherClasses {
        /// Names that the model knows.
        model: String,
        /// Names that the data has.
        data: String,
    },
    /// A trained network that cannot teach the present one.
    #[error(
        "{}: this teacher knows {found}, the data has {expected}; choose a teacher that was trained on the same", path.display()
    )]
    TeacherUnfit {
        /// The run or weights file.
        path: PathBuf,
        /// What the teacher was trained on: "images of 32x32".
        found: String,
        /// What the data has.
        expected: String,
    },
    /// More memory than the process can have.
    #[error("training takes about {} MB and there are {} MB; {}", needed / 1_000_000, limit / 1_000_000, fitting(*largest_batch))]
    TooLarge {
        /// The bytes that training takes.
        needed: u64,
        /// The bytes that the machine or the process's control group has.
        limit: u64,
        /// The largest batch size that would fit; 0 if there is none.
        largest_batch: usize,
    },
    /// The system does not hand out the memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// What is wrong with the data.
    #[error(transparent)]
    Data(#[from] convscope_data::DataError),
    /// What is wrong with the model or its weights.
    #[error(transparent)]
    Graph(#[from] convscope_graph::GraphError),
}

/// Where the number of values that a network outputs comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValuesFrom {
    /// From a number in an argument of a node.
    Argument {
        /// The node and its argument: `dense.out_features`.
        key: String,
        /// The number.
        value: usize,
    },
    /// From a value for each class at each of several places.
    Places {
        /// The node that puts them out.
        node: String,
        /// How many rows and columns there are.
        size: [usize; 2],
    },
    /// From something else.
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
    /// For `map_err`: puts the file and the attempted action beside the operating system's answer.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }
}

fn fitting(largest_batch: usize) -> String {
    match largest_batch {
        0 => "no batch size fits, choose a smaller network or smaller images".to_owned(),
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
