//! `convscope report`: writes the page of a run.

use std::path::PathBuf;

use anyhow::Result;
use convscope_data::Split;
use convscope_inspect::Inspector;

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{MaxPixels, SPLITS, Threads, at_least_1, config_of_run, named};
use crate::look::{Look, LookOptions};
use crate::looking::network;
use crate::network_flags::{Chosen, SeveralNetworks};
use crate::page_contents::is_fuller;
use crate::run_page::{self, PAGE_FILE};

/// Write the page of one or more runs: configuration, curves, confusion matrix, layers, feature maps
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    networks: SeveralNetworks,

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

const AFTER_HELP: &str = "\
The page is a single file that opens with a double-click and makes no network requests. It is the page that `inspect` \
writes; without --out, its tables and pictures are written too. A page that already shows more is not replaced.

Examples:
  convscope report runs/plain8
  convscope report runs/plain8 --limit 1000 --out plain8.html
  convscope report runs/plain8 runs/plain8-bn --out both.html
  convscope report --model net.onnx --class-names cat,dog --normalize imagenet --on photos --out net.html";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    args.threads.run(None, || report(args, *console))
}

fn report(args: &Args, console: Console) -> Result<Exit> {
    let networks = args.networks.all();
    let out = out(args, &networks)?;
    let mut sections = Vec::new();
    let mut first = None;
    for &network in &networks {
        let (mut inspector, asked) = open(args, network, console)?;
        let options = LookOptions {
            limit: args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            ..LookOptions::default()
        };
        let look = Look::at(&mut inspector, &asked, &args.images, &options, console)?;
        sections.push(look.section(network.path)?);
        first.get_or_insert((asked.source, look));
    }
    let Some((source, look)) = first else { return Err(UsageError("name a run".to_owned()).into()) };
    if let [Chosen { path: run, .. }] = *networks {
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
        run_page::page(title, &source, networks[0].path, sections)?.save(&out)?;
    }
    console.result(&format!("{}\n", out.display()))?;
    Ok(Exit::Done)
}

fn out(args: &Args, networks: &[Chosen<'_>]) -> Result<PathBuf> {
    match (&args.out, networks) {
        (Some(out), _) => Ok(out.clone()),
        (None, [Chosen { path, .. }]) if path.is_file() => {
            let message =
                format!("{}: this is a file; choose the file for the page with --out", path.display());
            Err(UsageError(message).into())
        }
        (None, [Chosen { path, .. }]) => Ok(path.join(PAGE_FILE)),
        (None, _) => Ok(PathBuf::from(PAGE_FILE)),
    }
}

fn open(args: &Args, chosen: Chosen<'_>, console: Console) -> Result<(Inspector, Asked)> {
    let run = chosen.path;
    let limit = args.max_pixels.or_of_run(config_of_run(run)?.as_ref())?;
    let inspector = Inspector::new(chosen.weights(console)?)?.opened_from(run).with_pixel_limit(limit);
    let asked = args.images.open(&network(run, &inspector), args.split, args.max_pixels, console)?;
    let fitted = chosen.fitted(&*asked.source, asked.split, console)?;
    Ok((fitted.into_iter().fold(inspector, Inspector::with_normalization), asked))
}
