//! Training, evaluating and predicting from end to end, with small networks.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::place::Place;

/// Everything that a checkpoint must carry: momentum of the optimizer, moving average, schedule, the numbers of dropout
/// and augmentation.
const SMALL: &str = "train --data data --model small.toml --batch-size 20 --optimizer adamw --schedule cosine \
                     --ema 0.9 --clip-norm 1 --label-smoothing 0.1 --weight-decay-on weights \
                     --augment flip,shift=0.1,rotate=5,color,cutout,mixup,cutmix";

fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place
}

#[test]
fn a_run_can_be_evaluated_and_asked() {
    let place = place();
    let ran = place
        .run("train --data data --model small.toml --batch-size 16 --lr 0.02 --epochs 8 --out run")
        .done();
    for part in
        ["small on data", "validation", "test", "run/weights", "convscope inspect run", "run/report.html"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains("synthetic"), "{}", ran.out);
    assert_eq!(ran.err.lines().filter(|line| line.starts_with("epoch ")).count(), 8, "{}", ran.err);
    let summary: serde_json::Value = serde_json::from_str(&place.text("run/summary.json")).unwrap();
    assert_eq!((&summary["epochs"], &summary["model"]), (&8.into(), &"small".into()));

    let json = place.run("evaluate run --json").done().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["images"], 30);
    assert_eq!(json["accuracy"], summary["test_accuracy"]);
    assert!(json["accuracy"].as_f64().unwrap() > 0.9, "the classes differ in colour: {json}");
    let rows = json["confusion"].as_array().unwrap();
    assert!(
        rows.iter().all(|row| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>() == 10)
    );
    let mirrored = place.run("evaluate run --json --tta flip").done().out;
    let mirrored: serde_json::Value = serde_json::from_str(&mirrored).unwrap();
    assert_eq!((&json["tta"], &mirrored["tta"]), (&"none".into(), &"flip".into()));
    assert!(mirrored["accuracy"].as_f64().unwrap() > 0.9 && mirrored["loss"] != json["loss"], "{mirrored}");
    let text = place.run("evaluate run --split val --quiet").done();
    assert!(text.out.contains("24 validation images") && text.out.contains("recall"), "{}", text.out);
    assert_eq!(text.err, "");

    place.png("red.png", [200, 60, 60]);
    place.png("blue.png", [60, 60, 200]);
    place.write("broken.png", "text");
    let ran = place.run("predict run red.png broken.png blue.png --top 1");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("red.png: red ") && lines[1].starts_with("blue.png: blue "), "{ran:?}");
    assert!(ran.err.starts_with("error: broken.png: ") && ran.err.lines().count() == 1, "{ran:?}");
    // The weights file is enough.
    fs::rename(place.path("run/weights/last.safetensors"), place.path("alone.safetensors")).unwrap();
    let ran = place.run("predict alone.safetensors red.png --json").done();
    let line: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&line["path"], &line["classes"][0]["class"]), (&"red.png".into(), &"red".into()));
    let line_of = |views: &str| -> serde_json::Value {
        let ran = place.run(&format!("predict alone.safetensors lopsided.png --json --tta {views}")).done();
        serde_json::from_str(&ran.out).unwrap()
    };
    image::RgbImage::from_fn(32, 32, |x, _| image::Rgb([8 * x as u8, 60, 0]))
        .save(place.path("lopsided.png"))
        .unwrap();
    assert_ne!(line_of("none"), line_of("flip"));
    let sum: f64 =
        line["classes"].as_array().unwrap().iter().map(|c| c["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{line}");
    place.run("evaluate alone.safetensors").failed(2, &["alone.safetensors", "--data"]);
    place.run("evaluate alone.safetensors --data data").done();
    place.photos("photos");
    place
        .run("evaluate alone.safetensors --data photos --split train --quiet")
        .failed(1, &["dark, light", "red"]);
}

