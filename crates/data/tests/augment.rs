//! Augmented batches: what reaches the network, what it depends on, and labels mixed like the images.

use std::sync::Arc;

use convscope_data::augment::{PreviewOptions, preview};
use convscope_data::{
    Augmentation, Batch, DataError, ImageSize, Loader, Normalization, Order, Source, SourceOptions, Split,
    SplitCounts, open,
};

/// Images of 6 rows and 9 columns; in image i the red of row y and column x is `60 + i`, green `10 * y`, blue `10 * x`.
struct Lopsided {
    classes: Vec<String>,
    resident: bool,
}

fn lopsided(resident: bool) -> Arc<dyn Source> {
    Arc::new(Lopsided { classes: ["a", "b", "c"].map(String::from).to_vec(), resident })
}

const SIZE: ImageSize = ImageSize { height: 6, width: 9 };
const IMAGES: usize = 23;

impl Source for Lopsided {
    fn name(&self) -> &str {
        "lopsided"
    }
    fn is_resident(&self) -> bool {
        self.resident
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn image_size(&self) -> ImageSize {
        SIZE
    }
    fn len(&self, _: Split) -> usize {
        IMAGES
    }
    fn label(&self, _: Split, index: usize) -> usize {
        index % 3
    }
    fn read(&self, _: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&[
                60 + index as u8,
                10 * (at / SIZE.width) as u8,
                10 * (at % SIZE.width) as u8,
            ]);
        }
        Ok(())
    }
}

const ALL: &str =
    "flip,vflip,shift=0.2,crop=2,rotate=20,zoom=0.2,brightness,contrast,color,cutout,mixup,cutmix";

fn loader(resident: bool, order: Order, augmentation: &str, seed: u64) -> Loader {
    let source = lopsided(resident);
    let loader = Loader::new(source, Split::Train, 5, order, &Normalization::unit(3)).unwrap();
    loader.augmented(augmentation.parse().unwrap(), seed).unwrap()
}

fn batches(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
    loader.epoch(epoch, first).map(Result::unwrap).collect()
}

/// The first epoch's images, in order.
fn images(augmentation: &str) -> Vec<Batch> {
    batches(&loader(true, Order::Sequential, augmentation, 1), 0, 0)
}

fn bytes(batch: &Batch, image: usize, channel: usize) -> Vec<u8> {
    batch
        .images
        .slice(ndarray::s![image, channel, .., ..])
        .iter()
        .map(|v| (v * 255.0).round() as u8)
        .collect()
}

#[test]
fn threads_streaming_and_resuming_change_nothing() {
    let order = Order::Shuffled { seed: 3 };
    let whole = batches(&loader(true, order, ALL, 9), 4, 0);
    assert_eq!(whole.len(), 5);
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for resident in [true, false] {
                let loader = loader(resident, order, ALL, 9);
                assert_eq!(batches(&loader, 4, 0), whole);
                assert_eq!(batches(&loader, 4, 3), whole[3..]);
            }
        });
    }
}

#[test]
fn every_epoch_seed_and_image_has_numbers_of_its_own() {
    let order = Order::Sequential;
    let of = |epoch, seed| batches(&loader(true, order, "rotate", seed), epoch, 0)[0].images.clone();
    assert_eq!(of(0, 1), of(0, 1));
    assert_ne!(of(0, 1), of(1, 1));
    assert_ne!(of(0, 1), of(0, 2));
    let moved = &images("crop=3")[0];
    assert_ne!(bytes(moved, 0, 2), bytes(moved, 1, 2));
}

#[test]
fn an_image_is_changed_alike_wherever_it_stands_in_the_order() {
    let sequential = images(ALL.split(",mixup").next().unwrap());
    let shuffled = loader(true, Order::Shuffled { seed: 8 }, ALL.split(",mixup").next().unwrap(), 1);
    for batch in batches(&shuffled, 0, 0) {
        for (place, &index) in batch.indices.iter().enumerate() {
            let expected = sequential[index / 5].images.index_axis(ndarray::Axis(0), index % 5);
            assert_eq!(batch.images.index_axis(ndarray::Axis(0), place), expected);
        }
    }
}

#[test]
fn nothing_is_changed_by_none() {
    let plain =
        Loader::new(lopsided(true), Split::Train, 5, Order::Sequential, &Normalization::unit(3)).unwrap();
    assert_eq!(images("none"), batches(&plain, 0, 0));
}

#[test]
fn a_flip_mirrors_rows_and_keeps_labels() {
    for batch in images("flip=1") {
        assert_eq!(batch.mixed, None);
        for (place, &index) in batch.indices.iter().enumerate() {
            assert_eq!(batch.labels[place], index % 3);
            assert_eq!(bytes(&batch, place, 0), [60 + index as u8; 54]);
            let blue = bytes(&batch, place, 2);
            assert_eq!(blue[..9], [80, 70, 60, 50, 40, 30, 20, 10, 0]);
            assert_eq!(bytes(&batch, place, 1)[44..46], [40, 50]);
        }
    }
}

