//! `convscope predict`: the classes of pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use convscope_ops::Precision;
use convscope_report::escape::escaped;
use convscope_report::number::percent;
use convscope_train::Views;
use convscope_train::model::{Prediction, TrainedModel, read_weights};
use serde::Serialize;

use crate::console::Console;
use crate::exit::{Exit, UsageError, sentence};
use crate::flags::{MaxPixels, PRECISIONS, Threads, VIEWS, at_least_1, config_of_run, named};
use crate::named_pictures::named_pictures;
use crate::network_flags::ForeignFlags;
use crate::sorting::Sorting;

/// Classify pictures: print the most probable classes, one line per image
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A run directory, or a weights file, which has everything that is needed; left out with --model
    #[arg(value_name = "RUN", required_unless_present = "model")]
    run: Option<PathBuf>,

    /// Picture files, folders with pictures in them, or `-` for paths on standard input, one per line
    #[arg(value_name = "IMAGE", required_unless_present = "model")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    foreign: ForeignFlags,

    /// Number of classes to print for each image
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_1())]
    top: u64,

    /// Average the probabilities of each image and its mirror image (`flip`)
    #[arg(long, value_name = "VIEWS", default_value = "none", value_parser = named::<Views>(VIEWS))]
    tta: Views,

    /// Precision of convolution products: `bf16` is faster, but keeps only eight bits of each factor
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = named::<Precision>(PRECISIONS))]
    precision: Precision,

    /// Print JSON lines: an object for each image, with its `classes`, or with an `error` if it cannot be read
    #[arg(long)]
    json: bool,

    /// Print CSV with the columns path, rank, class, probability and error: a line for each class
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Copy each picture into the folder of its most probable class in DIR, such as DIR/cat; files that are there are never
    /// replaced. Lines for the images are printed only with --json or --csv
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,

    /// With --copy-to, pictures whose most probable class has a lower probability than this go to DIR/unsure [default: 0.6]
    #[arg(long, value_name = "PROBABILITY", requires = "copy_to", allow_negative_numbers = true)]
    unsure: Option<f64>,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const AFTER_HELP: &str = "\
For a run directory, the best weights are used if it was trained with --patience, otherwise the last ones; name a file, \
such as runs/plain8/weights/best.safetensors, to use others.

Images are printed in the order in which they were given, those of a folder in the order of their paths. If an image cannot \
be read, an error is printed to standard error; the others are still classified, and the exit code is 1.

Examples:
  convscope predict runs/plain8 cat.jpg
  convscope predict runs/plain8 photos --top 1 --csv > predictions.csv
  convscope predict runs/plain8 inbox --copy-to sorted --unsure 0.8
  find photos -newer last.txt | convscope predict runs/plain8 -
  convscope predict runs/plain8/weights/best.safetensors cat.jpg --json";

/// Images between two prints, so that results appear while other images are being processed.
const CHUNK: usize = 64;

