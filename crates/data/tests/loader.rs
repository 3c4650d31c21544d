//! Batches: their order, their end, where they resume, and independence of threads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use convscope_data::{
    Batch, DataError, ImageSize, Loader, Normalization, Order, PictureError, Source, Split,
};

/// Images of 2 rows and 3 columns whose bytes are (image, row, column) in the three channels.
struct Numbered {
    classes: Vec<String>,
    resident: bool,
    reads: AtomicUsize,
    broken: Option<usize>,
    /// The threads that have read images.
    readers: Mutex<HashSet<ThreadId>>,
}

impl Numbered {
    fn new(resident: bool) -> Self {
        let classes = ["even", "odd"].map(String::from).to_vec();
        Numbered { classes, resident, reads: AtomicUsize::new(0), broken: None, readers: Mutex::default() }
    }
}

impl Source for Numbered {
    fn name(&self) -> &str {
        "numbered"
    }
    fn is_resident(&self) -> bool {
        self.resident
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn image_size(&self) -> ImageSize {
        ImageSize { height: 2, width: 3 }
    }
    fn len(&self, split: Split) -> usize {
        if split == Split::Test { 0 } else { 23 }
    }
    fn label(&self, _: Split, index: usize) -> usize {
        index % 2
    }
    fn read(&self, _: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.readers.lock().unwrap().insert(std::thread::current().id());
        if self.broken == Some(index) {
            return Err(DataError::Image {
                path: "broken.png".into(),
                source: PictureError::Truncated { format: "PNG" },
            });
        }
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&[index as u8, (at / 3) as u8, (at % 3) as u8]);
        }
        Ok(())
    }
}

fn loader(order: Order) -> Loader {
    Loader::new(Arc::new(Numbered::new(true)), Split::Train, 5, order, &Normalization::unit(3)).unwrap()
}

fn batches(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
    loader.epoch(epoch, first).map(Result::unwrap).collect()
}

#[test]
fn images_stand_at_batch_channel_row_column() {
    let found = batches(&loader(Order::Sequential), 0, 0);
    assert_eq!(found.len(), 5);
    assert_eq!(found[4].images.dim(), (3, 3, 2, 3));
    assert_eq!(found[4].indices, [20, 21, 22]);
    assert_eq!(found[4].labels, [0, 1, 0]);
    for ((image, channel, row, column), &value) in found[4].images.indexed_iter() {
        let byte = [20 + image, row, column][channel];
        assert_eq!(value, byte as f32 / 255.0);
    }
}

#[test]
fn normalisation_reaches_the_batch() {
    let normalization = Normalization { mean: vec![0.5, 0.0, 0.0], std: vec![0.25, 1.0, 2.0] };
    let source = Arc::new(Numbered::new(true));
    let loader = Loader::new(source, Split::Val, 4, Order::Sequential, &normalization).unwrap();
    let batch = loader.epoch(0, 0).next().unwrap().unwrap();
    assert_eq!(batch.images[[3, 0, 1, 2]], (3.0 / 255.0 - 0.5) / 0.25);
    assert_eq!(batch.images[[3, 2, 1, 2]], 2.0 / 255.0 / 2.0);
}

#[test]
fn every_epoch_visits_every_image_once_in_an_order_of_its_own() {
    let loader = loader(Order::Shuffled { seed: 7 });
    let visited = |epoch| -> Vec<usize> {
        batches(&loader, epoch, 0).into_iter().flat_map(|batch| batch.indices).collect()
    };
    let (first, second) = (visited(0), visited(1));
    assert_ne!(first, second);
    assert_eq!(first, visited(0));
    assert_ne!(first, Order::Shuffled { seed: 8 }.indices(23, 0));
    for mut order in [first, second] {
        order.sort_unstable();
        assert_eq!(order, (0..23).collect::<Vec<_>>());
    }
}

#[test]
fn a_resumed_epoch_goes_on_with_the_same_batches() {
    let loader = loader(Order::Shuffled { seed: 3 });
    let whole = batches(&loader, 2, 0);
    assert_eq!(batches(&loader, 2, 3), whole[3..]);
    assert!(batches(&loader, 2, 5).is_empty());
    assert!(batches(&loader, 2, 99).is_empty());
    assert_eq!((loader.batches(), loader.images(), loader.batch_size()), (5, 23, 5));
}

#[test]
fn recycled_memory_and_streaming_change_nothing() {
    let order = Order::Shuffled { seed: 1 };
    let whole = batches(&loader(order), 0, 0);
    for resident in [true, false] {
        let source = Arc::new(Numbered::new(resident));
        let loader = Loader::new(source, Split::Train, 5, order, &Normalization::unit(3)).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut epoch = loader.epoch(0, 0);
                for expected in &whole {
                    let batch = epoch.next().unwrap().unwrap();
                    assert_eq!(&batch, expected);
                    epoch.recycle(batch);
                }
                assert!(epoch.next().is_none());
            });
        }
    }
}

#[test]
fn decoding_keeps_to_the_threads_of_its_pool() {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let source = Arc::new(Numbered::new(false));
        let opened = Arc::clone(&source);
        let loader = pool.install(|| {
            Loader::new(opened, Split::Train, 23, Order::Sequential, &Normalization::unit(3)).unwrap()
        });
        for epoch in 0..20 {
            source.readers.lock().unwrap().clear();
            assert_eq!(batches(&loader, epoch, 0).len(), 1);
            let readers = source.readers.lock().unwrap().len();
            assert!(readers <= threads, "{threads} threads, {readers} readers");
        }
    }
}

#[test]
fn an_epoch_dropped_early_stops_reading() {
    let source = Arc::new(Numbered::new(true));
    let loader =
        Loader::new(Arc::clone(&source) as _, Split::Train, 1, Order::Sequential, &Normalization::unit(3))
            .unwrap();
    let mut epoch = loader.epoch(0, 0);
    epoch.next().unwrap().unwrap();
    drop(epoch);
    let reads = source.reads.load(Ordering::Relaxed);
    // One taken, two waiting, one in hand, and one made before the thread noticed.
    assert!(reads <= 5, "{reads} images were read");
    drop(loader);
    assert_eq!(Arc::strong_count(&source), 1);
}

#[test]
fn an_unreadable_image_ends_the_epoch_with_its_error() {
    for resident in [true, false] {
        let source = Numbered { broken: Some(12), ..Numbered::new(resident) };
        let order = Order::Sequential;
        let loader = Loader::new(Arc::new(source), Split::Train, 5, order, &Normalization::unit(3)).unwrap();
        let results: Vec<_> = loader.epoch(0, 0).collect();
        assert_eq!(results.len(), 3);
        assert!(results[..2].iter().all(Result::is_ok));
        assert_eq!(results[2].as_ref().unwrap_err().to_string(), "broken.png: the PNG image is truncated");
    }
}

#[test]
fn batch_sizes_and_splits_that_cannot_work_are_refused() {
    let shuffled = Order::Shuffled { seed: 0 };
    let new = |split, batch_size, order| {
        let source = Arc::new(Numbered::new(true));
        Loader::new(source, split, batch_size, order, &Normalization::unit(3)).map(|_| ())
    };
    let text = new(Split::Train, 24, shuffled).unwrap_err().to_string();
    assert_eq!(text, "batch size 24 does not fit the 23 images of the train split; choose 1 to 23");
    assert!(new(Split::Val, 0, Order::Sequential).is_err());
    assert!(new(Split::Val, 24, Order::Sequential).is_ok());
    assert!(matches!(new(Split::Test, 1, shuffled), Err(DataError::EmptySplit { split: Split::Test, .. })));
}