#[test]
fn runs_are_numbered_and_quiet_ones_say_only_the_result() {
    let place = place();
    let line = "train --data data --model small.toml --batch-size 32 --epochs 1 --quiet";
    let first = place.run(line).done();
    assert_eq!(first.err, "");
    assert!(first.out.contains("test"), "{}", first.out);
    assert!(place.run(line).done().out.contains("small-2"));
    assert_eq!(
        place.read("runs/small/weights/last.safetensors"),
        place.read("runs/small-2/weights/last.safetensors")
    );
}

#[test]
fn the_weights_do_not_depend_on_the_number_of_threads() {
    let place = place();
    place.run(&format!("{SMALL} --epochs 3 --threads 1 --out one")).done();
    place.run(&format!("{SMALL} --epochs 3 --threads 2 --out two")).done();
    place.run(&format!("{SMALL} --epochs 3 --threads 2 --seed 4 --out other")).done();
    let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
    assert_eq!(weights("one"), weights("two"));
    assert_ne!(weights("one"), weights("other"));
}

#[test]
fn augmentation_reaches_the_run_and_its_configuration() {
    let place = place();
    let train = "train --data data --model small.toml --batch-size 20 --epochs 1 --quiet";
    place.run(&format!("{train} --out plain")).done();
    place.run(&format!("{train} --augment none --out none")).done();
    place.run(&format!("{train} --augment vflip=1+crop=3 --out moved")).done();
    place.run(&format!("{train} --recipe report --out report")).done();
    place.run(&format!("{train} --config moved/config.toml --out again")).done();
    let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
    assert_eq!(weights("plain"), weights("none"));
    assert_ne!(weights("plain"), weights("moved"));
    assert_eq!(weights("moved"), weights("again"));
    let config = |run: &str| place.text(&format!("{run}/config.toml"));
    assert!(config("plain").contains("augment = \"none\"\n"));
    assert!(config("moved").contains("augment = \"vflip=1,crop=3\"\n"));
    assert!(config("report").contains("augment = \"flip,shift=0.1,fill=nearest\"\n"));
    place.run("train --augment sharpen").misused(&["sharpen", "cutmix"]);
    place.run(&format!("{train} --augment crop=40 --out big")).failed(2, &["crop is 40", "32x32"]);
    place
        .run(&format!("{train} --recipe fast --out big"))
        .failed(2, &["no recipe fast", "report, best, distilled"]);
    place.write("wrong.toml", "augment = 'flip,flop'\n");
    place.run(&format!("{train} --config wrong.toml --out big")).failed(2, &["wrong.toml", "flop", "cutmix"]);
    place.run("train --resume moved --augment none --quiet").failed(2, &["augment cannot change"]);
}

#[test]
fn a_run_that_was_killed_and_resumed_ends_with_the_same_bytes() {
    let place = place();
    place.run(&format!("{SMALL} --epochs 30 --out whole")).done();
    let mut child = start(&place, &format!("{SMALL} --epochs 30 --out killed"));
    wait_for_epoch(&mut child, 2);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!place.exists("killed/summary.json"));
    let ran = place.run("train --resume killed --threads 1").done();
    assert!(!ran.err.contains("epoch  1/30"), "it began anew: {}", ran.err);
    for file in ["weights/last.safetensors", "weights/best.safetensors", "config.toml"] {
        assert_eq!(place.read(&format!("whole/{file}")), place.read(&format!("killed/{file}")), "{file}");
    }
    let epochs = |run: &str| -> Vec<String> {
        let text = place.text(&format!("{run}/metrics.csv"));
        text.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(epochs("whole"), epochs("killed"));
}

#[test]
fn resuming_takes_no_other_settings() {
    let place = place();
    place.run(&format!("{SMALL} --epochs 2 --out run")).done();
    let before = place.read("run/config.toml");
    place.run("train --resume run --lr 0.5 --epochs 4").failed(2, &["lr cannot change", "new run"]);
    place
        .run("train --resume run --split-seed 3 --seed 8")
        .failed(2, &["data.split_seed, seed cannot change"]);
    place.run("train --resume run --epochs 4").failed(2, &["cosine"]);
    assert_eq!(place.read("run/config.toml"), before);
    // Repeating the same settings is not a change.
    place.run("train --resume run --epochs 2 --optimizer adamw --seed 1").done();

    let line = "train --data data --model small.toml --batch-size 20 --schedule constant";
    place.run(&format!("{line} --epochs 3 --out three")).done();
    place.run(&format!("{line} --epochs 1 --out longer")).done();
    place.run("train --resume longer --epochs 3").done();
    assert_eq!(place.read("three/weights/last.safetensors"), place.read("longer/weights/last.safetensors"));
    place.run("train --resume longer --epochs 2").failed(2, &["3 epochs are already done"]);
}

