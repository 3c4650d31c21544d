//! `convscope completions`: shell completion of commands and flags.

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::console::Console;
use crate::exit::Exit;

/// Print a script that lets a shell complete commands and flags
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const AFTER_HELP: &str = "\
Examples:
  convscope completions bash > ~/.local/share/bash-completion/completions/convscope
  convscope completions zsh > ~/.zfunc/_convscope          with ~/.zfunc in fpath
  convscope completions fish > ~/.config/fish/completions/convscope.fish";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::command(), "convscope", &mut script);
    console.result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
