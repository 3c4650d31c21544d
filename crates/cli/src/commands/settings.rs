//! `convscope settings`: every setting of training.

use std::fmt::Write;

use anyhow::Result;
use convscope_report::{Cell, Column, Style, Table};
use convscope_train::config::{Form, Setting};
use serde_json::json;

use crate::console::Console;
use crate::exit::Exit;

/// List every setting of training: its key in a configuration file, flag, default and accepted values
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print a JSON document
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// Print the table of docs/settings.md
    #[arg(long)]
    markdown: bool,
}

const AFTER_HELP: &str = "\
A value comes from the defaults, overridden by --recipe, by the --config file and by flags. `none` takes a value away where there \
may be none, also in a file: `--patience none`, `patience = \"none\"`. A switch has a negation: `--no-nesterov`.

Examples:
  convscope settings
  convscope train --recipe best --clip-norm none --no-skip-bad
  convscope tune --grid optimizer.eps=1e-8,1e-6";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let text = if args.json {
        serde_json::to_string_pretty(&Setting::all().map(document).collect::<Vec<_>>())? + "\n"
    } else if args.markdown {
        markdown()
    } else {
        listed(console.style())
    };
    console.result(&text)?;
    Ok(Exit::Done)
}

/// A line for each setting, narrow enough for help.
pub(crate) fn overview() -> String {
    let mut table = Table::new(["key", "flag", "default"].map(Column::left));
    for setting in Setting::all() {
        table.row([setting.key.to_owned(), flag(setting), default(setting)].map(Cell::from));
    }
    table.render(Style::default())
}

/// A line for each setting.
fn listed(style: Style) -> String {
    let columns = ["key", "flag", "default", "accepted"];
    let mut table = Table::new(columns.map(Column::left));
    for setting in Setting::all() {
        let accepted = accepted(setting);
        table.row([setting.key.to_owned(), flag(setting), default(setting), accepted].map(Cell::from));
    }
    table.render(style)
}

fn markdown() -> String {
    let mut text = "| key | flag | default | accepted | what it does |\n|---|---|---|---|---|\n".to_owned();
    let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
    let plain = |text: String| text.replace('|', "\\|").replace('<', "&lt;");
    for setting in Setting::all() {
        let (flag, default) = (code(flag(setting)).replace('|', "\\|"), code(default(setting)));
        let (accepted, help) = (plain(accepted(setting)), plain(setting.description()));
        let _ = writeln!(text, "| `{}` | {flag} | {default} | {accepted} | {help} |", setting.key);
    }
    text
}

fn document(setting: &Setting) -> serde_json::Value {
    json!({
        "key": setting.key,
        "flag": setting.flag_name().map(|name| format!("--{name}")),
        "negation": negation(setting),
        "default": (setting.default)(),
        "accepted": setting.accepted,
        "names": setting.names,
        "may_be_none": setting.may_be_none(),
        "help": setting.description(),
    })
}

/// `--lr RATE`; empty for one that is only in files.
fn flag(setting: &Setting) -> String {
    let Some(name) = setting.flag_name() else { return String::new() };
    match (setting.flag.map(|flag| flag.form), negation(setting)) {
        (Some(Form::Value(value)), _) => format!("--{name} {value}"),
        (_, Some(negation)) => format!("--{name}, {negation}"),
        _ => format!("--{name}"),
    }
}

fn negation(setting: &Setting) -> Option<String> {
    let is_switch = setting.flag.is_some_and(|flag| matches!(flag.form, Form::Switch(..)));
    setting.flag_name().filter(|_| is_switch).map(|name| format!("--no-{name}"))
}

fn default(setting: &Setting) -> String {
    (setting.default)()
}

fn accepted(setting: &Setting) -> String {
    if setting.names.is_empty() { setting.accepted.to_owned() } else { setting.names.join(", ") }
}
