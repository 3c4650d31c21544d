//! The `convscope` command: parses arguments, runs a command, returns an exit code.
//!
//! The binary calls [`main`]; the Python package brings the same command, and opens images as it does.

mod advice;
mod asked;
mod commands;
mod console;
mod course;
mod cross_validation;
mod exit;
mod fine_tuning;
mod flags;
mod follow;
mod interrupt;
mod look;
mod looking;
mod model_flags;
mod named_pictures;
mod network_flags;
mod onnx_cases;
mod onnx_nodes;
mod page_contents;
mod program;
mod progress;
mod resume;
mod run_page;
mod setting_flags;
mod shell;
mod small_sets;
mod sorting;
mod source;
mod suggest;
mod taught;
mod tensor_file;
mod train_flags;
mod treatment_flags;
mod trial;
mod trial_process;
mod tune_result;
mod tune_test;
mod tune_view;
mod usage;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::LazyLock;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use convscope_kernels::Isa;

pub use crate::console::Console;
use crate::exit::UsageError;
pub use crate::exit::{Exit, sentence};
pub use crate::fine_tuning::{described, suited};
pub use crate::program::Program;
pub use crate::run_page::save_after_training;
pub use crate::source::{open_for, open_recorded};

/// Trains convolutional networks on images and shows what happens inside them.
#[derive(Parser)]
#[command(name = "convscope", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print only the result and errors
    #[arg(long, short, global = true, display_order = 900)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<commands::train::Args>),
    Tune(Box<commands::tune::Args>),
    LrFind(Box<commands::lr_find::Args>),
    Evaluate(commands::evaluate::Args),
    Predict(commands::predict::Args),
    Inspect(commands::inspect::Args),
    Compare(commands::compare::Args),
    Report(commands::report::Args),
    Export(commands::export::Args),
    Settings(commands::settings::Args),
    Summary(commands::summary::Args),
    Plan(commands::plan::Args),
    Bench(commands::bench::Args),
    Data(commands::data::Args),
    Verify(commands::verify::Args),
    Op(commands::op::Args),
    Completions(commands::completions::Args),
}

const AFTER_HELP: &str = "\
Examples:
  convscope train                                  train the reference network on built-in pictures
  convscope train --data photos --model resnet8    train on the image folder photos/<class>/*
  convscope tune --grid lr=0.001,0.004 --prune     try settings; see docs/tuning.md
  convscope evaluate runs/plain8                   loss, accuracy and confusion matrix of a run
  convscope predict runs/plain8 cat.jpg            the most probable classes of an image
  convscope inspect runs/plain8                    what happens in each layer, as a table and a page
  convscope compare runs/plain8 runs/plain8-bn     two runs side by side on the same images
  convscope bench                                  how fast this machine trains, layer by layer
  convscope verify                                 every operator against PyTorch's recorded answers

Results go to standard output, progress and errors to standard error.

Exit codes:
  0    done
  1    failed
  2    wrong usage: an unknown flag, or a value that is out of range, also in a --config file
  130  interrupted; `convscope train --resume RUN` continues a training run,
       the same `convscope tune` command a search

Environment:
  CONVSCOPE_ISA  the vector instructions to use: portable, avx2, avx512 or avx512-bf16 [default: the fastest available]";

/// Writes help to standard output, and errors in the arguments to standard error.
fn say(said: &clap::Error) -> Exit {
    let written = said.print().and_then(|()| io::stdout().flush());
    let is_help = !said.use_stderr();
    match written {
        Err(error) if is_help && error.kind() != io::ErrorKind::BrokenPipe => {
            Console::new(false).error(&format!("standard output cannot be written: {error}"));
            Exit::Failed
        }
        _ if is_help => Exit::Done,
        _ => Exit::Usage,
    }
}

/// What `--version` prints after the program's name.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let available: Vec<String> = Isa::available().iter().map(Isa::to_string).collect();
    format!(
        "{}\ninstructions in use  {}\nof this processor    {}",
        env!("CARGO_PKG_VERSION"),
        Isa::best(),
        available.join(", ")
    )
});

/// The whole command line, with a table of all settings in the help of `settings`.
fn command() -> clap::Command {
    let with_table = |command: clap::Command| command.before_help(commands::settings::overview());
    Cli::command().mut_subcommand("settings", with_table).long_version(VERSION.as_str())
}

/// The long flags of a command, without their dashes.
fn flags_of(command: &str) -> Vec<String> {
    let cli = Cli::command();
    let arguments = cli.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    arguments.filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
}

/// Runs a command line: `arguments` are those after the program's name, `program` is how it can be started again.
pub fn main(program: Program, arguments: Vec<OsString>) -> Exit {
    program.record();
    let first = arguments.first().map(|first| first.to_string_lossy().into_owned());
    let name = OsString::from("convscope");
    let matches = command().try_get_matches_from(std::iter::once(name).chain(arguments));
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return say(&usage::with_tip(error, first.as_deref())),
    };
    let console = Console::new(cli.quiet);
    if let Err(error) = interrupt::install() {
        console.error(&format!("the program cannot listen for Ctrl-C: {error}"));
        return Exit::Failed;
    }
    run(cli.command, &console).unwrap_or_else(|error| {
        if error.is::<console::OutputClosed>() {
            return Exit::Done;
        }
        console.error(&sentence(&error));
        exit::exit_for(&error)
    })
}

fn run(command: Command, console: &Console) -> anyhow::Result<Exit> {
    // A wrong name would otherwise be ignored silently.
    Isa::asked().map_err(|error| UsageError(error.to_string()))?;
    match command {
        Command::Train(args) => commands::train::run(&args, console),
        Command::Tune(args) => commands::tune::run(&args, console),
        Command::LrFind(args) => commands::lr_find::run(&args, console),
        Command::Evaluate(args) => commands::evaluate::run(&args, console),
        Command::Predict(args) => commands::predict::run(&args, console),
        Command::Inspect(args) => commands::inspect::run(&args, console),
        Command::Compare(args) => commands::compare::run(&args, console),
        Command::Report(args) => commands::report::run(&args, console),
        Command::Export(args) => commands::export::run(&args, console),
        Command::Settings(args) => commands::settings::run(&args, console),
        Command::Summary(args) => commands::summary::run(&args, console),
        Command::Plan(args) => commands::plan::run(&args, console),
        Command::Bench(args) => commands::bench::run(&args, console),
        Command::Data(args) => commands::data::run(&args, console),
        Command::Verify(args) => commands::verify::run(&args, console),
        Command::Op(args) => commands::op::run(&args, console),
        Command::Completions(args) => commands::completions::run(&args, console),
    }
}
