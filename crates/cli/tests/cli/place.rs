//! Runs the program and makes small data sets for it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A separate folder in which the program runs.
pub(crate) struct Place {
    folder: TempDir,
}

/// The output of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, to be run in this folder.
    pub(crate) fn command<Arg: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = Arg>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convscope"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program with arguments that contain no spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let output = self.command(line.split_whitespace()).output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A folder in CIFAR-10's binary layout with three classes and 5 x 24 + 30 images.
    pub(crate) fn cifar(&self, name: &str) {
        for batch in 1..=5 {
            self.write(&format!("{name}/data_batch_{batch}.bin"), records(24, batch));
        }
        self.write(&format!("{name}/test_batch.bin"), records(30, 6));
        self.write(&format!("{name}/batches.meta.txt"), "red\ngreen\nblue\n");
    }

    /// A PNG file of one colour.
    pub(crate) fn png(&self, name: &str, colour: [u8; 3]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(12, 10, image::Rgb(colour)).save(path).unwrap();
    }

    /// An image folder with two classes of 10 images each.
    pub(crate) fn photos(&self, name: &str) {
        for index in 0..10 {
            self.png(&format!("{name}/dark/{index}.png"), [index * 8, 10, 20]);
            self.png(&format!("{name}/light/{index}.png"), [250 - index * 8, 240, 230]);
        }
    }

    /// A fast network with everything that a checkpoint must keep: running statistics and random numbers.
    pub(crate) fn small_model(&self, name: &str) {
        self.write(
            name,
            "name = 'small'\n\
             [[node]]\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\nstride = 2\nactivation = 'relu'\n\
             [[node]]\nop = 'batch_norm'\n\
             [[node]]\nop = 'max_pool2d'\nkernel_size = 3\n\
             [[node]]\nop = 'flatten'\n\
             [[node]]\nop = 'dropout'\np = 0.25\n\
             [[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n",
        );
    }
}

impl Ran {
    /// The program succeeded, without warnings on standard error.
    #[track_caller]
    pub(crate) fn done(self) -> Ran {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(!self.err.contains("error"), "{self:?}");
        self
    }

    /// The program ended with this code and one line about it, which has these parts.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("error: ") && self.err.ends_with('\n'), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {:?}", self.err);
        }
    }

    /// The arguments are invalid, and the explanation has these parts.
    #[track_caller]
    pub(crate) fn misused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.err.starts_with("error: ") && self.out.is_empty(), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {:?}", self.err);
        }
    }
}

/// Records with labels 0 to 2 in turn, each brighter in the channel of its label, with noise.
pub(crate) fn records(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut bytes = Vec::new();
    for index in 0..count {
        let label = index % 3;
        bytes.push(label as u8);
        for channel in 0..3 {
            let base = if channel == label { 60 } else { 0 };
            bytes.extend((0..1024).map(|_| base + noise() / 2));
        }
    }
    bytes
}
