//! Trains on arrays of your own, here spectra with one channel, and predicts on others.
//!
//! `cargo run --release --example own_data`

use std::error::Error;

use convscope::ndarray::Array4;
use convscope::prelude::*;

/// Waves of one to three periods over eight rows and sixteen columns.
fn waves(count: usize, shift: f32) -> (Array4<f32>, Vec<usize>) {
    let wave = |(n, _, y, x): (usize, usize, usize, usize)| {
        let periods = (n % 3 + 1) as f32;
        (x as f32 / 16.0 * periods * std::f32::consts::TAU + n as f32 * shift).sin() + y as f32 * 0.1
    };
    (Array4::from_shape_fn([count, 1, 8, 16], wave), (0..count).map(|n| n % 3).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (images, labels) = waves(600, 0.7);
    let data =
        Arrays::new(images, labels)?.with_classes(["one", "two", "three"])?.with_validation_share(0.2, 1)?;

    let config =
        TrainConfig { model: "plain8-bn".to_owned(), epochs: 4, batch_size: 32, ..TrainConfig::default() };
    let mut session = Session::new(config, Arc::new(data))?;
    let outcome = session.train()?;
    println!("validation accuracy {:.1} %", outcome.val.map_or(0.0, |val| val.accuracy * 100.0));

    let (others, _) = waves(3, 0.1);
    let probabilities = session.model()?.predict_images(others.view())?;
    println!("{probabilities:.2}");
    Ok(())
}
