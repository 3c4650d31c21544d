//! How far decoded and resized bytes are from those of Pillow, whose JPEG decoder is libjpeg-turbo.

use std::path::Path;
use std::process::Command;

use convscope_pictures::{Background, Framing, ImageSize, Picture, PixelLimit, Resize, Resizer};

const SIDE: ImageSize = ImageSize { height: 224, width: 224 };

fn decoded(path: &Path) -> Picture {
    let bytes = std::fs::read(path).unwrap();
    Picture::decode(bytes, path, Background::WHITE, PixelLimit::default()).unwrap()
}

/// The largest difference of a byte, after the share of bytes that differ and the mean difference are printed.
fn compare(what: &str, ours: &[u8], theirs: &[u8]) -> u8 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let differences: Vec<u8> =
        ours.iter().zip(theirs).map(|(&ours, &theirs)| ours.abs_diff(theirs)).collect();
    let count = differences.len() as f64;
    let differing = differences.iter().filter(|&&difference| difference > 0).count() as f64;
    let mean = differences.iter().map(|&difference| f64::from(difference)).sum::<f64>() / count;
    let largest = differences.into_iter().max().unwrap_or(0);
    eprintln!(
        "{what}: {:.1} % of bytes differ, by {largest} at most, by {mean:.3} on average",
        100.0 * differing / count
    );
    largest
}

#[test]
#[ignore = "needs a python3 with Pillow and scikit-image"]
fn bytes_are_within_a_few_levels_of_pillow() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pillow.py");
    let ran = Command::new("python3").arg(script).arg(folder.path()).status().unwrap();
    assert!(ran.success());
    for name in ["astronaut", "chelsea"] {
        for (kind, most) in [("grey", 1), ("4:4:4", 3), ("4:2:2", 3), ("4:2:0", 4)] {
            let file = folder.path().join(format!("{name} {}.jpg", kind.replace(':', "")));
            let theirs = std::fs::read(file.with_extension("rgb")).unwrap();
            let largest = compare(&format!("{name}, JPEG {kind}"), decoded(&file).rgb(), &theirs);
            assert!(largest <= most, "{name} {kind}: {largest}");
        }
        let file = folder.path().join(format!("{name}.png"));
        let picture = decoded(&file);
        for resize in [Resize::Crop, Resize::Squash] {
            let theirs = std::fs::read(file.with_extension(resize.to_string())).unwrap();
            let mut ours = vec![0; SIDE.bytes()];
            let framing = Framing { resize, background: Background::WHITE };
            Resizer::new().resize(picture.rgb(), picture.size(), &mut ours, SIDE, framing);
            let largest = compare(&format!("{name}, resized, {resize}"), &ours, &theirs);
            assert!(largest <= 1, "{name} {resize}: {largest}");
            if resize == Resize::Squash {
                let once = std::fs::read(file.with_extension("once")).unwrap();
                compare(&format!("{name}, resized, in one call of Pillow"), &ours, &once);
            }
        }
    }
}
