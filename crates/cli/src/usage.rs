//! Tips about arguments that are rejected before a command starts.

use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::advice::about_comma;
use crate::shell::shell_word;

/// The commands whose images are given with `--data`.
const WITH_DATA: [&str; 3] = ["train", "tune", "lr-find"];

/// The error with a tip, if it is clear what was meant; `command` is the first argument of the program.
pub(crate) fn with_tip(mut error: clap::Error, command: Option<&str>) -> clap::Error {
    if let Some(tip) = tip(&error, command) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

fn tip(error: &clap::Error, command: Option<&str>) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let argument = text(ContextKind::InvalidArg).filter(|argument| !argument.starts_with('-'))?;
            let command = command.filter(|command| WITH_DATA.contains(command))?;
            let path = Path::new(argument);
            let word = shell_word(path);
            Some(if command == "train" && path.join("config.toml").is_file() {
                format!("to continue a run, write convscope train --resume {word}")
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                format!("to name a model file, write convscope {command} --model {word}")
            } else {
                format!("to name the images, write convscope {command} --data {word}")
            })
        }
        ErrorKind::ValueValidation => about_comma(text(ContextKind::InvalidValue)?),
        _ => None,
    }
}
