//! `convscope tune`: a search over settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use convscope_data::{Source, Split};
use convscope_graph::preset_file;
use convscope_train::TrainConfig;
use convscope_train::model::configured_model;
use convscope_train::run_dir::RunLocation;
use convscope_tune::runner::{Ending, Keep, Runner};
use convscope_tune::{
    Format, Parameter, Pruning, Sampler, SearchPlan, Space, Study, TpeSettings, TuneError, best,
};
use sha2::{Digest, Sha256};

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{Threads, at_least_1};
use crate::program::Program;
use crate::shell::shell_word;
use crate::train_flags::TrainFlags;
use crate::trial_process::Processes;
use crate::tune_result::{Found, StudyPaths, Unfinished, document, render, save};
use crate::tune_test::{Tested, sets_the_data, test};
use crate::tune_view::TuneView;
use crate::{interrupt, source};

/// Search for good settings by training many times, each in a separate process
///
/// Every trial is an ordinary run directory, judged by its validation accuracy. If it is killed, the same command
/// continues; several at once, also on several machines with a shared folder, share the work. A different grid, range
/// or number of trials extends the same study.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Try these values of a setting (may be repeated): any training flag, a key of the configuration file, or
    /// model.width and model.<node>.<argument>; join parts of an augmentation with +
    #[arg(long, value_name = "NAME=A,B,..", help_heading = SEARCH, value_parser = Parameter::grid)]
    grid: Vec<Parameter>,

    /// Draw values of a setting from a range (may be repeated); :log draws evenly in the logarithm, and bounds without
    /// a decimal point draw whole numbers
    #[arg(long, value_name = "NAME=LOW..HIGH[:log]", help_heading = SEARCH, value_parser = Parameter::range)]
    range: Vec<Parameter>,

    /// Draw N trials at random, instead of trying the whole grid
    #[arg(long, value_name = "N", help_heading = SEARCH, value_parser = at_least_1(), conflicts_with = "tpe")]
    random: Option<u64>,

    /// Draw N trials guided by the results of earlier ones (tree-structured Parzen estimator)
    #[arg(long, value_name = "N", help_heading = SEARCH, value_parser = at_least_1())]
    tpe: Option<u64>,

    /// End bad trials early (successive halving: at a ninth and a third of the epochs the best third continues)
    #[arg(long, help_heading = SEARCH)]
    prune: bool,

    /// Run this many trials at once, each with its share of the threads
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = SEARCH, value_parser = at_least_1())]
    jobs: u64,

    /// Retrain the best settings on training and validation images together, and test the result
    #[arg(long = "final", help_heading = SEARCH)]
    retrain: bool,

    /// The folder of the study [default: runs/tune-<model>]
    #[arg(long, value_name = "DIR", help_heading = STUDY)]
    out: Option<PathBuf>,

    /// Keep the state in this Optuna journal file [default: journal.log in the study's folder]
    #[arg(long, value_name = "journal:PATH", help_heading = STUDY, value_parser = journal)]
    storage: Option<PathBuf>,

    /// The name of the study in the journal [default: the name of its folder]
    #[arg(long, value_name = "NAME", help_heading = STUDY)]
    study: Option<String>,

    /// Files of finished trials to keep: `all`; `best` removes weights, checkpoint, event files and report of all but
    /// the best trial; `none` removes those of the best too, once it has been tested
    #[arg(long, value_name = "WHICH", help_heading = STUDY, value_enum, default_value_t = Kept::All, hide_possible_values = true)]
    keep: Kept,

    /// Repeat trials that failed, whatever the reason
    #[arg(long, help_heading = STUDY)]
    retry_failed: bool,

    /// Time to wait before the next trial after a failure of the machine (an unreadable file, a killed process), then
    /// three and nine times as long; the fourth failure in a row ends the search
    #[arg(long, value_name = "SECONDS", help_heading = STUDY, default_value = "1", value_parser = pause)]
    retry_pause: Duration,

    /// Print the result as a JSON document
    #[arg(long, help_heading = STUDY)]
    json: bool,

    #[command(flatten)]
    flags: TrainFlags,

    #[command(flatten)]
    threads: Threads,
}

/// The values of `--keep`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kept {
    All,
    Best,
    None,
}

const SEARCH: &str = "Search";
const STUDY: &str = "Study";

const AFTER_HELP: &str = "\
The other flags are those of `convscope train` and apply to all trials. The test images are used once, at the end, for the \
best trial or, with --final, for the retrained network. docs/tuning.md explains the samplers, the files and \
how several machines work together; `optuna-dashboard journal.log` shows the journal.

Examples:
  convscope tune --grid lr=0.1,0.01,0.001 --grid batch-size=64,256 --grid epochs=20,40
  convscope tune --data photos --grid augment=none,flip+shift=0.1 --grid model.width=0.5,1,2 --jobs 2
  convscope tune --data cifar10 --epochs 20 --range lr=1e-4..1e-1:log --grid optimizer=adam,sgd --tpe 40 --prune
  convscope tune --range weight-decay=1e-5..1e-2:log --random 20 --storage journal:/shared/journal.log --out /shared/wd";