#[test]
fn shifts_reach_the_share_of_their_own_axis() {
    // Up to two of nine columns and one of six rows.
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for batch in images("shift=0.22,fill=nearest") {
        for place in 0..batch.labels.len() {
            columns.push(i32::from(bytes(&batch, place, 2)[4]) / 10 - 4);
            rows.push(i32::from(bytes(&batch, place, 1)[3 * 9]) / 10 - 3);
        }
    }
    let reach = |moves: &[i32]| (*moves.iter().min().unwrap(), *moves.iter().max().unwrap());
    assert_eq!((reach(&columns), reach(&rows)), ((-2, 2), (-1, 1)));
}

#[test]
fn cutout_sets_a_square_to_the_mean_after_normalisation() {
    let normalization = Normalization { mean: vec![0.1, 0.9, 0.4], std: vec![0.5, 0.25, 0.75] };
    let loader = Loader::new(lopsided(true), Split::Train, 5, Order::Sequential, &normalization).unwrap();
    let loader = loader.augmented("cutout=0.5".parse().unwrap(), 1).unwrap();
    let mut largest = 0;
    for batch in batches(&loader, 0, 0) {
        for image in batch.images.outer_iter() {
            let is_cut = |y, x| (0..3).all(|channel| image[[channel, y, x]] == 0.0);
            let cut: Vec<(usize, usize)> =
                (0..54).map(|at| (at / 9, at % 9)).filter(|&(y, x)| is_cut(y, x)).collect();
            let span = |part: fn(&(usize, usize)) -> usize| {
                cut.iter().map(part).max().unwrap() - cut.iter().map(part).min().unwrap() + 1
            };
            let (height, width) = (span(|at| at.0), span(|at| at.1));
            assert!(height <= 3 && width <= 3 && height * width == cut.len(), "{cut:?}");
            largest = largest.max(cut.len());
        }
    }
    assert_eq!(largest, 9);
}

#[test]
fn labels_are_mixed_in_the_shares_of_the_images() {
    let plain = images("none");
    for (plain, mixed) in plain.iter().zip(images("mixup=1")) {
        let Some(labels) = &mixed.mixed else { panic!("labels are mixed") };
        let count = mixed.labels.len();
        for place in 0..count {
            let other = (place + 1) % count;
            assert_eq!(
                (mixed.labels[place], labels.labels[place]),
                (plain.labels[place], plain.labels[other])
            );
            let share = labels.shares[place];
            assert!((0.0..=1.0).contains(&share));
            let red = |batch: &Batch, place| batch.images[[place, 0, 2, 7]];
            let expected = (1.0 - share) * red(plain, place) + share * red(plain, other);
            assert!((red(&mixed, place) - expected).abs() < 1e-6);
        }
    }
    for (plain, mixed) in plain.iter().zip(images("cutmix")) {
        let Some(labels) = &mixed.mixed else { panic!("labels are mixed") };
        let count = mixed.labels.len();
        for place in 0..count {
            let other = bytes(plain, (place + 1) % count, 0)[0];
            let replaced = bytes(&mixed, place, 0).iter().filter(|&&red| red == other).count();
            assert_eq!(labels.shares[place], replaced as f32 / 54.0);
            assert_eq!(labels.labels[place], plain.labels[(place + 1) % count]);
        }
    }
}

#[test]
fn shares_differ_within_a_batch() {
    for text in ["mixup=1", "cutmix"] {
        let shares = images(text)[0].mixed.as_ref().unwrap().shares.clone();
        assert!(shares.iter().any(|share| *share != shares[0]), "{text}: {shares:?}");
    }
}

#[test]
fn a_crop_must_be_smaller_than_the_images() {
    let new = |text: &str| {
        let loader = Loader::new(lopsided(true), Split::Train, 5, Order::Sequential, &Normalization::unit(3));
        loader.unwrap().augmented(text.parse().unwrap(), 1).map(|_| ())
    };
    assert!(new("crop=5").is_ok());
    let message = new("crop=6").unwrap_err().to_string();
    assert_eq!(message, "augment: crop is 6; it must be smaller than the images, which are 9x6 pixels");
}

#[test]
fn a_preview_shows_what_training_sees() {
    let shapes = SplitCounts { train: 60, val: 10, test: 10 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
    let options = PreviewOptions { images: 12, variants: 2, seed: 4 };
    let shown = preview(&source, "crop=3,mixup=1".parse().unwrap(), options).unwrap();
    assert_eq!(shown.rows.len(), 12);
    let classes: Vec<&str> = shown.rows.iter().map(|row| row.class.as_str()).collect();
    assert_eq!(classes[..10], source.classes().iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(classes[10..], classes[..2]);
    let mut pixels = vec![0; source.image_size().bytes()];
    source
        .read(Split::Train, (0..60).find(|&i| source.label(Split::Train, i) == 3).unwrap(), &mut pixels)
        .unwrap();
    assert_eq!(shown.rows[3].original.as_raw(), &pixels);
    let (other, share) = shown.rows[3].variants[1].mixed.clone().unwrap();
    assert_eq!(other, source.classes()[4]);
    assert!(share > 0.0 && share < 1.0);
    assert_ne!(shown.rows[3].variants[0], shown.rows[3].variants[1]);
    let none = preview(&source, Augmentation::NONE, options).unwrap();
    assert_eq!(none.rows[5].variants[1].picture, none.rows[5].original);
}
