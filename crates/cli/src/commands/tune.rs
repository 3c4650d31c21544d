//! `convscope tune`: a search over settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use convscope_data::{CHANNELS, Split};
use convscope_files::FileLock;
use convscope_report::html::{DataOrigin, ReportPage};
use convscope_report::number::percent;
use convscope_report::study::{StudyReport, TrialLine};
use convscope_train::model::{TrainedModel, resolve_model};
use convscope_train::run_dir::{RunLocation, Summary};
use convscope_train::{RunDir, TrainConfig};
use convscope_tune::runner::{Ending, Runner, Trained};
use convscope_tune::{Parameter, Plan, Pruning, Sampler, Space, Study, TpeSettings, Trial, best, importance};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::train::shell_word;
use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::flags::{Threads, at_least_1};
use crate::run_page::{self, PAGE_FILE};
use crate::train_flags::TrainFlags;
use crate::tune_view::TuneView;
use crate::{interrupt, source};

/// Search for good settings: many trainings, each in a process of its own
///
/// Every trial is an ordinary run directory, judged by its validation accuracy. Killed at any moment, the same command
/// goes on where it was; several at once, also on several machines with a shared folder, share the work.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Try these values of a setting, may be repeated: any flag of training, a key of its configuration file, or
    /// model.width and model.<node>.<argument>; parts of an augmentation are joined by +
    #[arg(long, value_name = "NAME=A,B,..", help_heading = SEARCH, value_parser = Parameter::grid)]
    grid: Vec<Parameter>,

    /// Draw values of a setting from a range, may be repeated; :log draws evenly in the logarithm, and bounds without
    /// a point draw whole numbers
    #[arg(long, value_name = "NAME=LOW..HIGH[:log]", help_heading = SEARCH, value_parser = Parameter::range)]
    range: Vec<Parameter>,

    /// Draw N trials at random, rather than try the whole grid
    #[arg(long, value_name = "N", help_heading = SEARCH, value_parser = at_least_1(), conflicts_with = "tpe")]
    random: Option<u64>,

    /// Draw N trials that follow what earlier ones found (tree-structured Parzen estimator)
    #[arg(long, value_name = "N", help_heading = SEARCH, value_parser = at_least_1())]
    tpe: Option<u64>,

    /// End bad trials early (successive halving: at a ninth and a third of the epochs the best third goes on)
    #[arg(long, help_heading = SEARCH)]
    prune: bool,

    /// Train so many trials at once, each with its share of the threads
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = SEARCH, value_parser = at_least_1())]
    jobs: u64,

    /// Retrain the best settings on training and validation images together, and test that network
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

    /// Print the result as a JSON document
    #[arg(long, help_heading = STUDY)]
    json: bool,

    #[command(flatten)]
    flags: TrainFlags,

    #[command(flatten)]
    threads: Threads,
}

const SEARCH: &str = "Search";
const STUDY: &str = "Study";

const AFTER_HELP: &str = "\
The other flags are those of `convscope train` and hold for all trials. The test images are looked at once, at the \
end, by the best trial or with --final by the retrained network. docs/tuning.md explains the samplers, the files and \
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

/// How the best network does on the test images, as the study keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Test {
    /// The best trial.
    trial: usize,
    /// The run directory of the network that was tested, within the study's folder.
    run: String,
    loss: f64,
    accuracy: f64,
}

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    study: &'a str,
    folder: &'a Path,
    journal: &'a Path,
    best: Option<&'a TrialLine>,
    test: Option<&'a Test>,
    importance: serde_json::Value,
    ranking: &'a [TrialLine],
}