/// Reads `journal:PATH`.
fn journal(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("journal:") {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Err("it must have the form journal:PATH".to_owned()),
    }
}

/// Reads a number of seconds.
fn pause(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it must be a number from 0 to 86400".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let console = *console;
    let mut plan = plan(args)?;
    let place = place(args, &plan)?;
    if Study::format(&place.journal, &place.name)? == Some(Format::Legacy) {
        console.warning(&format!(
            "warning: study {}: an earlier version started it without recording its images, so it is unknown whether they are still the same",
            place.name
        ));
        // Its trials draw their splits like that version.
        plan.base.data.split_seed = None;
    }
    let source = check_source(&plan, console)?;
    plan.base = args.flags.fitted(plan.base, &*source, console)?;
    let plan = SearchPlan { data: data_digest(&plan, &*source), model: model_digest(&plan)?, ..plan };
    let opened = Study::open(&place.journal, &place.name, plan, &place.folder, tell_of_waiting);
    let mut study = opened.map_err(|error| advise(error, &place))?;
    console.note(&format!("{}: {}", source::describe(&*source), source::contents(&*source)));
    let images = source.len(Split::Val) as u64;
    drop(source);
    let jobs = usize::try_from(args.jobs)?;
    let threads = args.threads.threads.map(usize::try_from).transpose()?;
    let threads = match threads.or(study.plan().base.threads) {
        Some(threads) => threads,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let runner = Runner {
        trials: Box::new(Processes { program: Program::this() }),
        folder: place.folder.clone(),
        jobs,
        threads: (threads / jobs).max(1),
        retry_pause: args.retry_pause,
        keep: match args.keep {
            Kept::All => Keep::All,
            Kept::Best => Keep::Best,
            Kept::None => Keep::None,
        },
    };
    console.note(&format!(
        "study {}: {} over {}, in {}",
        place.name,
        if study.planned() == 1 { "1 trial".to_owned() } else { format!("{} trials", study.planned()) },
        study.plan().space.parameters().iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
        place.folder.display()
    ));
    if study.others() > 0 {
        let others = study.others();
        console.note(&format!("outside of this search and not ranked: {others} of the study's trials"));
    }
    if args.retry_failed {
        let failed = study.retry_failed()?;
        console.note(&format!("failed trials to be repeated: {failed}"));
    }
    interrupt::finish_first();
    let mut view = TuneView::new(console);
    let ending = runner.run(&mut study, &interrupt::INTERRUPTED, &mut view);
    view.finish();
    let interrupted = || {
        console.warning("interrupted; everything is saved, and the same command continues");
        Ok(Exit::Interrupted)
    };
    let ending = ending.map_err(|error| advise(error, &place))?;
    if ending == Ending::Interrupted {
        return interrupted();
    }
    let trials = study.trials();
    let unfinished = Unfinished::of(&study, &ending);
    let winner = best(&trials).filter(|_| unfinished.is_none());
    let mut tested = None;
    if let Some(winner) = winner {
        let which = if args.retrain { Tested::Retrained } else { Tested::Winner };
        match test(which, &mut study, &runner, winner, args.threads, console)? {
            Some(test) => tested = test,
            None => return interrupted(),
        }
        if runner.keep == Keep::None {
            runner.strip(winner)?;
        }
    }
    interrupt::at_once();
    tell(
        args,
        &place,
        &Found { study: &study, images, unfinished: unfinished.as_ref(), test: tested.as_ref() },
        console,
    )?;
    if let Some(unfinished) = &unfinished {
        console.error(&unfinished.sentence());
    }
    Ok(if winner.is_some() { Exit::Done } else { Exit::Failed })
}

/// Writes the files and prints the result.
fn tell(args: &Args, place: &StudyPaths, found: &Found<'_>, console: Console) -> Result<()> {
    save(place, found, console)?;
    let text = if args.json { document(place, found)? } else { render(place, found, console) };
    console.result(&text)
}

/// Says what to do about a study that cannot be used.
fn advise(error: TuneError, place: &StudyPaths) -> anyhow::Error {
    // Trials of another study would conflict with existing ones.
    let folder = if place.folder.join("trials").exists() { " and --out DIR" } else { "" };
    let another = format!("start another one with --study NAME{folder}");
    let advice = match &error {
        TuneError::OtherStudy { .. } => format!("give the same settings to continue it, or {another}"),
        TuneError::ForeignStudy { .. } => another,
        TuneError::OtherFolder { recorded: Some(recorded), asked, .. } if recorded != asked => {
            format!("continue it with --out {}, or {another}", shell_word(recorded))
        }
        TuneError::OtherFolder { .. } => format!("continue it in its folder with --out, or {another}"),
        TuneError::Taken { .. } => "choose another folder with --out".to_owned(),
        _ => return error.into(),
    };
    let text = format!("{error}; {advice}");
    anyhow::Error::new(error).context(text)
}

/// Reports a search that seems to hang, even when quiet.
fn tell_of_waiting(lock: &Path) {
    Console::new(false).warning(&format!(
        "{}: waiting for another process to release the journal; if it was killed, this takes 30 seconds",
        lock.display()
    ));
}

fn plan(args: &Args) -> Result<SearchPlan> {
    let base = args.flags.checked()?;
    let space = Space::new(args.grid.iter().chain(&args.range).cloned().collect())?;
    space.check(&base)?;
    let count = |trials: u64| usize::try_from(trials).unwrap_or(usize::MAX);
    let sampler = match (args.random, args.tpe) {
        (Some(trials), _) => Sampler::Random { trials: count(trials) },
        (_, Some(trials)) => Sampler::Tpe { trials: count(trials), settings: TpeSettings::default() },
        (None, None) if args.range.is_empty() => Sampler::Grid,
        (None, None) => {
            let message =
                "--range has infinitely many values; set the number of trials with --random N or --tpe N";
            return Err(UsageError(message.to_owned()).into());
        }
    };
    let pruning = if args.prune { Pruning::SuccessiveHalving } else { Pruning::Off };
    Ok(SearchPlan { space, sampler, seed: base.seed, pruning, base, data: None, model: None })
}

fn place(args: &Args, plan: &SearchPlan) -> Result<StudyPaths> {
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => match RunLocation::default_for(&plan.base.model) {
            RunLocation::Exact(run) | RunLocation::Numbered(run) => {
                let name = run.file_name().unwrap_or_default().to_string_lossy();
                run.with_file_name(format!("tune-{name}"))
            }
        },
    };
    let journal = args.storage.clone().unwrap_or_else(|| folder.join("journal.log"));
    let name = match &args.study {
        Some(name) => name.clone(),
        None => {
            let whole = std::path::absolute(&folder)?;
            whole.file_name().map_or_else(|| "study".to_owned(), |name| name.to_string_lossy().into_owned())
        }
    };
    Ok(StudyPaths { folder, journal, name })
}