/// The probability below which a picture counts as unsure.
const UNSURE: f64 = 0.6;

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
    // With a model the first path is a picture too.
    let (run, first) =
        if args.foreign.are_given() { (None, args.run.clone()) } else { (args.run.as_deref(), None) };
    let images: Vec<PathBuf> = first.into_iter().chain(args.images.iter().cloned()).collect();
    if images.is_empty() {
        return Err(UsageError("name the pictures to classify".to_owned()).into());
    }
    let (weights, config) = match run {
        Some(run) => (read_weights(run)?, config_of_run(run)?),
        None => (args.foreign.weights_alone(console)?, None),
    };
    let limit = args.max_pixels.or_of_run(config.as_ref())?;
    let model = TrainedModel::new(weights, CHUNK)?.with_views(args.tta).with_precision(args.precision)?;
    let mut model = model.with_pixel_limit(limit);
    let names = model.classes().to_vec();
    let top = usize::try_from(args.top).unwrap_or(usize::MAX);
    let mut exit = Exit::Done;
    let form = args.form();
    let unsure = args.unsure.unwrap_or(UNSURE);
    let sorting = args.copy_to.as_deref().map(|folder| Sorting::new(folder, unsure, &names, &images));
    let mut sorting = sorting.transpose()?;
    let is_quiet = sorting.is_some() && matches!(form, Form::Text);
    console.result(form.heading())?;
    for named in named_pictures(&images).chunks(CHUNK) {
        let paths: Vec<PathBuf> = named.iter().filter_map(|named| named.clone().ok()).collect();
        let mut predictions = model.predict(&paths).into_iter();
        let mut text = String::new();
        for named in named {
            let (path, prediction) = match named {
                Ok(path) => {
                    let prediction = predictions.next().expect("each path has its prediction");
                    (path, prediction.map_err(|error| sentence(&error.into())))
                }
                Err((path, error)) => (path, Err(error.clone())),
            };
            let prediction = prediction.and_then(|prediction| match &mut sorting {
                Some(sorting) => {
                    let put = sorting.put(path, &prediction.probabilities);
                    put.map(|()| prediction).map_err(|error| sentence(&error))
                }
                None => Ok(prediction),
            });
            let outcome = match prediction {
                Ok(prediction) => Ok(most_probable(&prediction, &names, top)),
                Err(error) => {
                    // In the order of the images, in case both streams go to the same place.
                    console.result(&std::mem::take(&mut text))?;
                    console.error(&error);
                    exit = Exit::Failed;
                    Err(error)
                }
            };
            if !is_quiet {
                text += &line(path, outcome, form)?;
            }
        }
        console.result(&text)?;
    }
    if let Some(sorting) = sorting.filter(|_| is_quiet) {
        console.result(&sorting.render(console.style()))?;
    }
    Ok(exit)
}

/// The format of the output.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
    Csv,
}

impl Args {
    fn form(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            (false, false) => Form::Text,
        }
    }
}

impl Form {
    fn heading(self) -> &'static str {
        if matches!(self, Form::Csv) { "path,rank,class,probability,error\n" } else { "" }
    }
}

fn line(path: &Path, outcome: Result<Vec<Class<'_>>, String>, form: Form) -> Result<String> {
    let path = path.display().to_string();
    match (form, outcome) {
        (Form::Json, outcome) => {
            let (classes, error) = match outcome {
                Ok(classes) => (Some(classes), None),
                Err(error) => (None, Some(error)),
            };
            Ok(format!("{}\n", serde_json::to_string(&Line { path, classes, error })?))
        }
        (Form::Csv, outcome) => {
            let mut rows = csv::Writer::from_writer(Vec::new());
            match outcome {
                Ok(classes) => {
                    for (rank, class) in (1..).zip(classes) {
                        let (rank, probability) = (rank.to_string(), class.probability.to_string());
                        rows.write_record([&path, rank.as_str(), class.class, &probability, ""])?;
                    }
                }
                Err(error) => rows.write_record([path.as_str(), "", "", "", &error])?,
            }
            Ok(String::from_utf8(rows.into_inner()?)?)
        }
        (Form::Text, Err(_)) => Ok(String::new()),
        (Form::Text, Ok(classes)) => {
            let classes: Vec<String> = classes
                .iter()
                .map(|class| format!("{} {}", class.class, percent(f64::from(class.probability))))
                .collect();
            Ok(format!("{}: {}\n", escaped(&path), escaped(&classes.join(", "))))
        }
    }
}

/// The classes with the largest probabilities; of equal ones, the first comes first.
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
        assert_eq!(line(&path, classes(), Form::Text).unwrap(), "a b.png: owl 62.50 %, cat 25.00 %\n");
        assert_eq!(
            line(&path, classes(), Form::Json).unwrap(),
            "{\"path\":\"a b.png\",\"classes\":[{\"class\":\"owl\",\"probability\":0.625},{\"class\":\"cat\",\"probability\":0.25}]}\n"
        );
        assert_eq!(line(&path, classes(), Form::Csv).unwrap(), "a b.png,1,owl,0.625,\na b.png,2,cat,0.25,\n");
        let failed = || Err("a b.png: gone".to_owned());
        assert_eq!(line(&path, failed(), Form::Text).unwrap(), "");
        assert_eq!(
            line(&path, failed(), Form::Json).unwrap(),
            "{\"path\":\"a b.png\",\"error\":\"a b.png: gone\"}\n"
        );
    }
}
