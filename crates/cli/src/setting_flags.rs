//! A flag for each setting of training that has one, from the table of settings.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use convscope_train::PartialConfig;
use convscope_train::config::{Form, Setting};

/// The settings that are given as flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingFlags {
    pub(crate) given: PartialConfig,
}

/// The settings that have flags, with the names of these.
fn flags() -> impl Iterator<Item = (&'static Setting, String, &'static str, Form)> {
    Setting::all().filter_map(|setting| {
        let flag = setting.flag?;
        Some((setting, setting.flag_name()?, flag.group.title(), flag.form))
    })
}

/// The identifier of the flag that negates a switch.
fn negation(setting: &Setting) -> String {
    format!("no-{}", setting.key)
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, (setting, name, group, form)| {
            let arg = Arg::new(setting.key).long(name.clone()).help(help(setting)).help_heading(group);
            match form {
                Form::Value(value) => command
                    .arg(arg.value_name(value).allow_negative_numbers(true).value_parser(parser(setting))),
                Form::Switch(..) => {
                    let on = arg.action(ArgAction::SetTrue).overrides_with(negation(setting));
                    let off = Arg::new(negation(setting)).long(format!("no-{name}")).hide(true);
                    command.arg(on).arg(off.action(ArgAction::SetTrue).overrides_with(setting.key))
                }
            }
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = flags().filter_map(|(setting, _, _, form)| {
            let text = match form {
                Form::Value(_) => matches.get_one::<String>(setting.key)?.as_str(),
                Form::Switch(on, _) if matches.get_flag(setting.key) => on,
                Form::Switch(_, off) if matches.get_flag(&negation(setting)) => off,
                Form::Switch(..) => return None,
            };
            Some((setting, text))
        });
        let given = PartialConfig::of_settings(given);
        Ok(SettingFlags {
            given: given.map_err(|error| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error))?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What a setting does, with its default.
fn help(setting: &Setting) -> String {
    let text = setting.description();
    let default = (setting.default)();
    let has_default =
        text.contains("[default: ") || matches!(setting.flag.map(|flag| flag.form), Some(Form::Switch(..)));
    if has_default { text } else { format!("{text} [default: {default}]") }
}

fn parser(setting: &'static Setting) -> ValueParser {
    if setting.names.is_empty() {
        let check = move |text: &str| {
            setting.check(text).map(|()| text.to_owned()).map_err(|wanted| format!("it must be {wanted}"))
        };
        return ValueParser::new(check);
    }
    let names = setting.names.iter().copied().chain(setting.may_be_none().then_some("none"));
    PossibleValuesParser::new(names.collect::<Vec<_>>()).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use convscope_train::TrainConfig;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        settings: SettingFlags,
    }

    fn config(line: &str) -> TrainConfig {
        let cli = Cli::try_parse_from(["train"].into_iter().chain(line.split_whitespace())).unwrap();
        TrainConfig::default().merged(&cli.settings.given).unwrap()
    }

    #[test]
    fn the_last_of_a_switch_and_its_negation_counts_and_none_takes_a_value_away() {
        assert!(
            config("--optimizer sgd --momentum 0.5 --no-nesterov --nesterov")
                .to_toml()
                .unwrap()
                .contains("nesterov = true")
        );
        assert!(
            config("--optimizer muon --nesterov --no-nesterov")
                .to_toml()
                .unwrap()
                .contains("nesterov = false")
        );
        assert!(!config("--train-on-val --no-train-on-val").data.train_on_val);
        assert_eq!(config("--patience none").patience, None);
        assert_eq!(config("--initializer none").initializer, None);
    }

    #[test]
    fn wrong_values_are_explained_in_plain_words() {
        for (line, part) in [
            ("--epochs many", "it must be a whole number"),
            ("--lr fast", "it must be a number"),
            ("--patience soon", "it must be a whole number of at least 0, or none"),
            ("--mean 0.5,x", "it must be a list of numbers"),
            ("--optimizer rmsprop", "adamw"),
            ("--image-size big", "a side in pixels"),
        ] {
            let error =
                Cli::try_parse_from(["train"].into_iter().chain(line.split(' '))).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
