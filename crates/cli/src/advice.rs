//! What to do about an error: advice that is added to the libraries' messages.

use std::path::Path;

use convscope_data::{DataError, PictureError};
use convscope_graph::{GraphError, PRESETS};
use convscope_inspect::InspectError;
use convscope_onnx::{OnnxError, Unsupported};
use convscope_train::recipes::RECIPES;
use convscope_train::{TrainError, ValuesFrom};
use convscope_tune::TuneError;

use crate::suggest::{did_you_mean, with_point};

/// What can be done about this error, as part of a sentence.
pub(crate) fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| of_cause(cause).or_else(|| of_text(&cause.to_string())))
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<GraphError>() {
        of_graph(error)
    } else if let Some(error) = cause.downcast_ref::<TrainError>() {
        of_training(error)
    } else if let Some(OnnxError::Unsupported(unsupported)) = cause.downcast_ref::<OnnxError>() {
        Some(of_unsupported(unsupported))
    } else if let Some(error) = cause.downcast_ref::<InspectError>() {
        of_inspection(error)
    } else if let Some(error) = cause.downcast_ref::<DataError>() {
        of_data(error)
    } else if let Some(error) = cause.downcast_ref::<TuneError>() {
        match error {
            TuneError::Train(error) => of_training(error),
            TuneError::NothingToSearch => Some("name a parameter with --grid or --range".to_owned()),
            _ => None,
        }
    } else {
        None
    }
}

/// What helps against operators that are not supported.
fn of_unsupported(unsupported: &Unsupported) -> String {
    if unsupported.is_transformer {
        return "only convolutional networks can be looked into".to_owned();
    }
    "export it with torch.onnx.export(..., dynamo=False), or run a simplifier such as onnxslim over it; docs/onnx.md has what is read"
        .to_owned()
}

/// How to get readable pictures from a phone that writes HEIC.
const PHONE: &str = "an iPhone saves JPEG with Settings > Camera > Formats > Most Compatible";

fn of_data(error: &DataError) -> Option<String> {
    match error {
        DataError::BadImages { files, .. } => {
            let heic = files.iter().any(|file| file.reason.starts_with("HEIC"));
            let phone = if heic { format!("{PHONE}; ") } else { String::new() };
            Some(format!("{phone}repair or remove them, or leave them out with --skip-bad"))
        }
        DataError::Image { source: PictureError::Unsupported { format }, .. } if format == "HEIC" => {
            Some(format!("convert it to JPEG; {PHONE}"))
        }
        DataError::BeyondMemory { .. } => Some("choose a smaller --image-size".to_owned()),
        DataError::Download { .. } | DataError::NoCache { .. } => {
            Some("or name an unpacked copy with --data DIR".to_owned())
        }
        DataError::Checksum { .. } => Some("try again, or name an unpacked copy with --data DIR".to_owned()),
        DataError::TooLarge { .. } => Some("allow more with --max-pixels if you trust the file".to_owned()),
        _ => None,
    }
}

/// What to do if memory runs out.
const SMALLER: &str = "choose a smaller batch size or network, or smaller images";

fn of_graph(error: &GraphError) -> Option<String> {
    match error {
        GraphError::UnknownPreset { name } => did_you_mean(name, PRESETS),
        GraphError::Option { key, known, problem } => {
            let name = key.split('.').next().unwrap_or(key);
            about_comma(problem).or_else(|| did_you_mean(name, known.iter().map(String::as_str)))
        }
        GraphError::OtherInput { expected, found, .. } => Some(about_input(*expected, *found)),
        GraphError::OnlyArrays { .. } => {
            Some("name its network, such as --model resnet18, and give the file with --weights".to_owned())
        }
        GraphError::Weights { file, .. } if is_missing_weights(Path::new(file)) => Some(
            "docs/pretrained.md says where weights come from, with the command for each source".to_owned(),
        ),
        GraphError::File { problem, .. } if problem.ends_with("has no [[node]]") => {
            Some("`convscope summary plain8 --toml` prints an example".to_owned())
        }
        GraphError::OutOfMemory(_) => Some(SMALLER.to_owned()),
        GraphError::Batch { .. } => {
            Some("choose a --batch-size that leaves no batch of a single image".to_owned())
        }
        _ => None,
    }
}

