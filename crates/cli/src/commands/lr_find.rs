//! `convscope lr-find`: which learning rate to try first.

use std::path::PathBuf;

use anyhow::Result;
use convscope_data::Split;
use convscope_report::lr_curve;
use convscope_report::number::significant;
use convscope_train::lr_find::{LrFind, LrFinding};
use serde::Serialize;

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::Threads;
use crate::train_flags::TrainFlags;
use crate::{interrupt, source};

/// Try growing learning rates on a fresh network, and suggest one
///
/// Each batch is trained with a larger rate than the one before, until the loss explodes. The trained network is
/// discarded: no run directory is created or changed.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: TrainFlags,

    /// The smallest rate
    #[arg(long, value_name = "RATE", default_value_t = LrFind::default().from, help_heading = SEARCH, allow_negative_numbers = true)]
    from: f64,

    /// The largest rate, unless the loss explodes earlier
    #[arg(long, value_name = "RATE", default_value_t = LrFind::default().to, help_heading = SEARCH, allow_negative_numbers = true)]
    to: f64,

    /// The most batches to train on
    #[arg(long, value_name = "N", default_value_t = LrFind::default().steps, help_heading = SEARCH)]
    steps: usize,

    /// Write lr-find.png and lr-find.csv to this folder
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = SEARCH)]
    out: PathBuf,

    /// Print the result as a JSON document
    #[arg(long, help_heading = SEARCH)]
    json: bool,

    #[command(flatten)]
    threads: Threads,
}

const SEARCH: &str = "Search";

const AFTER_HELP: &str = "\
The suggestion is where the loss falls most steeply over the logarithm of the rate, before its lowest point; \
a tenth of the rate at the lowest point is printed too. Both are for a constant rate or the peak of a \
schedule, with the same optimizer, batch size and model. docs/tuning.md has the details.

Examples:
  convscope lr-find
  convscope lr-find --data cifar10 --model plain8-bn --optimizer sgd --momentum 0.9 --batch-size 128
  convscope lr-find --data photos --from 1e-5 --to 1 --steps 200 --out found";

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    steepest: Option<f64>,
    lowest: Option<f64>,
    lowest_tenth: Option<f64>,
    passes: f64,
    judged_on: Split,
    png: PathBuf,
    csv: PathBuf,
    steps: &'a [convscope_train::lr_find::LrStep],
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let console = *console;
    let config = args.flags.checked()?;
    if config.teacher.is_some() {
        let message = "lr-find trains no teacher; train one, and name it with --teachers";
        return Err(UsageError(message.to_owned()).into());
    }
    let search = LrFind { from: args.from, to: args.to, steps: args.steps };
    search.validate()?;
    let finding = args.threads.run(config.threads, || {
        let source = source::open_for(&config, console)?;
        let config = args.flags.fitted(config.clone(), &*source, console)?;
        interrupt::finish_first();
        let finding = search.run(&config, source, &interrupt::INTERRUPTED)?;
        interrupt::at_once();
        Ok(finding)
    })?;
    let Some(finding) = finding else { return Ok(Exit::Interrupted) };
    convscope_files::create_folders(&args.out)
        .map_err(|error| anyhow::anyhow!("{}: cannot create the folder: {error}", args.out.display()))?;
    let (png, csv) = (args.out.join("lr-find.png"), args.out.join("lr-find.csv"));
    lr_curve::save_png(&finding, &png)?;
    lr_curve::save_csv(&finding, &csv)?;
    let text = if args.json {
        let steps = &finding.steps;
        let (steepest, lowest) = (finding.steepest(), finding.lowest());
        let lowest_tenth = lowest.map(|rate| rate / 10.0);
        format!(
            "{}\n",
            serde_json::to_string_pretty(&Document {
                steepest,
                lowest,
                lowest_tenth,
                passes: finding.passes,
                judged_on: finding.judged_on,
                png,
                csv,
                steps,
            })?
        )
    } else {
        format!("{}curve         {}\nfigures       {}\n", render(&finding), png.display(), csv.display())
    };
    console.result(&text)?;
    Ok(if finding.steepest().is_some() { Exit::Done } else { Exit::Failed })
}

fn render(finding: &LrFinding) -> String {
    let (Some(steepest), Some(lowest)) = (finding.steepest(), finding.lowest()) else {
        return "no suggestion: the loss does not fall; a network without batch normalisation takes long to start learning, so try \
                --steps 1000, or a smaller --from\n\n"
            .to_owned();
    };
    format!(
        "try --lr {steepest}, where the loss falls most steeply\n\n\
         lowest loss   at {lowest}; a tenth of it is {tenth}\n\
         steps         {steps}\n{judged}",
        steepest = short(steepest),
        lowest = short(lowest),
        tenth = short(lowest / 10.0),
        steps = finding.steps.len(),
        judged = judged(finding),
    )
}

/// Which images the losses are measured on, if training images repeat within a sweep.
fn judged(finding: &LrFinding) -> String {
    let passes = finding.passes;
    match finding.judged_on {
        _ if passes <= 1.0 => String::new(),
        Split::Train => format!(
            "careful       a sweep uses each training image up to {passes:.1} times, so part of the fall is memorisation; \
             validation images would show how much\n"
        ),
        _ => format!(
            "judged on     validation images, because a sweep uses each training image up to {passes:.1} times\n"
        ),
    }
}

/// A rate as a user would type it.
fn short(rate: f64) -> String {
    significant((rate * 1e12).round() / 1e12)
}
