//! The cost of a manifest compared with decoding: `cargo run --release -p convscope-data --example manifest_cost
//! [FILES]`.

#![expect(clippy::print_stdout, reason = "an example prints its results to stdout")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use convscope_data::manifest::FileRecord;
use convscope_data::{Manifest, SourceOptions, Split, open};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

fn main() -> Result<(), Box<dyn Error>> {
    let files: u32 = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let mut paths = Vec::new();
    for number in 0..files {
        let class = folder.path().join(format!("class {}", number % 10));
        std::fs::create_dir_all(&class)?;
        let picture = RgbImage::from_fn(64, 64, |x, y| {
            let noise = (number ^ (x * 7919 + y * 104_729)).wrapping_mul(2_654_435_761);
            Rgb([(noise >> 24) as u8, (x * 4) as u8, (y * 4) as u8])
        });
        let path = class.join(format!("{number:06}.jpg"));
        picture.write_with_encoder(JpegEncoder::new_with_quality(std::fs::File::create(&path)?, 90))?;
        paths.push(path);
    }

    let started = Instant::now();
    let source = open(folder.path().to_str().ok_or("the folder has a name")?, &SourceOptions::default())?;
    let opening = started.elapsed();
    let images: usize = Split::ALL.iter().map(|&split| source.len(split)).sum();

    let contents: Vec<(&Path, Vec<u8>)> = paths
        .iter()
        .map(|path| Ok((path.as_path(), std::fs::read(path)?)))
        .collect::<std::io::Result<_>>()?;
    let started = Instant::now();
    let records: Vec<FileRecord> = contents.iter().map(|(path, bytes)| FileRecord::of(path, bytes)).collect();
    let hashing = started.elapsed();
    // Reading recomputes the digest.
    let started = Instant::now();
    let text = serde_json::to_string_pretty(source.manifest().ok_or("a folder has a manifest")?)?;
    let manifest: Manifest = serde_json::from_str(&text)?;
    let storing = started.elapsed();

    let seconds = |time: std::time::Duration| time.as_secs_f64();
    println!("{images} JPEG files of 64 x 64 pixels, {} MB of data.json", text.len() / 1_000_000);
    println!("opening (decoding, hashing, manifest)   {:8.3} s", seconds(opening));
    println!("hashing {} files on one thread     {:8.3} s", records.len(), seconds(hashing));
    println!("writing, reading and digest             {:8.3} s", seconds(storing));
    println!(
        "both relative to opening                {:8.2} %",
        100.0 * seconds(hashing + storing) / seconds(opening)
    );
    assert_eq!(Some(&manifest), source.manifest());
    Ok(())
}
