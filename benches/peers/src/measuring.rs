//! What both programs share: their arguments, how they measure, and what they print.
//!
//! They print the line `first step` at the end of their first training step, and at their end one JSON document with the
//! median and the quartiles of a step and the most memory that the process took, as `fixtures/_bench.py` does.

use std::collections::HashMap;
use std::time::Instant;

/// Channels of the reference network's convolutions; a maximum pooling follows every second one but the last.
pub const CHANNELS: [usize; 8] = [16, 16, 32, 32, 64, 64, 128, 128];
/// Rows and columns of the images.
pub const SIDE: usize = 32;
/// Number of classes.
pub const CLASSES: usize = 10;
/// Adam's, as PyTorch and Keras have it by default.
pub const LEARNING_RATE: f64 = 0.001;

/// What is asked for on the command line; the number of threads comes from RAYON_NUM_THREADS.
pub struct Arguments {
    pub batch_size: usize,
    seconds: f64,
}

impl Arguments {
    /// Reads `--batch-size N --seconds S`; other flags are those of the Python programs and say nothing new.
    pub fn read() -> Arguments {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let given: HashMap<&str, &str> =
            words.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        let number =
            |flag: &str, default: f64| given.get(flag).and_then(|text| text.parse().ok()).unwrap_or(default);
        if given.get("--task").is_some_and(|&task| task != "train") {
            eprintln!("this program only trains");
            std::process::exit(2);
        }
        Arguments { batch_size: number("--batch-size", 256.0) as usize, seconds: number("--seconds", 3.0) }
    }
}

/// Numbers between -1 and 1 for a batch of images, `[N, 3, 32, 32]`.
pub fn images(batch_size: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(noise).take(batch_size * 3 * SIDE * SIDE).collect()
}

/// The class of each image.
pub fn labels(batch_size: usize) -> impl Iterator<Item = usize> {
    (0..batch_size).map(|image| image % CLASSES)
}

/// Times `step` again and again, and prints what came of it.
pub fn measure(arguments: &Arguments, mut step: impl FnMut()) {
    step();
    println!("first step");
    step();
    let (mut seconds, begin) = (Vec::new(), Instant::now());
    while seconds.len() < 3 || begin.elapsed().as_secs_f64() < arguments.seconds {
        let started = Instant::now();
        step();
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let quartile = |number: usize| seconds[(seconds.len() - 1) * number / 4] * 1e3;
    let document = serde_json::json!({
        "images_per_second": arguments.batch_size as f64 / quartile(2) * 1e3,
        "milliseconds": quartile(2),
        "quartiles_milliseconds": [quartile(1), quartile(3)],
        "runs": seconds.len(),
        "peak_memory_bytes": peak_memory(),
    });
    println!("{document}");
}

/// The high water mark of the resident memory, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
