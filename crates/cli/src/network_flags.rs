//! The network that a command works on: a run, a weights file, or a model with weights from elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convscope_data::{ImageSize, Normalization, Source, Split};
use convscope_graph::{ArraysFile, Graph, InputDescription, KeyMap, WeightsFile};
use convscope_onnx::OnnxFile;
use convscope_ops::{ParameterSpec, Role};
use convscope_train::key_map;
use convscope_train::model::{enlarged_for, image_size_of, read_weights, resolve_model};
use convscope_train::onnx::{InputTreatment, OnnxUse, is_onnx, read_onnx};

use crate::console::Console;
use crate::exit::UsageError;
use crate::treatment_flags::TreatmentFlags;

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

    /// The output of an ONNX file that classifies [default: the first]
    #[arg(long, value_name = "NAME", requires = "model")]
    output: Option<String>,

    #[command(flatten)]
    treatment: TreatmentFlags,
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

    /// The [`weights`](Self::weights), for a command that opens no data set.
    ///
    /// # Errors
    /// As for [`weights`](Self::weights); `--normalize standard`.
    pub(crate) fn weights_alone(&self, console: Console) -> Result<WeightsFile> {
        match &self.run {
            Some(_) => self.weights(console),
            None => self.foreign.weights_alone(console),
        }
    }

    /// The normalisation of `--normalize standard`, by the images of a source.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub(crate) fn fitted(
        &self,
        source: &dyn Source,
        split: Split,
        console: Console,
    ) -> Result<Option<Normalization>> {
        self.foreign.fitted(source, split, console)
    }
}

/// Trained networks.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SeveralNetworks {
    /// Run directories, weights files or ONNX files
    #[arg(value_name = "RUN", required_unless_present = "model")]
    runs: Vec<PathBuf>,

    #[command(flatten)]
    foreign: ForeignFlags,
}

/// One of several trained networks.
#[derive(Clone, Copy)]
pub(crate) struct Chosen<'a> {
    /// The run directory, weights file or ONNX file.
    pub(crate) path: &'a Path,
    foreign: Option<&'a ForeignFlags>,
}

impl SeveralNetworks {
    /// These runs.
    pub(crate) fn of_runs(runs: Vec<PathBuf>) -> SeveralNetworks {
        SeveralNetworks { runs, ..SeveralNetworks::default() }
    }

    /// The networks: the runs first, then the one of `--model`.
    pub(crate) fn all(&self) -> Vec<Chosen<'_>> {
        let runs = self.runs.iter().map(|path| Chosen { path, foreign: None });
        let model = self
            .foreign
            .are_given()
            .then(|| Chosen { path: self.foreign.path(), foreign: Some(&self.foreign) });
        runs.chain(model).collect()
    }
}

impl Chosen<'_> {
    /// The weights with everything that is known of them.
    ///
    /// # Errors
    /// There are no weights, or they do not fit the model.
    pub(crate) fn weights(self, console: Console) -> Result<WeightsFile> {
        match self.foreign {
            Some(foreign) => foreign.weights(console),
            None => Ok(read_weights(self.path)?),
        }
    }

    /// The normalisation of `--normalize standard`, by the images of a source.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub(crate) fn fitted(
        self,
        source: &dyn Source,
        split: Split,
        console: Console,
    ) -> Result<Option<Normalization>> {
        self.foreign.map_or(Ok(None), |foreign| foreign.fitted(source, split, console))
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
            size: self.treatment.image_size()?.map(|ImageSize { height, width }| [height, width]),
            output: self.output.clone(),
            classes: named,
            channel_order: self.treatment.channel_order.unwrap_or_default(),
            treatment: None,
        };
        if self.treatment.are_given() {
            let [channels, ..] = OnnxFile::read(path)?.image()?;
            how.treatment = Some(self.treatment.treatment(channels.unwrap_or(3))?);
        }
        Ok(read_onnx(path, &how)?)
    }

    /// The normalisation of `--normalize standard`, by the images of a source.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub(crate) fn fitted(
        &self,
        source: &dyn Source,
        split: Split,
        console: Console,
    ) -> Result<Option<Normalization>> {
        self.treatment.fitted(source, split, console)
    }

    /// The [`weights`](Self::weights), for a command that opens no data set.
    ///
    /// # Errors
    /// As for [`weights`](Self::weights); `--normalize standard`.
    pub(crate) fn weights_alone(&self, console: Console) -> Result<WeightsFile> {
        self.treatment.check_fixed()?;
        self.weights(console)
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
        if self.treatment.channel_order.is_some() || self.output.is_some() {
            return Err(UsageError("--channel-order and --output are for ONNX files".to_owned()).into());
        }
        let classes = classes(self.class_names.as_deref().unwrap_or_default())?;
        let ImageSize { height, width } = match (self.treatment.image_size()?, image_size_of(model)?) {
            (Some(size), _) => size,
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
        let InputTreatment { resize, background, mean, std } = self.treatment.treatment(channels)?;
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

/// What to say of an ONNX file whose batch normalisations seem to have been multiplied into its convolutions.
pub(crate) fn about_folding(path: &Path, graph: &Graph) -> Option<String> {
    let count = |is: fn(&ParameterSpec) -> bool| {
        graph.nodes().iter().filter(|node| node.parameters.iter().any(is)).count()
    };
    // A convolution's weight has rows and columns, and whatever normalises has factors.
    let convolutions = count(|spec| spec.shape.len() == 4);
    let is_suspect =
        is_onnx(path) && convolutions >= MANY_CONVOLUTIONS && count(|spec| spec.role == Role::Scale) == 0;
    is_suspect.then(|| {
        format!(
            "{}: has {convolutions} convolutions and no normalisation; exporters multiply batch normalisations into the \
             weights before them, unless torch.onnx.export(..., dynamo=False, training=TrainingMode.PRESERVE) keeps them",
            path.display()
        )
    })
}

/// From this many convolutions on, a network without normalisations is unusual.
const MANY_CONVOLUTIONS: usize = 8;

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
