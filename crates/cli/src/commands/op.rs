//! `convscope op`: one operator on tensors from files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use convscope_report::table::{Cell, Column, Style, Table};
use convscope_verify::{Argument, OperatorCall, Tensor, arguments, operators, tensors};
use serde_json::{Map, Value};

use crate::console::Console;
use crate::exit::{Exit, UsageError};
use crate::suggest::did_you_mean;
use crate::tensor_file;

/// Run one operator on tensors from files, with PyTorch's argument names as flags
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, disable_help_flag = true)]
pub(crate) struct Args {
    /// PyTorch's name of the operator: conv2d, max_pool2d, roi_align, ...
    #[arg(value_name = "NAME", required_unless_present = "help")]
    name: Option<String>,

    /// --TENSOR FILE for each tensor, --ARGUMENT VALUE for other arguments, --output FILE for the result
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,

    /// Print help; after NAME, the tensors and arguments of that operator
    #[arg(long, short)]
    help: bool,
}

const AFTER_HELP: &str = "\
Tensors are .npy, .npz or .safetensors files of float32 or int64 values; FILE:NAME picks one of several in a file. \
Values are written as in Python: 3, [3, 2], same, true, None. With --grad-output FILE the gradients are computed too.

--output FILE.npy saves the output; --output FILE.npz or FILE.safetensors also saves what else the operator returns (indices, \
running statistics, gradients as grad.input, ...). Without --output the results are printed.

Examples:
  convscope op conv2d --help                      its tensors and arguments with their defaults
  convscope op conv2d --input x.npy --weight w.npy --stride '[2, 1]' --padding 1 --output y.npy
  convscope op max_pool2d --input x.npz:image --kernel_size 2 --ceil_mode true
  convscope op batch_norm --input x.npy --running_mean m.npy --running_var v.npy --training true --output y.npz";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Some(name) = &args.name else {
        // Building it passes the global flags down to this command.
        let mut command = crate::command();
        command.build();
        let help = command.find_subcommand_mut("op").map(|op| op.render_help());
        console.result(&help.unwrap_or_default().to_string())?;
        return Ok(Exit::Done);
    };
    let (Some(names), Some(known)) = (tensors(name), arguments(name)) else {
        let mut problem = format!("no operator is called {name}; there are {}", operators().join(", "));
        if let Some(meant) = did_you_mean(name, operators()) {
            problem = format!("{problem}; {meant}");
        }
        return Err(UsageError(problem).into());
    };
    let given = Given::read(&args.arguments)?;
    if args.help || given.help {
        console.result(&described(name, names, known))?;
        return Ok(Exit::Done);
    }
    let console = if given.quiet { Console::new(true) } else { *console };
    let mut call = OperatorCall { operator: name.clone(), arguments: Map::new(), tensors: BTreeMap::new() };
    let (mut output, mut grad_output) = (None, None);
    for (name, value) in given.values {
        match name.as_str() {
            "output" => output = Some(PathBuf::from(value)),
            "grad_output" => grad_output = Some(tensor_file::read(&value, "grad_output")?),
            tensor if names.contains(&tensor) => {
                let read = tensor_file::read(&value, tensor)?;
                call.tensors.insert(name, read);
            }
            _ => {
                call.arguments.insert(name, python_value(&value));
            }
        }
    }
    let grad_output = match grad_output {
        Some(Tensor::F32(array)) => Some(array),
        Some(other) => {
            let problem = format!("grad_output has {} values, but it must be float32", other.dtype());
            return Err(UsageError(problem).into());
        }
        None => None,
    };
    let results = call.run(grad_output.as_ref())?;
    match output {
        Some(path) => {
            tensor_file::write(&path, &results)?;
            console.note(&format!("wrote {}", path.display()));
        }
        None => console.result(&printed(&results))?,
    }
    Ok(Exit::Done)
}