#[test]
fn damaged_checkpoints_and_weights_are_refused() {
    let place = place();
    place.run(&format!("{SMALL} --epochs 1 --out run")).done();
    let text = place.text("small.toml").replace("out_channels = 4", "out_channels = 5");
    place.write("other.toml", text);
    place.run(&format!("{} --epochs 1 --out other", SMALL.replace("small.toml", "other.toml"))).done();

    let checkpoint = place.read("run/checkpoint/state.safetensors");
    place.write("run/checkpoint/state.safetensors", place.read("other/checkpoint/state.safetensors"));
    place.run("train --resume run --quiet").failed(1, &["state.safetensors", "made for small"]);
    place.write("run/checkpoint/state.safetensors", &checkpoint[..checkpoint.len() / 2]);
    place.run("train --resume run --quiet").failed(1, &["state.safetensors", "damaged"]);
    fs::remove_file(place.path("run/checkpoint/state.safetensors")).unwrap();
    place.run("train --resume run --quiet").failed(1, &["state.safetensors", "no checkpoint"]);

    let weights = place.read("run/weights/last.safetensors");
    place.write("cut.safetensors", &weights[..weights.len() / 2]);
    place.run("predict cut.safetensors a.png").failed(1, &["cut.safetensors", "truncated"]);
    place.run("evaluate cut.safetensors --data data --quiet").failed(1, &["cut.safetensors", "truncated"]);
}

#[test]
fn a_diverging_run_names_the_layer() {
    let place = place();
    let conv = "[[node]]\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\nstride = 2\n";
    let end = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n";
    place.write("two.toml", format!("name = 'two'\n{conv}{conv}{end}"));
    let line = "--batch-size 20 --optimizer sgd --lr 1e30 --schedule constant --epochs 5 --quiet";
    // The weights of every layer are about 1e28 after a step: the first output that overflows is the second layer's,
    // followed by those after it.
    let ran = place.run(&format!("train --data data --model two.toml {line} --out two"));
    ran.failed(1, &["the output of conv2d_1 is no longer finite in epoch 1, step 2"]);
    // Batch normalisation scales the first layer's back down.
    let ran = place.run(&format!("train --data data --model small.toml {line} --out small"));
    ran.failed(1, &["the output of dense is no longer finite in epoch 1, step 2"]);
}

