//! The network that a command works on: a run, a weights file, or a model with weights from elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convscope_data::ImageSize;
use convscope_graph::{ArraysFile, Graph, InputDescription, KeyMap, WeightsFile};
use convscope_train::model::{enlarged_for, image_size_of, resolve_model, weights_path};

use crate::console::Console;
use crate::exit::UsageError;
use crate::flags::at_least_1;
use crate::model_flags::size;

/// A trained network.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct NetworkFlags {
    /// A run directory, or a weights file
    #[arg(value_name = "RUN", required_unless_present = "model", conflicts_with = "model")]
    run: Option<PathBuf>,

    #[command(flatten)]
    foreign: ForeignFlags,
}

/// A model with weights that another program wrote.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Weights from elsewhere")]
pub(crate) struct ForeignFlags {
    /// Use this preset or model file with the weights of --weights, in place of a run
    #[arg(long, value_name = "NAME|FILE", requires = "weights", requires = "class_names")]
    model: Option<String>,

    /// A safetensors file with the arrays of --model, under PyTorch's keys
    #[arg(long, value_name = "FILE", requires = "model")]
    weights: Option<PathBuf>,

    /// Lines `ours = theirs` for keys, or names of nodes, that have another name in the file
    #[arg(long, value_name = "FILE", requires = "model")]
    weights_map: Option<PathBuf>,

    /// The classes in the order of the outputs: a file with a name on each line, or names between commas
    #[arg(long, value_name = "FILE|a,b,c", requires = "model")]
    class_names: Option<String>,

    /// Side of the images in pixels [default: the size in the model file, otherwise
    /// 32, or 64 for a network made for photographs]
    #[arg(long, value_name = "PIXELS", requires = "model", value_parser = at_least_1())]
    image_size: Option<u64>,

    /// Subtracted from each channel of the image, whose values are from 0 to 1 [default: 0,0,0]
    #[arg(
        long,
        value_name = "R,G,B",
        requires = "model",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    mean: Vec<f32>,

    /// Divides each channel after that [default: 1,1,1]
    #[arg(long, value_name = "R,G,B", requires = "model", value_delimiter = ',')]
    std: Vec<f32>,
}

impl NetworkFlags {
    /// The run directory or the weights file.
    pub(crate) fn path(&self) -> &Path {
        self.run.as_deref().unwrap_or_else(|| self.foreign.path())
    }

    /// The weights with everything that is known of them.
    ///
    /// # Errors
    /// There are no weights, or they do not fit the model.
    pub(crate) fn weights(&self, console: Console) -> Result<WeightsFile> {
        match &self.run {
            Some(run) => Ok(WeightsFile::read(&weights_path(run)?)?),
            None => self.foreign.weights(console),
        }
    }
}

impl ForeignFlags {
    /// Whether a model is named.
    pub(crate) fn are_given(&self) -> bool {
        self.model.is_some()
    }

    /// The weights file.
    pub(crate) fn path(&self) -> &Path {
        self.weights.as_deref().unwrap_or(Path::new(""))
    }

    /// The arrays of the file in the network of the model.
    ///
    /// # Errors
    /// A model, a list of classes or a map that cannot be read, arrays that are not those of the model.
    pub(crate) fn weights(&self, console: Console) -> Result<WeightsFile> {
        let model = self.model.as_deref().unwrap_or_default();
        let classes = classes(self.class_names.as_deref().unwrap_or_default())?;
        let ImageSize { height, width } = match (self.image_size, image_size_of(model)?) {
            (Some(side), _) => ImageSize::square(size(side)),
            (None, Some(own)) => own,
            (None, None) => enlarged_for(model, ImageSize::square(32))?,
        };
        let described = resolve_model(model, [3, height, width], classes.len(), &Default::default())?;
        let graph = Graph::new(described.clone())?;
        graph.check_classifier()?;
        if graph.classes() != classes.len() {
            let message = format!(
                "{model} has {} outputs, but --class-names has {} names",
                graph.classes(),
                classes.len()
            );
            return Err(UsageError(message).into());
        }
        let [channels, height, width] = graph.image();
        let input = InputDescription {
            size: [height, width],
            resize: "squash".to_owned(),
            background: "white".to_owned(),
            scale: 1.0 / 255.0,
            mean: channel_values("--mean", &self.mean, channels, 0.0)?,
            std: channel_values("--std", &self.std, channels, 1.0)?,
        };
        if input.std.iter().any(|&std| std.is_nan() || std <= 0.0) {
            return Err(UsageError("--std has a number that is not above 0".to_owned()).into());
        }
        let names = match &self.weights_map {
            Some(path) => KeyMap::parse(&read(path)?)
                .map_err(|problem| UsageError(format!("{}: {problem}", path.display())))?,
            None => KeyMap::default(),
        };
        let path = self.path();
        let loaded = ArraysFile::read(path)?.load(&graph, &names)?;
        if !loaded.surplus.is_empty() {
            let count = loaded.surplus.len();
            let shown = loaded.surplus.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
            let more = if count > 6 { ", ..." } else { "" };
            console.warning(&format!(
                "warning: {}: {model} has no place for {count} of its arrays: {shown}{more}",
                path.display()
            ));
        }
        Ok(WeightsFile { model: described, classes, input, data: None, parameters: loaded.parameters })
    }
}

/// A number for each channel.
fn channel_values(flag: &str, given: &[f32], channels: usize, default: f32) -> Result<Vec<f32>> {
    match given {
        [] => Ok(vec![default; channels]),
        given if given.len() == channels && given.iter().all(|value| value.is_finite()) => Ok(given.to_vec()),
        _ => {
            let message =
                format!("{flag} needs {channels} finite numbers, one for each channel of the image");
            Err(UsageError(message).into())
        }
    }
}

/// The names of a file, one on each line, or those between commas.
fn classes(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = if Path::new(text).is_file() {
        read(Path::new(text))?
            .lines()
            .map(|line| line.trim_end().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    } else {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    if names.len() < 2 {
        let message = format!(
            "--class-names {text}: is neither a file nor a list of two names or more, such as cat,dog"
        );
        return Err(UsageError(message).into());
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(UsageError(format!("--class-names has '{}' twice", twice[0])).into());
    }
    Ok(names)
}

fn read(path: &Path) -> Result<String> {
    convscope_files::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
}
