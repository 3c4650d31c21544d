//! `convscope report`: the page of a run again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use convscope_data::{Source, Split};
use convscope_inspect::{Choice, Inspector, SurveyOptions};
use convscope_report::html::RunSection;

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{MaxPixels, Threads, at_least_1, named};
use crate::looking::{Closeup, HeatMapChoice, network, survey};
use crate::run_page::{self, PAGE_FILE};

/// Write the page of one or more runs: configuration, curves, confusion matrix, layers, feature maps
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Run directories, or weights files
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    #[command(flatten)]
    images: DataFlags,

    /// Which of each run's images
    #[arg(long, value_name = "SPLIT", default_value = "test", value_parser = named::<Split>(SPLITS))]
    split: Split,

    /// Look at the first N images only [default: all of the split]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    limit: Option<u64>,

    /// Write the page to this file [default: report.html in the run directory, of several runs here]
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const SPLITS: &[&str] = &["train", "val", "test"];

const AFTER_HELP: &str = "\
The page is one file that opens by double-click and asks nothing of any network.

Examples:
  convscope report runs/plain8
  convscope report runs/plain8 --limit 1000 --out plain8.html
  convscope report runs/plain8 runs/plain8-bn --out both.html";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || report(args, *console))
}

fn report(args: &Args, console: Console) -> Result<Exit> {
    let out = out(args)?;
    let (mut sections, mut first) = (Vec::new(), None);
    for run in &args.runs {
        let (section, source) = section(args, run, console)?;
        sections.push(section);
        first.get_or_insert(source);
    }
    let Some(source) = first else { return Err(UsageError("name a run".to_owned()).into()) };
    let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    let title = format!("{} on {}", names.join(" and "), run_page::data_name(&*source));
    run_page::page(title, &source, &args.runs[0], sections)?.save(&out)?;
    console.result(&format!("{}\n", out.display()))?;
    Ok(Exit::Done)
}

fn out(args: &Args) -> Result<PathBuf> {
    match (&args.out, args.runs.as_slice()) {
        (Some(out), _) => Ok(out.clone()),
        (None, [run]) if run.is_file() => {
            let message =
                format!("{}: this is a weights file; say with --out where the page goes", run.display());
            Err(UsageError(message).into())
        }
        (None, [run]) => Ok(run.join(PAGE_FILE)),
        (None, _) => Ok(PathBuf::from(PAGE_FILE)),
    }
}

fn section(args: &Args, run: &Path, console: Console) -> Result<(RunSection, Arc<dyn Source>)> {
    let mut inspector = Inspector::open(run)?;
    let Asked { source, split } =
        args.images.open(&network(run, &inspector), args.split, args.max_pixels, console)?;
    let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let options = SurveyOptions { split, limit, ..SurveyOptions::default() };
    let survey = survey(&mut inspector, &source, options, console)?;
    let closeup = Closeup::of(&mut inspector, &source, &Choice::default(), &HeatMapChoice::default())?;
    let section = RunSection {
        maps: Some(closeup.maps),
        heat_maps: closeup.heat_maps,
        grad_cams: closeup.grad_cams,
        ..run_page::section(run)?.with_survey(&survey)
    };
    Ok((section, source))
}