/// Where everything lies.
struct Place {
    folder: PathBuf,
    journal: PathBuf,
    name: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let console = *console;
    let plan = plan(args)?;
    let place = place(args, &plan)?;
    let (data, images) = check_source(&plan, console)?;
    let workers = place.folder.join("workers");
    let mut study = Study::open(&place.journal, &place.name, plan, &workers, tell_of_waiting)?;
    console.note(&data);
    let jobs = usize::try_from(args.jobs)?;
    let threads = args.threads.threads.map(usize::try_from).transpose()?;
    let threads = match threads.or(study.plan().base.threads) {
        Some(threads) => threads,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let runner = Runner {
        program: std::env::current_exe().context("the path of this program is not known")?,
        folder: place.folder.clone(),
        jobs,
        threads: (threads / jobs).max(1),
    };
    console.note(&format!(
        "study {}: {} over {}, in {}",
        place.name,
        if study.planned() == 1 { "1 trial".to_owned() } else { format!("{} trials", study.planned()) },
        study.plan().space.parameters().iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
        place.folder.display()
    ));
    interrupt::finish_first();
    let mut view = TuneView::new(console);
    let ending = runner.run(&mut study, &interrupt::INTERRUPTED, &mut view);
    view.finish();
    let interrupted = || {
        console.warning("interrupted; everything is saved, the same command goes on");
        Ok(Exit::Interrupted)
    };
    if ending? == Ending::Interrupted {
        return interrupted();
    }
    let trials = study.trials();
    let Some(winner) = best(&trials) else {
        save(&place, &study, images, None, console)?;
        let report = StudyReport { space: &study.plan().space, trials: &trials, images };
        console.result(&format!("no trial was completed\n\n{}", report.table().render(console.style())))?;
        return Ok(Exit::Failed);
    };
    let Some(test) = test(args, &mut study, &runner, winner, console)? else { return interrupted() };
    interrupt::at_once();
    save(&place, &study, images, test.as_ref(), console)?;
    let report = StudyReport { space: &study.plan().space, trials: &trials, images };
    let text = if args.json {
        document(&place, &report, test.as_ref())?
    } else {
        render(&place, &study, &report, winner, test.as_ref(), console)
    };
    console.result(&text)?;
    Ok(Exit::Done)
}

/// A search that seems to stand still is told of even when quiet.
fn tell_of_waiting(lock: &Path) {
    Console::new(false).warning(&format!(
        "{}: waiting for another process to release the journal; one that was killed is waited for 30 seconds",
        lock.display()
    ));
}

fn plan(args: &Args) -> Result<Plan> {
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
                "--range has no end of values; say how many trials to draw with --random N or --tpe N";
            return Err(UsageError(message.to_owned()).into());
        }
    };
    let pruning = if args.prune { Pruning::SuccessiveHalving } else { Pruning::Off };
    Ok(Plan { space, sampler, seed: base.seed, pruning, base })
}

fn place(args: &Args, plan: &Plan) -> Result<Place> {
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
    Ok(Place { folder, journal, name })
}

/// What the images are, and how many of them validate. Data that no trial could be judged on, and models that are none, are said before the first one.
fn check_source(plan: &Plan, console: Console) -> Result<(String, u64)> {
    if plan.base.data.train_on_val {
        let message = "trials are judged by the validation images; leave out --train-on-val, --final does it at the end";
        return Err(UsageError(message.to_owned()).into());
    }
    let source = source::open(&plan.base.data.source, source::options(&plan.base)?, console)?;
    if source.is_empty(Split::Val) {
        let message = format!(
            "{}: there are no validation images to judge a trial by; see --val-fraction",
            source.name()
        );
        return Err(UsageError(message).into());
    }
    let size = source.image_size();
    let input = [CHANNELS, size.height, size.width];
    let resolve = |config: &TrainConfig| {
        resolve_model(&config.model, input, source.classes().len(), &config.model_options).map(drop)
    };
    // Whether an option fits depends on the model that another parameter may choose.
    let is_searched = plan.space.parameters().iter().any(|parameter| parameter.name == "model");
    for (name, config) in plan.space.one_by_one(&plan.base)? {
        if name == "model" || (name.starts_with("model.") && !is_searched) {
            resolve(&config)?;
        }
    }
    if !is_searched {
        resolve(&plan.base)?;
    }
    let text = format!("{}: {}", source::describe(&*source), source::contents(&*source));
    Ok((text, source.len(Split::Val) as u64))
}

/// What the best network does on the test images: looked up, or found out by the one process that gets the lock. The
/// outer none stands for an interruption, the inner one for data without test images.
fn test(
    args: &Args,
    study: &mut Study,
    runner: &Runner,
    winner: &Trial,
    console: Console,
) -> Result<Option<Option<Test>>> {
    let path = runner.folder.join("workers").join("test.lock");
    // Where there are no locks, several processes may find out the same.
    let _lock = FileLock::wait(&path).with_context(|| format!("{} cannot be locked", path.display()))?;
    study.refresh()?;
    let wanted = if args.retrain { FINAL.to_owned() } else { run_of(winner) };
    let known = study.attribute(&format!("test {wanted}")).cloned();
    let known: Option<Test> = known.and_then(|known| serde_json::from_value(known).ok());
    if let Some(known) = known.filter(|known| known.trial == winner.number) {
        return Ok(Some(Some(known)));
    }
    let config = RunDir::open(&runner.run_dir(winner.number))?.config()?;
    let judged = if args.retrain {
        let config = final_config(config, winner);
        console.note(&format!(
            "retraining the settings of trial {} on all images but the test's",
            winner.number
        ));
        match runner.train_alone(FINAL, &config, &interrupt::INTERRUPTED)? {
            Trained::Interrupted => return Ok(None),
            Trained::Completed(summary) => {
                let Summary { test_loss, test_accuracy, .. } = *summary;
                test_loss.zip(test_accuracy)
            }
        }
    } else {
        let source = source::open(&config.data.source, source::options(&config)?, console)?;
        if source.is_empty(Split::Test) {
            None
        } else {
            let evaluation = args.threads.run(None, || {
                let mut model = TrainedModel::open(&runner.run_dir(winner.number), config.batch_size)?;
                Ok(model.evaluate(Arc::clone(&source), Split::Test)?)
            })?;
            Some((evaluation.loss, evaluation.accuracy))
        }
    };
    let test =
        judged.map(|(loss, accuracy)| Test { trial: winner.number, run: wanted.clone(), loss, accuracy });
    if let Some(test) = &test {
        study.set_attribute(&format!("test {wanted}"), json!(test))?;
    }
    Ok(Some(test))
}