/// The help of one operator.
fn described(name: &str, tensors: &[&str], arguments: &[Argument]) -> String {
    let mut table = Table::new([Column::left("flag"), Column::left("default"), Column::left("")]);
    for tensor in tensors {
        table.row([format!("--{tensor}").into(), Cell::from(""), Cell::from("a tensor")]);
    }
    for Argument { name, default, about } in arguments {
        let default = default.unwrap_or("required");
        table.row([format!("--{name}").into(), Cell::from(default), Cell::from(*about)]);
    }
    for (flag, about) in [
        ("--grad_output", "a tensor: the gradient with respect to the output, to compute the gradients too"),
        ("--output", "the file for the results; without it they are printed"),
    ] {
        table.row([Cell::from(flag), Cell::from(""), Cell::from(about)]);
    }
    format!(
        "{name} as in PyTorch. Tensors are .npy, .npz or .safetensors files; one that may be None in PyTorch may be left \
         out.\n\nUsage: convscope op {name} --{} FILE ...\n\n{}",
        tensors.first().unwrap_or(&"input"),
        table.render(Style::PLAIN)
    )
}

/// The arguments after the operator's name.
#[derive(Debug, Default)]
struct Given {
    values: Vec<(String, String)>,
    help: bool,
    quiet: bool,
}

impl Given {
    /// Reads `--name value` and `--name=value`, and the flags of every command; hyphens in names mean PyTorch's
    /// underscores.
    fn read(arguments: &[String]) -> Result<Given, UsageError> {
        let mut given = Given::default();
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "-h" | "--help" => given.help = true,
                "-q" | "--quiet" => given.quiet = true,
                _ => {
                    let Some(flag) = word.strip_prefix("--") else {
                        return Err(UsageError(format!("'{word}' is not a flag; write --NAME VALUE")));
                    };
                    let (name, value) = match flag.split_once('=') {
                        Some((name, value)) => (name, value.to_owned()),
                        None => {
                            let value = rest.next();
                            let value = value.ok_or_else(|| UsageError(format!("--{flag} has no value")))?;
                            (flag, value.clone())
                        }
                    };
                    let name = name.replace('-', "_");
                    if given.values.iter().any(|(known, _)| *known == name) {
                        return Err(UsageError(format!("--{name} is given twice")));
                    }
                    given.values.push((name, value));
                }
            }
        }
        Ok(given)
    }
}

/// A number, list, Boolean or None in Python or JSON syntax; anything else is a word.
fn python_value(text: &str) -> Value {
    match text {
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        "None" => Value::Null,
        _ => {
            let list = text.replace('(', "[").replace(')', "]").replace("None", "null");
            serde_json::from_str(&list).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
    }
}

fn printed(results: &BTreeMap<String, Tensor>) -> String {
    let mut text = String::new();
    for (name, tensor) in results {
        let values = match tensor {
            Tensor::F32(array) => array.to_string(),
            Tensor::F64(array) => array.to_string(),
            Tensor::I64(array) => array.to_string(),
        };
        text += &format!("{name} {:?}\n{values}\n", tensor.shape());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flags_and_values_read_as_python_writes_them() {
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let read = |text: &str| Given::read(&words(text));
        let given = read("--kernel-size|(3, 2)|--padding=same|-q|--ceil_mode|True|--x|-1.5").unwrap();
        assert!(given.quiet && !given.help && read("--x|1|-h").unwrap().help);
        let values: Vec<(&str, Value)> =
            given.values.iter().map(|(name, value)| (name.as_str(), python_value(value))).collect();
        let expected = [
            ("kernel_size", json!([3, 2])),
            ("padding", json!("same")),
            ("ceil_mode", json!(true)),
            ("x", json!(-1.5)),
        ];
        assert_eq!(values, expected);
        assert_eq!(python_value("(None, 3)"), json!([null, 3]));
        for (text, problem) in [
            ("--a", "--a has no value"),
            ("x.npy", "'x.npy' is not a flag; write --NAME VALUE"),
            ("--a|1|--a=2", "--a is given twice"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), problem);
        }
    }
}