/// Whether the file of weights, by its name, is not there.
fn is_missing_weights(path: &Path) -> bool {
    let endings = ["pth", "pt", "safetensors"];
    let is_weights =
        path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending));
    is_weights && !path.exists()
}

/// What to do if a model file asks for images of a different shape.
fn about_input([channels, height, width]: [usize; 3], found: [usize; 3]) -> String {
    if channels != found[0] {
        format!("images have {} channels; write input = {found:?} or leave it out", found[0])
    } else if height == width {
        format!("pass --image-size {height}, or leave input out to use the images as they are")
    } else {
        format!("pass --image-size {width}x{height}, or leave input out to use the images as they are")
    }
}

fn of_training(error: &TrainError) -> Option<String> {
    match error {
        TrainError::Graph(error) => of_graph(error),
        TrainError::Data(error) => of_data(error),
        TrainError::OutOfMemory(_) => Some(SMALLER.to_owned()),
        TrainError::UnknownRecipe { name } => did_you_mean(name, RECIPES),
        TrainError::UnknownSetting { name } => {
            let flags = crate::flags_of("train");
            let meant = did_you_mean(&name.replace('_', "-"), flags.iter().map(String::as_str));
            Some(meant.unwrap_or_else(|| {
                "`convscope settings` lists them, and model.width or model.<node>.<argument> change the model".to_owned()
            }))
        }
        TrainError::Diverged { .. } => {
            Some("try a lower --lr, --clip-norm 1, or a network with batch normalisation".to_owned())
        }
        TrainError::ClassesDiffer { origin, .. } => Some(match origin {
            ValuesFrom::Argument { key, .. } => {
                let (node, argument) = key.split_once('.').unwrap_or(("the last node", key));
                format!("give {node} {argument} = \"classes\", or choose data that fits the model")
            }
            ValuesFrom::Places { node, .. } => {
                format!("put an adaptive_avg_pool2d with output_size = 1 after {node}")
            }
            ValuesFrom::Elsewhere => "the last node must output one value for each class".to_owned(),
        }),
        _ => None,
    }
}

fn of_inspection(error: &InspectError) -> Option<String> {
    match error {
        InspectError::Train(error) => of_training(error),
        InspectError::Graph(error) => of_graph(error),
        InspectError::Data(error) => of_data(error),
        InspectError::OutOfMemory(_) => Some(SMALLER.to_owned()),
        InspectError::UnknownNode { name, known } => did_you_mean(name, known.split(", ")),
        InspectError::SizesDiffer { .. } => {
            Some("compare networks that were trained on images of the same size".to_owned())
        }
        _ => None,
    }
}

/// About keys and names in a file that are not known, where the message has those that are.
fn of_text(text: &str) -> Option<String> {
    if let Some((before, after)) = text.split_once(" cannot be used; it must be one of ") {
        let (_, unknown) = before.trim_end_matches('"').rsplit_once('"')?;
        let known = after.lines().next().unwrap_or_default();
        return did_you_mean(unknown, known.trim_end_matches(", or none").split(", "));
    }
    let kinds = ["unknown field `", "unknown variant `", "unknown operator `"];
    let (_, rest) = kinds.iter().find_map(|kind| text.split_once(kind))?;
    let (unknown, rest) = rest.split_once('`')?;
    let (_, expected) = rest.split_once("expected ")?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    did_you_mean(unknown, known)
}

/// A number with a decimal comma, in the correct form.
pub(crate) fn about_comma(text: &str) -> Option<String> {
    with_point(text).map(|number| format!("write decimals with a point: {number}"))
}
