//! How the program ends: on signals, on inputs that are not regular files, and when it cannot write its output.

use std::fs;
use std::process::{Command, Stdio};

use crate::place::Place;

fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place
}

const TRAIN: &str = "train --data data --model small.toml --batch-size 48 --threads 1";

#[cfg(target_os = "linux")]
#[test]
fn a_request_to_terminate_and_a_closed_terminal_save_first() {
    use crate::training::wait_for_epoch;
    let place = place();
    place.run(&format!("{TRAIN} --epochs 2 --schedule constant --out whole")).done();
    // As after `nohup`, the last one continues until it is told to terminate.
    for (run, signals) in [("term", &["TERM"][..]), ("hup", &["HUP"]), ("nohup", &["HUP", "TERM"])] {
        let treatment = if run == "nohup" { "--ignore-signal=HUP" } else { "--default-signal=HUP" };
        let line = format!("{TRAIN} --epochs 100000 --schedule constant --out {run}");
        let mut child = Command::new("env")
            .args([treatment, env!("CARGO_BIN_EXE_convscope")])
            .args(line.split_whitespace())
            .current_dir(place.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let rest = wait_for_epoch(&mut child, 1);
        for signal in signals {
            let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
            assert!(sent.success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(130), "{run}");
        let err = rest.join().unwrap();
        assert!(err.contains(&format!("continue with: convscope train --resume {run}\n")), "{err}");
        let done = place.text(&format!("{run}/metrics.csv")).lines().count() - 1;
        place.run(&format!("train --resume {run} --epochs {} --quiet", done + 1)).done();
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_as_input_is_refused_and_not_waited_for() {
    let place = place();
    place.run(&format!("{TRAIN} --epochs 1 --quiet --out run")).done();
    for name in ["pipe.toml", "pipe.png", "pipe.safetensors", "pipe.npy", "pipe.npz", "pipe.log"] {
        assert!(Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
    }
    for (line, name) in [
        ("train --data data --config pipe.toml --quiet", "pipe.toml"),
        ("train --data data --recipe pipe.toml --quiet", "pipe.toml"),
        ("train --data data --model pipe.toml --quiet", "pipe.toml"),
        ("summary pipe.toml", "pipe.toml"),
        ("evaluate pipe.safetensors --data data --quiet", "pipe.safetensors"),
        ("predict run pipe.png", "pipe.png"),
        ("op relu --input pipe.npy", "pipe.npy"),
        ("op relu --input pipe.npz", "pipe.npz"),
        ("op relu --input pipe.safetensors", "pipe.safetensors"),
        ("tune --data data --grid lr=0.1 --storage journal:pipe.log --out study --quiet", "pipe.log"),
    ] {
        let ran = place.run(line);
        assert!(ran.code == Some(1) && ran.err.contains(name), "{line}: {ran:?}");
        assert!(ran.err.contains("not a regular file"), "{line}: {}", ran.err);
    }
    let checkpoint = place.path("run/checkpoint/state.safetensors");
    fs::remove_file(&checkpoint).unwrap();
    assert!(Command::new("mkfifo").arg(&checkpoint).status().unwrap().success());
    place.run("train --resume run --quiet").failed(1, &["state.safetensors", "not a regular file"]);
}

#[cfg(unix)]
#[test]
fn names_cannot_steer_the_terminal() {
    let place = Place::new();
    let dark = "da\u{202e}kr";
    for index in 0..10 {
        place.png(&format!("photos/{dark}/{index}.png"), [index * 8, 10, 20]);
        place.png(&format!("photos/light/{index}.png"), [250 - index * 8, 240, 230]);
    }
    place.small_model("small.toml");
    place.write("photos/light/evil\x1b[2J.png", "text");
    place.run("train --data photos --image-size 16 --quiet").failed(1, &["evil\\u001b[2J.png"]);
    let flags = "--data photos --image-size 16 --model small.toml --batch-size 8 --epochs 1 --skip-bad";
    place.run(&format!("train {flags} --out run\u{9b}31m")).done();
    place.png("\x1b[31mcat\n.png", [1, 2, 3]);
    let commands = [
        vec!["data", "photos", "--image-size", "16"],
        vec!["evaluate", "run\u{9b}31m", "--split", "val"],
        vec!["predict", "run\u{9b}31m", "\x1b[31mcat\n.png"],
        vec!["predict", "run\u{9b}31m", "\x1b[31mcat\n.png", "--json"],
        vec!["train", "--resume", "run\u{9b}31m"],
        vec!["predict", "run\u{9b}31m", "gone\u{202e}.png"],
    ];
    for arguments in commands {
        let output = place.command(&arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(steers), "{arguments:?}: {said:?}");
        assert!(said.contains("\\u0") || said.contains("\\u2"), "{arguments:?}: {said:?}");
        if arguments.contains(&"--json") {
            let line: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert_eq!(line["path"], "\x1b[31mcat\n.png");
        } else if arguments.contains(&"\x1b[31mcat\n.png") {
            assert_eq!(said.lines().count(), 1, "{said:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    for line in ["help", "--help", "--version", "train --help", "help tune", "summary plain8"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(line.split_whitespace()).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {err}");
        assert!(err.contains("standard output cannot be written"), "{line}: {err}");
    }
    place.run("trian").misused(&["trian"]);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure_and_the_run_is_complete() {
    let place = place();
    place.run(&format!("{TRAIN} --epochs 1 --quiet --out run")).done();
    fs::remove_file(place.path("run/report.html")).unwrap();
    fs::remove_file(place.path("run/summary.json")).unwrap();
    fs::create_dir(place.path("run/report.html")).unwrap();
    let ran = place.run("train --resume run --quiet");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["error: ", "the run is complete", "report.html", "convscope report run"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(ran.out.contains("validation") && place.exists("run/summary.json"), "{ran:?}");
    fs::remove_dir(place.path("run/report.html")).unwrap();
    place.run("report run --quiet").done();
    assert!(place.exists("run/report.html"));
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_are_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let open_to_all = |path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    open_to_all(place.path(""));
    let program = place.path("convscope");
    fs::copy(env!("CARGO_BIN_EXE_convscope"), &program).unwrap();
    open_to_all(program.clone());
    let id = Command::new("id").arg("-u").output().unwrap();
    // Limits do not apply to the superuser, and another user has no other threads.
    let (other_user, limits): (&[&str], _) = match id.stdout.as_slice() {
        b"0\n" => (&["setpriv", "--reuid=65534", "--clear-groups"], 1..=4),
        _ => (&[], 1..=1),
    };
    for limit in limits {
        let nproc = format!("--nproc={limit}");
        let line =
            format!("{TRAIN} --threads 2 --epochs 1 --quiet --out run{limit}").replace("--threads 1", "");
        let words: Vec<&str> = other_user
            .iter()
            .copied()
            .chain(["prlimit", &nproc, "./convscope"])
            .chain(line.split_whitespace())
            .collect();
        let output = Command::new(words[0]).args(&words[1..]).current_dir(place.path("")).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{limit}: {err}");
        assert!(err.starts_with("error: ") && err.lines().count() == 1, "{limit}: {err}");
    }
    // Stacks that do not fit in memory.
    let output = Command::new("prlimit")
        .args(["--as=400000000", "./convscope", "train", "--data", "data", "--threads", "400", "--quiet"])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("400 threads cannot be started") && err.contains("--threads"), "{err}");
    assert_eq!(output.status.code(), Some(1), "{err}");
}
