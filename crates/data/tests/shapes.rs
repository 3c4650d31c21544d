//! The built-in pictures: reproducible, balanced, and beyond a linear classifier.

use std::sync::Arc;

use convscope_data::{
    CHANNELS, DataError, ImageSize, Loader, Normalize, Order, Source, SourceOptions, Split, SplitCounts,
    Splits, open,
};

fn shapes(seed: u64, train: usize) -> Arc<dyn Source> {
    let shapes = SplitCounts { train, val: 20, test: 1000 };
    open("shapes", &SourceOptions { splits: Splits::Placed { seed }, shapes, ..SourceOptions::default() })
        .unwrap()
}

fn image(source: &dyn Source, split: Split, index: usize) -> Vec<u8> {
    let mut pixels = vec![0; source.image_size().bytes()];
    source.read(split, index, &mut pixels).unwrap();
    pixels
}

#[test]
fn an_image_depends_on_seed_split_and_index_alone() {
    let (few, many) = (shapes(1, 30), shapes(1, 50));
    assert!(few.is_synthetic());
    assert_eq!(few.classes().len(), 10);
    assert_eq!(image(&*few, Split::Train, 29), image(&*many, Split::Train, 29));
    assert_ne!(image(&*few, Split::Train, 3), image(&*few, Split::Val, 3));
    assert_ne!(image(&*few, Split::Train, 3), image(&*few, Split::Train, 13));
    assert_ne!(image(&*few, Split::Train, 3), image(&*shapes(2, 30), Split::Train, 3));
    assert_eq!((few.label(Split::Train, 3), few.label(Split::Train, 13)), (3, 3));
}

#[test]
fn size_and_share_follow_the_options() {
    let options = SourceOptions {
        image_size: Some(ImageSize::square(20)),
        val_fraction: Some(0.25),
        shapes: SplitCounts { train: 30, val: 10, test: 7 },
        ..SourceOptions::default()
    };
    let source = open("shapes", &options).unwrap();
    assert_eq!(source.image_size(), ImageSize::square(20));
    assert_eq!(Split::ALL.map(|split| source.len(split)), [30, 10, 7]);
    let none =
        SourceOptions { shapes: SplitCounts { train: 0, val: 1, test: 1 }, ..SourceOptions::default() };
    assert!(matches!(open("shapes", &none), Err(DataError::Option { .. })));
    let bytes = 47 * 3 * 20 * 20;
    assert!(open("shapes", &SourceOptions { memory_limit: Some(bytes), ..options.clone() }).is_ok());
    let refused = open("shapes", &SourceOptions { memory_limit: Some(bytes - 1), ..options });
    assert!(matches!(refused, Err(DataError::BeyondMemory { images: 47, .. })));
}

/// Softmax regression by plain stochastic gradient descent; returns the share of test features it gets right.
fn linear_accuracy(source: &Arc<dyn Source>, features: impl Fn(&[f32]) -> Vec<f32>) -> f64 {
    let scaling = Normalize::Standard.fit(&**source).unwrap();
    let load = |split| -> Vec<(Vec<f32>, usize)> {
        let loader = Loader::new(Arc::clone(source), split, 100, Order::Sequential, &scaling).unwrap();
        let mut examples = Vec::new();
        for batch in loader.epoch(0, 0) {
            let batch = batch.unwrap();
            for (image, &label) in batch.images.outer_iter().zip(&batch.labels) {
                examples.push((features(image.as_slice().unwrap()), label));
            }
        }
        examples
    };
    let (train, test) = (load(Split::Train), load(Split::Test));
    let inputs = train[0].0.len() + 1;
    let mut weights = vec![0.0_f32; 10 * inputs];
    let scores = |weights: &[f32], x: &[f32]| -> Vec<f32> {
        let row = |row: &[f32]| row[0] + row[1..].iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        weights.chunks_exact(inputs).map(row).collect()
    };
    for epoch in 0..8 {
        let rate = 0.5 / inputs as f32 / (1 + epoch) as f32;
        for index in (Order::Shuffled { seed: 5 }).indices(train.len(), epoch) {
            let (x, label) = &train[index];
            let logits = scores(&weights, x);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let odds: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let sum: f32 = odds.iter().sum();
            for (class, row) in weights.chunks_exact_mut(inputs).enumerate() {
                let step = rate * (odds[class] / sum - f32::from(u8::from(class == *label)));
                row[0] -= step;
                for (weight, x) in row[1..].iter_mut().zip(x) {
                    *weight -= step * x;
                }
            }
        }
    }
    let right = test.iter().filter(|(x, label)| {
        let logits = scores(&weights, x);
        (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])) == Some(*label)
    });
    right.count() as f64 / test.len() as f64
}

#[test]
fn a_linear_classifier_stays_far_below_half() {
    let source = shapes(1, 4000);
    let of_pixels = linear_accuracy(&source, <[f32]>::to_vec);
    assert!(of_pixels < 0.5, "{of_pixels} from pixels");
    // Learning nothing at all would prove nothing: the size of a shape carries some information.
    let contrast = |image: &[f32]| -> Vec<f32> {
        let planes = image.chunks_exact(image.len() / CHANNELS);
        planes
            .flat_map(|plane| {
                let mean = plane.iter().sum::<f32>() / plane.len() as f32;
                let spread =
                    plane.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / plane.len() as f32;
                [mean, spread.sqrt()]
            })
            .collect()
    };
    let of_colours = linear_accuracy(&source, contrast);
    assert!(of_colours < 0.25, "{of_colours} from mean and spread of colours");
}

#[test]
fn more_than_fits_into_memory_is_an_error() {
    let shapes = SplitCounts { train: usize::MAX / 4096, val: 1, test: 1 };
    let error = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).err().unwrap();
    assert!(matches!(error, DataError::Memory { .. }), "{error}");
    assert!(error.to_string().contains("images of 32x32; choose smaller images"), "{error}");
}
