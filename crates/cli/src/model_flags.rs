//! Flags that choose a network and the images it is for.

use std::path::Path;

use anyhow::Result;
use convscope_data::ImageSize;
use convscope_graph::{ModelDescription, ModelFile};
use convscope_train::is_trained;
use convscope_train::model::{TrainedModel, enlarged_for, resolve_model};
use convscope_train::onnx::{OnnxUse, describe_onnx, is_onnx};

use crate::exit::UsageError;
use crate::flags::{ModelOptionFlags, at_least_1};

/// Images and classes that a network is for, and changes to it.
#[derive(clap::Args)]
pub(crate) struct Sizes {
    /// Side of the images in pixels [default: the size in the model file, otherwise
    /// 32, or 64 for a network made for photographs]
    #[arg(long, value_name = "PIXELS", value_parser = at_least_1())]
    pub(crate) image_size: Option<u64>,

    /// Number of classes [default: 10]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) classes: Option<u64>,

    /// The output of an ONNX file that classifies [default: the first]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<String>,

    #[command(flatten)]
    pub(crate) options: ModelOptionFlags,
}

impl Sizes {
    /// The network that `model` names: a preset, a model file, or a run directory or weights file.
    ///
    /// # Errors
    /// There is no such model, or it is trained and a size is given.
    pub(crate) fn describe(&self, model: &str) -> Result<ModelDescription> {
        if is_trained(model) {
            if self.is_given() {
                let message = "a trained network cannot be changed; leave out --image-size, --classes, --output and --model-option";
                return Err(UsageError(message.into()).into());
            }
            return Ok(TrainedModel::open(Path::new(model), 1)?.graph().description().clone());
        }
        if is_onnx(Path::new(model)) {
            if !self.options.merged().is_empty() {
                let message = "the network in an ONNX file cannot be changed; leave out --model-option";
                return Err(UsageError(message.into()).into());
            }
            let how = OnnxUse {
                size: self.image_size.map(|side| [size(side); 2]),
                output: self.output.clone(),
                ..OnnxUse::default()
            };
            return Ok(describe_onnx(Path::new(model), &how, self.classes.map(size))?);
        }
        if self.output.is_some() {
            return Err(UsageError("--output is for ONNX files".to_owned()).into());
        }
        let input = match self.image_size.map(size) {
            Some(side) => [3, side, side],
            None => own_input(model)?,
        };
        Ok(resolve_model(model, input, size(self.classes.unwrap_or(10)), &self.options.merged())?)
    }

    /// Whether a size or a change is given.
    pub(crate) fn is_given(&self) -> bool {
        self.image_size.is_some()
            || self.classes.is_some()
            || self.output.is_some()
            || !self.options.merged().is_empty()
    }
}

/// A number from the command line as a size.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The input shape that a model file asks for, otherwise that of the built-in pictures, enlarged as for training.
fn own_input(model: &str) -> Result<[usize; 3]> {
    let is_file = Path::new(model).extension().is_some_and(|extension| extension == "toml");
    if let Some(input) = if is_file { ModelFile::read(Path::new(model))?.input() } else { None } {
        return Ok(input);
    }
    let size = enlarged_for(model, ImageSize::square(32))?;
    Ok([3, size.height, size.width])
}