fn no_teacher() -> anyhow::Error {
    let message = "trials train no teachers of their own; train one, and name it with --teachers";
    UsageError(message.to_owned()).into()
}

/// Opens the images. Unusable data and invalid models are reported before the first trial.
fn check_source(plan: &SearchPlan, console: Console) -> Result<Arc<dyn Source>> {
    if plan.base.data.train_on_val {
        let message = "trials are judged on the validation images; leave out --train-on-val, since --final does this at the end";
        return Err(UsageError(message.to_owned()).into());
    }
    if plan.base.teacher.is_some() {
        return Err(no_teacher());
    }
    let source = source::open_for(&plan.base, console)?;
    if source.is_empty(Split::Val) {
        let message = format!(
            "{}: there are no validation images to judge trials on; see --val-fraction",
            source.name()
        );
        return Err(UsageError(message).into());
    }
    let size = source.image_size();
    let input = [source.channels(), size.height, size.width];
    let resolve = |config: &TrainConfig| configured_model(config, input, source.classes().len()).map(drop);
    // Whether an option fits depends on the model, which another parameter may choose.
    let is_searched = plan.space.parameters().iter().any(|parameter| parameter.name == "model");
    for (name, config) in plan.space.one_by_one(&plan.base)? {
        if config.teacher.is_some() {
            return Err(no_teacher());
        }
        if name == "model" || (name.starts_with("model.") && !is_searched) {
            resolve(&config)?;
        }
    }
    if !is_searched {
        resolve(&plan.base)?;
    }
    Ok(source)
}

/// The digest of the images and their splits, unless the data is a parameter.
fn data_digest(plan: &SearchPlan, source: &dyn Source) -> Option<String> {
    let is_searched = plan.space.parameters().iter().any(|parameter| sets_the_data(&parameter.name));
    source.manifest().filter(|_| !is_searched).map(|manifest| manifest.digest().to_owned())
}

/// The digest of the model's file or preset, unless it is a parameter. Comments and the order of its keys do not
/// matter.
fn model_digest(plan: &SearchPlan) -> Result<Option<String>> {
    if plan.space.parameters().iter().any(|parameter| parameter.name == "model") {
        return Ok(None);
    }
    let model = &plan.base.model;
    let text = if model.ends_with(".toml") {
        convscope_files::read_to_string(Path::new(model))
            .with_context(|| format!("{model} cannot be read"))?
    } else {
        preset_file(model)?.to_owned()
    };
    let table: toml::Table = text.parse().with_context(|| model.clone())?;
    let digest = Sha256::digest(table.to_string());
    Ok(Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}