#[test]
fn unreadable_images_are_left_out_if_the_user_says_so() {
    let place = place();
    place.photos("photos");
    place.write("photos/dark/broken.png", "text");
    let ran = place
        .run("train --data photos --image-size 16 --model small.toml --batch-size 4 --epochs 1 --skip-bad --out run")
        .done();
    assert!(ran.err.contains("left out 1 unreadable"), "{}", ran.err);
    assert!(place.text("run/config.toml").contains("bad_images = \"skip\""));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_everything_and_the_run_goes_on_as_if_nothing_was() {
    let place = place();
    let line = "train --data data --model small.toml --batch-size 20 --schedule step --seed 5";
    let mut child = start(&place, &format!("{line} --epochs 100000 --out run"));
    let rest = wait_for_epoch(&mut child, 1);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let err = rest.join().unwrap();
    assert!(err.contains("interrupted") && err.contains("convscope train --resume run\n"), "{err}");
    assert!(output.stdout.is_empty());
    assert!(place.exists("run/weights/last.safetensors"));

    let done = place.text("run/metrics.csv").lines().count() - 1;
    let epochs = done + 2;
    place.run(&format!("train --resume run --epochs {epochs}")).done();
    place.run(&format!("{line} --epochs {epochs} --out whole")).done();
    assert_eq!(place.read("run/weights/last.safetensors"), place.read("whole/weights/last.safetensors"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_leaves_no_torn_file() {
    let place = place();
    let last = "[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\n";
    place.write("linear.toml", format!("name = 'linear'\n{last}"));
    fs::create_dir(place.path("disk")).unwrap();
    // Room for both weights files of 3073 x 3 numbers, but not for the three times larger checkpoint.
    let Some(_disk) = Tmpfs::mount(place.path("disk"), "120k") else {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    };
    let train = "train --data data --model linear.toml --batch-size 20 --epochs 2 --quiet --out disk/run";
    place.run(train).failed(1, &["disk/run", "No space left", "free some space"]);
    let mut folders = vec![place.path("disk")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.to_string_lossy().contains("partial"), "{path:?} was left");
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

pub(crate) fn start(place: &Place, line: &str) -> Child {
    place.command(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns when the program has reported this epoch. A thread reads the remaining lines, so that the program never
/// blocks, and returns them when it has ended.
pub(crate) fn wait_for_epoch(child: &mut Child, epoch: u64) -> JoinHandle<String> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    loop {
        let line = lines.next().unwrap_or_else(|| panic!("it ended early: {seen:?}")).unwrap();
        let is_it = line
            .strip_prefix("epoch ")
            .is_some_and(|rest| rest.trim_start().starts_with(&format!("{epoch}/")));
        seen.push(line);
        if is_it {
            break;
        }
    }
    std::thread::spawn(move || {
        lines.map_while(Result::ok).fold(String::new(), |all, line| all + &line + "\n")
    })
}

/// A small disk in memory, gone when dropped.
#[cfg(target_os = "linux")]
struct Tmpfs(PathBuf);

#[cfg(target_os = "linux")]
impl Tmpfs {
    fn mount(folder: PathBuf, size: &str) -> Option<Tmpfs> {
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Tmpfs(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// The printed module loads the weights, and gives the same prediction for a picture.
#[test]
#[ignore = "needs python3 with PyTorch, safetensors and NumPy"]
fn pytorch_takes_the_printed_module_and_its_weights() {
    let place = place();
    let nodes = "[[node]]\nname = 'train'\nop = 'conv2d'\nout_channels = 4\nkernel_size = [3, 2]\nstride = [2, 1]\nactivation = 'relu'\n\
                 [[node]]\nop = 'batch_norm'\n\
                 [[node]]\nname = '2nd'\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\npadding = 'same'\nbias = false\n\
                 [[node]]\nop = 'add'\ninputs = ['2nd', 'batch_normalization']\nactivation = 'sigmoid'\n\
                 [[node]]\nop = 'max_pool2d'\nkernel_size = 3\nceil_mode = true\n\
                 [[node]]\nop = 'concat'\ninputs = ['max_pooling2d', 'max_pooling2d']\n\
                 [[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = [2, 1]\n\
                 [[node]]\nop = 'flatten'\n[[node]]\nop = 'dropout'\n\
                 [[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n";
    place.write("net.toml", format!("name = 'net'\n{nodes}"));
    place.run("train --data data --model net.toml --batch-size 20 --epochs 2 --out run").done();
    let module = place.run("summary run --torch").done().out;
    place.write("network.py", module);
    let script = place.write("torch_reads.py", include_str!("torch_reads.py"));
    let picture = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 7, y as u8 * 5, 90]));
    picture.save(place.path("a.png")).unwrap();
    let pixels = ndarray::Array::from_shape_vec((32, 32, 3), picture.into_raw()).unwrap();
    ndarray_npy::write_npy(place.path("a.npy"), &pixels).unwrap();
    let mut python = Command::new("python3");
    python.current_dir(place.path("")).arg(script).args(["run/weights/last.safetensors", "a.npy"]);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<f64> = serde_json::from_slice(&output.stdout).unwrap();
    let ours = place.run("predict run a.png --json").done().out;
    let ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
    for class in ours["classes"].as_array().unwrap() {
        let index = ["red", "green", "blue"].iter().position(|name| class["class"] == **name).unwrap();
        let probability = class["probability"].as_f64().unwrap();
        assert!((probability - theirs[index]).abs() < 1e-5, "{ours} {theirs:?}");
    }
}
