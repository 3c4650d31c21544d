//! The network that a command works on: a run, a weights file, or a model with weights from elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convscope_data::{ImageSize, Normalization, Normalize, Resize};
use convscope_graph::{ArraysFile, Graph, InputDescription, KeyMap, WeightsFile};
use convscope_onnx::OnnxFile;
use convscope_train::key_map;
use convscope_train::model::{enlarged_for, image_size_of, read_weights, resolve_model};
use convscope_train::onnx::{ChannelOrder, OnnxUse, Treatment, is_onnx, read_onnx};

use crate::console::Console;
use crate::exit::UsageError;
use crate::flags::{RESIZE, at_least_1, named};
use crate::model_flags::size;

/// A trained network.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct NetworkFlags {
    /// A run directory, a weights file, or an ONNX file
    #[arg(value_name = "RUN", required_unless_present = "model", conflicts_with = "model")]
    run: Option<PathBuf>,

    #[command(flatten)]
    foreign: ForeignFlags,
}

/// A model with weights that another program wrote.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Weights from elsewhere")]
pub(crate) struct ForeignFlags {
    /// Use this ONNX file, or this preset or model file with the weights of --weights, in place of a run
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,

    /// A file with the arrays of --model under PyTorch's keys: safetensors, .pth or .pt of torch.save, or .h5 of
    /// Keras with the names of the layers
    #[arg(long, value_name = "FILE", requires = "model")]
    weights: Option<PathBuf>,

    /// Lines `ours = theirs` for keys, or names of nodes, that have another name in the file
    #[arg(long, value_name = "FILE", requires = "model")]
    weights_map: Option<PathBuf>,

    /// The classes in the order of the outputs: a file with a name on each line, or names between commas; an ONNX file may have
    /// them
    #[arg(long, value_name = "FILE|a,b,c", requires = "model")]
    class_names: Option<String>,

    /// Side of the images in pixels [default: the size in the model file, otherwise
    /// 32, or 64 for a network made for photographs]
    #[arg(long, value_name = "PIXELS", requires = "model", value_parser = at_least_1())]
    image_size: Option<u64>,

    /// How pixel values are scaled: `unit` to 0 to 1, `tf` to -1 to 1, `imagenet` by mean and deviation of ImageNet [default:
    /// unit]
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with_all = ["mean", "std"], value_parser = named::<Normalize>(FIXED))]
    normalize: Option<Normalize>,

    /// How images with another aspect ratio are resized: `squash`, `pad` or `crop` [default: squash]
    #[arg(long, value_name = "NAME", requires = "model", value_parser = named::<Resize>(RESIZE))]
    resize: Option<Resize>,

    /// The order in which the network of an ONNX file takes red, green and blue [default: rgb]
    #[arg(long, value_name = "ORDER", requires = "model", value_enum)]
    channel_order: Option<Order>,

    /// The output of an ONNX file that classifies [default: the first]
    #[arg(long, value_name = "NAME", requires = "model")]
    output: Option<String>,

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

/// Scalings that do not depend on images.
const FIXED: &[&str] = &["unit", "imagenet", "tf"];

/// The order of an image's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    /// Red, green, blue
    Rgb,
    /// Blue, green, red
    Bgr,
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
            Some(run) => Ok(read_weights(run)?),
            None => self.foreign.weights(console),
        }
    }
}

impl ForeignFlags {
    /// Whether a model is named.
    pub(crate) fn are_given(&self) -> bool {
        self.model.is_some()
    }

    /// The weights file, or the ONNX file.
    pub(crate) fn path(&self) -> &Path {
        let model = self.model.as_deref().map(Path::new).filter(|model| is_onnx(model));
        model.or(self.weights.as_deref()).unwrap_or(Path::new(""))
    }

    /// The network of an ONNX file.
    fn of_onnx(&self, path: &Path) -> Result<WeightsFile> {
        if self.weights.is_some() || self.weights_map.is_some() {
            return Err(UsageError(
                "an ONNX file has its weights; leave out --weights and --weights-map".into(),
            )
            .into());
        }
        let named = self.class_names.as_deref().map(classes).transpose()?;
        let mut how = OnnxUse {
            size: self.image_size.map(|side| [size(side); 2]),
            output: self.output.clone(),
            classes: named,
            channel_order: match self.channel_order {
                Some(Order::Bgr) => ChannelOrder::Bgr,
                _ => ChannelOrder::Rgb,
            },
            treatment: None,
        };
        let [channels, ..] = OnnxFile::read(path)?.image()?;
        how.treatment = Some(self.treatment(channels.unwrap_or(3))?);
        Ok(read_onnx(path, &how)?)
    }

    /// How pictures of so many channels are prepared.
    fn treatment(&self, channels: usize) -> Result<Treatment> {
        let fixed = self.normalize.and_then(|normalize| normalize.fixed(channels));
        let (mean, std) = match fixed {
            Some(Normalization { mean, std }) => (mean, std),
            None => (
                channel_values("--mean", &self.mean, channels, 0.0)?,
                channel_values("--std", &self.std, channels, 1.0)?,
            ),
        };
        if std.iter().any(|&std| std.is_nan() || std <= 0.0) {
            return Err(UsageError("--std has a number that is not above 0".to_owned()).into());
        }
        let resize = self.resize.unwrap_or_default().to_string();
        Ok(Treatment { resize, background: "white".to_owned(), mean, std })
    }

    /// The arrays of the file in the network of the model.
    ///
    /// # Errors
    /// A model, a list of classes or a map that cannot be read, arrays that are not those of the model.
    pub(crate) fn weights(&self, console: Console) -> Result<WeightsFile> {
        let model = self.model.as_deref().unwrap_or_default();
        if is_onnx(Path::new(model)) {
            return self.of_onnx(Path::new(model));
        }
        if self.weights.is_none() || self.class_names.is_none() {
            let message = format!(
                "--model {model} needs --weights and --class-names, which only an ONNX file has in itself"
            );
            return Err(UsageError(message).into());
        }
        if self.channel_order.is_some() || self.output.is_some() {
            return Err(UsageError("--channel-order and --output are for ONNX files".to_owned()).into());
        }
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
        let Treatment { resize, background, mean, std } = self.treatment(channels)?;
        let size = [height, width];
        let input = InputDescription { size, resize, background, scale: 1.0 / 255.0, mean, std };
        let names = match &self.weights_map {
            Some(path) => key_map(path).map_err(|error| UsageError(error.to_string()))?,
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