/// The folder of the retrained network within the study's.
const FINAL: &str = "final";

fn run_of(trial: &Trial) -> String {
    trial.attributes.get("run").and_then(|run| run.as_str()).unwrap_or_default().to_owned()
}

/// The winner's settings, to be trained on all images but the test's. Where it stopped early there is nothing to stop
/// by now, so it gets as many epochs as were best.
fn final_config(config: TrainConfig, winner: &Trial) -> TrainConfig {
    let epochs = match (config.patience, winner.attribute("best_epoch")) {
        (Some(_), Some(best)) => best as u64,
        _ => config.epochs,
    };
    let data = convscope_train::config::DataConfig { train_on_val: true, ..config.data };
    TrainConfig { epochs, patience: None, data, ..config }
}

/// Writes `study.csv`, the plots and the page.
fn save(place: &Place, study: &Study, images: u64, test: Option<&Test>, console: Console) -> Result<()> {
    let trials = study.trials();
    let plan = study.plan();
    let report = StudyReport { space: &plan.space, trials: &trials, images };
    report.save_csv(&place.folder.join("study.csv"))?;
    report.save_plots(&place.folder)?;
    let count = |state| trials.iter().filter(|trial| trial.state == state).count();
    use convscope_tune::TrialState::{Complete, Failed, Pruned};
    let mut subtitle = format!(
        "{} completed, {} pruned and {} failed trials",
        count(Complete),
        count(Pruned),
        count(Failed)
    );
    if let Some(best) = best(&trials) {
        let value = percent(best.value.unwrap_or(f64::NAN));
        subtitle += &format!("; best: trial {} with {value} validation accuracy", best.number);
    }
    if let Some(test) = test {
        subtitle += &format!(", {} on the test images", percent(test.accuracy));
    }
    let synthetic = plan.base.data.source == "shapes";
    let page = ReportPage {
        title: format!("Search: {} on {}", plan.base.model, plan.base.data.source),
        subtitle,
        origin: if synthetic { DataOrigin::Synthetic } else { DataOrigin::Pictures },
        generator: run_page::GENERATOR.to_owned(),
        extra: report.sections(),
        ..ReportPage::default()
    };
    page.save(&place.folder.join(PAGE_FILE))?;
    console.note(&format!("report: {}", place.folder.join(PAGE_FILE).display()));
    Ok(())
}

fn document(place: &Place, report: &StudyReport<'_>, test: Option<&Test>) -> Result<String> {
    let ranking = report.lines();
    let importance = importance(report.space, report.trials);
    let shares = importance.into_iter().map(|found| (found.name, json!(found.explained)));
    let document = Document {
        study: &place.name,
        folder: &place.folder,
        journal: &place.journal,
        best: ranking.first(),
        test,
        importance: serde_json::Value::Object(shares.collect()),
        ranking: &ranking,
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

fn render(
    place: &Place,
    study: &Study,
    report: &StudyReport<'_>,
    winner: &Trial,
    test: Option<&Test>,
    console: Console,
) -> String {
    let space = &study.plan().space;
    let settings = space.describe(&winner.point(space).unwrap_or_default());
    let value = percent(winner.value.unwrap_or(f64::NAN));
    let folder = &place.folder;
    let run = folder.join(test.map_or_else(|| run_of(winner), |test| test.run.clone()));
    let tested = match test {
        Some(test) if test.run == FINAL => {
            format!("retrained     {} on the test images\n", percent(test.accuracy))
        }
        Some(test) => format!("test          {}\n", percent(test.accuracy)),
        None => String::new(),
    };
    format!(
        "{table}\n{chance}\
         best          trial {number}: {settings}\n\
         validation    {value}\n\
         {tested}\
         run           {run}\n\
         report        {page}\n\
         table         {csv}\n\
         journal       {journal}\n\
         look closer   convscope inspect {word}\n",
        table = report.table().render(console.style()),
        chance = report.chance().map_or_else(String::new, |text| format!("{text}\n\n")),
        number = winner.number,
        run = run.display(),
        page = folder.join(PAGE_FILE).display(),
        csv = folder.join("study.csv").display(),
        journal = place.journal.display(),
        word = shell_word(&run),
    )
}
