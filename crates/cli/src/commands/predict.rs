//! `convscope predict`: the classes of pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use convscope_ops::Precision;
use convscope_report::escape::escaped;
use convscope_report::number::percent;
use convscope_train::Views;
use convscope_train::model::{Prediction, TrainedModel};
use serde::Serialize;

use crate::console::Console;
use crate::exit::{Exit, sentence};
use crate::flags::{MaxPixels, PRECISIONS, Threads, VIEWS, at_least_1, config_of_run, named};

/// Say what pictures show: the most probable classes, one line an image
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A run directory, or a weights file, which holds all that is needed
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// PNG, JPEG, WebP or BMP files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,

    /// Name so many classes of each image
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_1())]
    top: u64,

    /// Judge from the mean of the probabilities of each image and its mirror image (`flip`)
    #[arg(long, value_name = "VIEWS", default_value = "none", value_parser = named::<Views>(VIEWS))]
    tta: Views,

    /// What convolutions multiply: `bf16` is faster, and keeps eight bits of each factor
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = named::<Precision>(PRECISIONS))]
    precision: Precision,

    /// Print JSON lines: an object for each image, with its `classes`, or with an `error` if it cannot be read
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
Of a run directory the best weights are used where it was trained with --patience, else the last ones; name a file, \
such as runs/plain8/weights/best.safetensors, to use others.

Images come out in the order they were given. One that cannot be read has an error on standard error; the others \
still come, and the exit code is 1.

Examples:
  convscope predict runs/plain8 cat.jpg
  convscope predict runs/plain8 photos/*.png --top 1
  convscope predict runs/plain8/weights/best.safetensors cat.jpg --json";

/// Images between two prints, so that results of many images come while the others are worked on.
const CHUNK: usize = 64;

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<Class<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Class<'a> {
    class: &'a str,
    probability: f32,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || predict(args, *console))
}

fn predict(args: &Args, console: Console) -> Result<Exit> {
    let limit = args.max_pixels.or_of_run(config_of_run(&args.run)?.as_ref())?;
    let model = TrainedModel::open(&args.run, CHUNK)?.with_views(args.tta).with_precision(args.precision);
    let mut model = model.with_pixel_limit(limit);
    let names = model.classes().to_vec();
    let top = usize::try_from(args.top).unwrap_or(usize::MAX);
    let mut exit = Exit::Done;
    for paths in args.images.chunks(CHUNK) {
        let predictions = model.predict(paths);
        let mut text = String::new();
        for (path, prediction) in paths.iter().zip(predictions) {
            let outcome = match prediction {
                Ok(prediction) => Ok(most_probable(&prediction, &names, top)),
                Err(error) => {
                    let error = sentence(&error.into());
                    // In the order of the images, where both streams go to the same place.
                    console.result(&std::mem::take(&mut text))?;
                    console.error(&error);
                    exit = Exit::Failed;
                    Err(error)
                }
            };
            text += &line(path, outcome, args.json)?;
        }
        console.result(&text)?;
    }
    Ok(exit)
}

fn line(path: &Path, outcome: Result<Vec<Class<'_>>, String>, json: bool) -> Result<String> {
    let path = path.display().to_string();
    if json {
        let (classes, error) = match outcome {
            Ok(classes) => (Some(classes), None),
            Err(error) => (None, Some(error)),
        };
        return Ok(format!("{}\n", serde_json::to_string(&Line { path, classes, error })?));
    }
    let Ok(classes) = outcome else { return Ok(String::new()) };
    let classes: Vec<String> = classes
        .iter()
        .map(|class| format!("{} {}", class.class, percent(f64::from(class.probability))))
        .collect();
    Ok(format!("{}: {}\n", escaped(&path), escaped(&classes.join(", "))))
}

/// The classes with the largest probabilities, the first of equals first.
fn most_probable<'a>(prediction: &Prediction, names: &'a [String], top: usize) -> Vec<Class<'a>> {
    let mut classes: Vec<Class<'a>> = names
        .iter()
        .zip(&prediction.probabilities)
        .map(|(class, &probability)| Class { class, probability })
        .collect();
    classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    classes.truncate(top);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_the_most_probable_classes_first() {
        let names = ["cat", "dog", "owl"].map(String::from);
        let path = PathBuf::from("a b.png");
        let prediction = Prediction { path: path.clone(), probabilities: vec![0.25, 0.125, 0.625] };
        let classes = || Ok(most_probable(&prediction, &names, 2));
        assert_eq!(line(&path, classes(), false).unwrap(), "a b.png: owl 62.50 %, cat 25.00 %\n");
        assert_eq!(
            line(&path, classes(), true).unwrap(),
            "{\"path\":\"a b.png\",\"classes\":[{\"class\":\"owl\",\"probability\":0.625},{\"class\":\"cat\",\"probability\":0.25}]}\n"
        );
        let failed = || Err("a b.png: gone".to_owned());
        assert_eq!(line(&path, failed(), false).unwrap(), "");
        assert_eq!(
            line(&path, failed(), true).unwrap(),
            "{\"path\":\"a b.png\",\"error\":\"a b.png: gone\"}\n"
        );
    }
}
