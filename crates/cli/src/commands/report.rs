//! `convscope report`: writes the page of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use convscope_data::Split;
use convscope_inspect::Inspector;

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{MaxPixels, Threads, at_least_1, config_of_run, named};
use crate::look::{Look, LookOptions};
use crate::looking::network;
use crate::page_contents::is_fuller;
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

    /// Compute the layer table over these images of each run; correct and wrong predictions are always of the test
    /// images
    #[arg(long, value_name = "SPLIT", default_value = "train", value_parser = named::<Split>(SPLITS))]
    split: Split,

    /// Use only the first N images [default: all of the split]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    limit: Option<u64>,

    /// Write the page to this file [default: report.html in the run directory; for several runs, in this folder]
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,

    #[command(flatten)]
    max_pixels: MaxPixels,

    #[command(flatten)]
    threads: Threads,
}

const SPLITS: &[&str] = &["train", "val", "test"];

const AFTER_HELP: &str = "\
The page is a single file that opens with a double-click and makes no network requests. It is the page that `inspect` \
writes; without --out, its tables and pictures are written too. A page that already shows more is not replaced.

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
    let mut sections = Vec::new();
    let mut first = None;
    for run in &args.runs {
        let (mut inspector, asked) = open(args, run, console)?;
        let options = LookOptions {
            limit: args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            ..LookOptions::default()
        };
        let look = Look::at(&mut inspector, &asked, &args.images, &options, console)?;
        sections.push(look.section(run)?);
        first.get_or_insert((asked.source, look));
    }
    let Some((source, look)) = first else { return Err(UsageError("name a run".to_owned()).into()) };
    if let [run] = args.runs.as_slice() {
        let contents = look.contents(run)?;
        let is_fuller = is_fuller(&out, &contents);
        if is_fuller {
            console.warning(&format!(
                "{}: this page already shows all of that and more, so it was not replaced; --out FILE.html writes another one",
                out.display()
            ));
        } else if args.out.is_none() {
            // The tables next to the page have the same figures.
            look.save(run, run, &source)?;
        } else {
            look.page(run, &source)?.save(&out)?;
        }
    } else {
        let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        let title = format!("{} on {}", names.join(" and "), run_page::data_name(&*source));
        run_page::page(title, &source, &args.runs[0], sections)?.save(&out)?;
    }
    console.result(&format!("{}\n", out.display()))?;
    Ok(Exit::Done)
}

fn out(args: &Args) -> Result<PathBuf> {
    match (&args.out, args.runs.as_slice()) {
        (Some(out), _) => Ok(out.clone()),
        (None, [run]) if run.is_file() => {
            let message =
                format!("{}: this is a weights file; choose the file for the page with --out", run.display());
            Err(UsageError(message).into())
        }
        (None, [run]) => Ok(run.join(PAGE_FILE)),
        (None, _) => Ok(PathBuf::from(PAGE_FILE)),
    }
}

fn open(args: &Args, run: &Path, console: Console) -> Result<(Inspector, Asked)> {
    let limit = args.max_pixels.or_of_run(config_of_run(run)?.as_ref())?;
    let inspector = Inspector::open(run)?.with_pixel_limit(limit);
    let asked = args.images.open(&network(run, &inspector), args.split, args.max_pixels, console)?;
    Ok((inspector, asked))
}
