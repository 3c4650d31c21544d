//! The arguments of `cargo xtask bench`.

use std::path::PathBuf;

/// The options.
pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [OPTION...]

  --rounds N       number of turns [default: 5]
  --only NAME,...  only these comparisons: train-plain8, train-plain8-bn, inference, latency, train-bf16, start,
                   threads, train-resnet18, train-mobilenet, inference-mobilenet, latency-mobilenet,
                   train-efficientnet, inference-efficientnet, latency-efficientnet, inference-resnet50,
                   latency-resnet50, train-convnext
  --seconds S      seconds that each program measures in a turn [default: 3]
  --threads N      number of threads [default: 2]
  --batch-size N   images per batch; the networks for photographs use an eighth of it, resnet50 a sixteenth
                   [default: 256]
  --python PATH    the Python with the other frameworks [default: python3]
  --before PATH    another convscope, built before a change; its turn is right after each program of ours
  --rust-peers     build Burn and Candle too
  --kernels        run only the criterion benchmarks of the kernels
  --json           print a JSON document
";

/// The names of the comparisons.
pub(super) const SUBJECTS: [&str; 17] = [
    "train-plain8",
    "train-plain8-bn",
    "inference",
    "latency",
    "train-bf16",
    "start",
    "threads",
    "train-resnet18",
    "train-mobilenet",
    "inference-mobilenet",
    "latency-mobilenet",
    "train-efficientnet",
    "inference-efficientnet",
    "latency-efficientnet",
    "inference-resnet50",
    "latency-resnet50",
    "train-convnext",
];

/// What to compare, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) rounds: usize,
    /// Names of comparisons; all if empty.
    pub(super) only: Vec<String>,
    pub(super) seconds: f64,
    pub(super) threads: usize,
    pub(super) batch_size: usize,
    pub(super) python: PathBuf,
    /// Another Convscope binary.
    pub(super) before: Option<PathBuf>,
    pub(super) rust_peers: bool,
    pub(super) kernels: bool,
    pub(super) json: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Options, String> {
        let mut options = Options {
            rounds: 5,
            only: Vec::new(),
            seconds: 3.0,
            threads: 2,
            batch_size: 256,
            python: "python3".into(),
            before: None,
            rust_peers: false,
            kernels: false,
            json: false,
        };
        let mut rest = arguments.iter();
        while let Some(&flag) = rest.next() {
            let mut value = || rest.next().copied().ok_or_else(|| format!("{flag} needs a value\n\n{USAGE}"));
            match flag {
                "--rounds" => options.rounds = at_least_1(flag, value()?)?,
                "--threads" => options.threads = at_least_1(flag, value()?)?,
                "--batch-size" => options.batch_size = at_least_1(flag, value()?)?,
                "--seconds" => {
                    let text = value()?;
                    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
                    options.seconds = seconds.ok_or(format!("{flag} {text}: not a number from 0 to 3600"))?;
                }
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--python" => options.python = value()?.into(),
                "--before" => options.before = Some(value()?.into()),
                "--rust-peers" => options.rust_peers = true,
                "--kernels" => options.kernels = true,
                "--json" => options.json = true,
                _ => return Err(format!("{flag} is not an option\n\n{USAGE}")),
            }
        }
        if let Some(unknown) = options.only.iter().find(|name| !SUBJECTS.contains(&name.as_str())) {
            return Err(format!("no comparison is called {unknown}; there are {}", SUBJECTS.join(", ")));
        }
        Ok(options)
    }

    pub(super) fn wants(&self, subject: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == subject)
    }
}

fn at_least_1(flag: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{flag} {text}: not a whole number from 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_change_the_defaults() {
        let options = Options::parse(&["--rounds", "2", "--only", "latency,start", "--json"]).unwrap();
        assert_eq!((options.rounds, options.json, options.threads), (2, true, 2));
        let before = Options::parse(&["--before", "old/convscope"]).unwrap().before;
        assert_eq!(before, Some(PathBuf::from("old/convscope")));
        assert!(options.wants("start") && !options.wants("threads"));
        assert!(Options::parse(&[]).unwrap().wants("threads"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (arguments, message) in [
            (&["--rounds", "0"][..], "--rounds 0: not a whole number from 1"),
            (&["--seconds", "-1"], "--seconds -1: not a number from 0 to 3600"),
            (&["--only", "trainn"], "no comparison is called trainn; there are train-plain8, "),
            (&["--rounds"], "--rounds needs a value"),
            (&["--fast"], "--fast is not an option"),
        ] {
            let error = Options::parse(arguments).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
