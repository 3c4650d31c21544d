//! Batches in order, prepared ahead by a separate thread.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use ndarray::Array4;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::CHANNELS;
use crate::augment::{Augmenter, Scratch};
use crate::normalization::ByteScaling;
use crate::random::{Stream, generator, shuffle};
use crate::{Augmentation, DataError, Mixed, Normalization, PixelType, Source, Split};

/// The order in which an epoch visits the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// 0, 1, 2, ...; the same in every epoch.
    Sequential,
    /// Every image once, in a new order for each epoch, drawn from the seed and the epoch's number.
    Shuffled {
        /// The seed of the order.
        seed: u64,
    },
}

impl Order {
    /// The images of an epoch, in the order in which they are visited.
    pub fn indices(self, len: usize, epoch: u64) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..len).collect();
        if let Order::Shuffled { seed } = self {
            shuffle(&mut generator(seed, Stream::Shuffle, epoch), &mut indices);
        }
        indices
    }
}

/// Images in the form that a network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalised images, shape (batch, channels, height, width).
    pub images: Array4<f32>,
    /// The class of each image, shape (batch).
    pub labels: Vec<usize>,
    /// The other classes in the images, if an augmentation blends them.
    pub mixed: Option<Mixed>,
    /// The index of each image in its split, shape (batch).
    pub indices: Vec<usize>,
}

/// Makes batches out of one split of a source.
///
/// The same source, order, augmentation and epoch give the same batches whatever the number of threads, and
/// [`epoch`](Loader::epoch) may start at any batch, so a resumed run sees the same batches as an uninterrupted one.
///
/// A thread of the loader prepares batches ahead. If images are decoded for each batch, the loader uses as many threads
/// as the rayon pool in which it was created.
pub struct Loader {
    worker: Arc<Worker>,
    order: Order,
}

/// Batches waiting for the consumer; one more is in progress.
const BATCHES_AHEAD: usize = 2;

impl Loader {
    /// A loader of batches of `batch_size` images; the last batch of an epoch may be smaller.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`]; [`DataError::BatchSize`] for a batch size of 0, or, for a shuffled loader, one larger
    /// than the split; [`DataError::Normalization`].
    pub fn new(
        source: Arc<dyn Source>,
        split: Split,
        batch_size: usize,
        order: Order,
        normalization: &Normalization,
    ) -> Result<Loader, DataError> {
        let images = source.len(split);
        if images == 0 {
            return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
        }
        // Evaluation takes a small split in one batch; training with a batch larger than the set is a mistake.
        let too_large = batch_size > images && order != Order::Sequential;
        if batch_size == 0 || too_large {
            return Err(DataError::BatchSize { batch_size, split, images });
        }
        Ok(Loader { worker: Arc::new(Worker::new(source, split, batch_size, normalization)?), order })
    }

    /// The same loader with images changed at random, differently in each epoch.
    ///
    /// # Errors
    /// [`DataError::Augmentation`] if the images are too small for it.
    pub fn augmented(mut self, augmentation: Augmentation, seed: u64) -> Result<Loader, DataError> {
        let source = &self.worker.source;
        let (size, channels) = (source.image_size(), source.channels());
        augmentation.check(size)?;
        let is_picture = source.pixel_type() == PixelType::U8 && [1, CHANNELS].contains(&channels);
        if augmentation.changes_pixels() && !is_picture {
            let problem = format!(
                "only cutout, mixup and cutmix can change images of {channels} channels of {}; the others need bytes with 1 or 3 \
                 channels",
                source.pixel_type()
            );
            return Err(DataError::Augmentation { problem });
        }
        let augmenter = (!augmentation.is_none()).then(|| Augmenter::new(augmentation, seed, size, channels));
        self.worker = Arc::new(Worker { augmenter, ..Arc::unwrap_or_clone(self.worker) });
        Ok(self)
    }

    /// The same loader with only so many variants of each image: the changes of an epoch are those of the epoch with the
    /// remainder of its number modulo `variants`, which is at least 1.
    #[must_use]
    pub fn with_variants(mut self, variants: u64) -> Loader {
        self.worker =
            Arc::new(Worker { variants: Some(variants.max(1)), ..Arc::unwrap_or_clone(self.worker) });
        self
    }

    /// The same loader with another order.
    #[must_use]
    pub fn in_order(&self, order: Order) -> Loader {
        Loader { worker: Arc::clone(&self.worker), order }
    }

    /// The number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.images().div_ceil(self.worker.batch_size)
    }

    /// The number of images in an epoch.
    pub fn images(&self) -> usize {
        self.worker.source.len(self.worker.split)
    }

    /// The number of images in every batch but the last.
    pub fn batch_size(&self) -> usize {
        self.worker.batch_size
    }

    /// The batches of an epoch from number `first_batch` on (0 for all of them; none from
    /// [`batches`](Loader::batches) on).
    pub fn epoch(&self, epoch: u64, first_batch: usize) -> Epoch {
        let worker = Arc::clone(&self.worker);
        let order = self.order;
        let (send, batches) = sync_channel(BATCHES_AHEAD);
        let (recycle, recycled) = channel();
        let refused = send.clone();
        let started = std::thread::Builder::new()
            .name("convscope-loader".into())
            .spawn(move || worker.run(order, epoch, first_batch, &send, &recycled));
        let left = self.batches().saturating_sub(first_batch);
        let thread = started.inspect_err(|source| {
            let source = io::Error::new(source.kind(), source.to_string());
            // The channel is empty, so it has room.
            let _ = refused.try_send(Err(DataError::Thread { source }));
        });
        Epoch { batches: Some(batches), recycle, thread: thread.ok(), left }
    }
}

/// The batches of one epoch; see [`Loader::epoch`]. Dropping it early stops its thread.
pub struct Epoch {
    batches: Option<Receiver<Result<Batch, DataError>>>,
    recycle: Sender<Vec<f32>>,
    thread: Option<JoinHandle<()>>,
    left: usize,
}

impl Epoch {
    /// Returns a used batch, so that a later one can reuse its memory.
    pub fn recycle(&self, batch: Batch) {
        // The thread ends after the last batch; the memory is then simply freed.
        let _ = self.recycle.send(batch.images.into_raw_vec_and_offset().0);
    }

    fn stop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.batches.as_ref()?.recv().ok();
        match received {
            Some(Ok(_)) => self.left -= 1,
            Some(Err(_)) => self.left = 0,
            None => self.stop(),
        }
        received
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes one batch at a time.
#[derive(Clone)]
pub(crate) struct Worker {
    source: Arc<dyn Source>,
    split: Split,
    batch_size: usize,
    table: ByteScaling,
    normalization: Normalization,
    pub(crate) augmenter: Option<Augmenter>,
    /// How many epochs differ in the changes to images; `None` for all.
    variants: Option<u64>,
    /// The decoding threads; `None` if the loader's own thread is enough.
    pool: Option<Arc<ThreadPool>>,
}

/// Working memory for one image.
#[derive(Default)]
struct Buffers {
    pixels: Vec<u8>,
    rgb: Vec<u8>,
    scratch: Scratch,
}

impl Worker {
    pub(crate) fn new(
        source: Arc<dyn Source>,
        split: Split,
        batch_size: usize,
        normalization: &Normalization,
    ) -> Result<Worker, DataError> {
        // The loader's thread belongs to no pool, and the global one has all cores.
        let threads = rayon::current_num_threads();
        let pool = (!source.is_resident() && threads > 1).then(|| {
            let named = |number| format!("convscope-decoder-{number}");
            ThreadPoolBuilder::new().num_threads(threads).thread_name(named).build()
        });
        // If no more threads can be started, the loader's own thread decodes.
        let pool = pool.and_then(Result::ok).map(Arc::new);
        let table = normalization.table()?;
        if normalization.channels() != source.channels() {
            let (mean, std) = (normalization.mean.clone(), normalization.std.clone());
            return Err(DataError::Normalization { mean, std });
        }
        let normalization = normalization.clone();
        Ok(Worker { source, split, batch_size, table, normalization, augmenter: None, variants: None, pool })
    }

    fn run(
        &self,
        order: Order,
        epoch: u64,
        first_batch: usize,
        send: &SyncSender<Result<Batch, DataError>>,
        recycled: &Receiver<Vec<f32>>,
    ) {
        let indices = order.indices(self.source.len(self.split), epoch);
        let epoch = self.variants.map_or(epoch, |variants| epoch % variants);
        for batch_indices in indices.chunks(self.batch_size).skip(first_batch) {
            let batch = self.batch(epoch, batch_indices, recycled.try_recv().unwrap_or_default());
            let failed = batch.is_err();
            // If the consumer is gone, no more batches are needed.
            if send.send(batch).is_err() || failed {
                return;
            }
        }
    }

    /// Makes a batch of these images, reusing memory if possible.
    pub(crate) fn batch(
        &self,
        epoch: u64,
        indices: &[usize],
        mut values: Vec<f32>,
    ) -> Result<Batch, DataError> {
        let size = self.source.image_size();
        let len = self.source.image_len();
        let values_len = indices.len() * len;
        let refused = |_| DataError::Memory { images: indices.len(), size };
        values.try_reserve_exact(values_len.saturating_sub(values.len())).map_err(refused)?;
        values.resize(values_len, 0.0);
        match &self.pool {
            // Copying is so fast that the cores are better left to the network.
            None => {
                let mut buffers = Buffers::default();
                for (planes, &index) in values.chunks_exact_mut(len).zip(indices) {
                    self.example(epoch, index, &mut buffers, planes)?;
                }
            }
            Some(pool) => pool.install(|| {
                values
                    .par_chunks_exact_mut(len)
                    .zip(indices)
                    .try_for_each_init(Buffers::default, |buffers, (planes, &index)| {
                        self.example(epoch, index, buffers, planes)
                    })
            })?,
        }
        let labels: Vec<usize> = indices.iter().map(|&index| self.source.label(self.split, index)).collect();
        let mixed =
            self.augmenter.as_ref().and_then(|augmenter| augmenter.mix(epoch, indices, &labels, &mut values));
        let shape = (indices.len(), self.source.channels(), size.height, size.width);
        let images = Array4::from_shape_vec(shape, values).expect("the values fill the batch");
        Ok(Batch { images, labels, mixed, indices: indices.to_vec() })
    }

    /// Reads one image from the source, augments and scales it, and puts it into the batch.
    fn example(
        &self,
        epoch: u64,
        index: usize,
        buffers: &mut Buffers,
        planes: &mut [f32],
    ) -> Result<(), DataError> {
        let Buffers { pixels, rgb, scratch } = buffers;
        if self.source.pixel_type() == PixelType::F32 {
            self.source.read_f32(self.split, index, planes)?;
            self.normalization.scale(planes);
            if let Some(augmenter) = &self.augmenter {
                let cutout = augmenter.change(epoch, index, &mut Vec::new(), scratch);
                augmenter.cut_out(&cutout, planes);
            }
            return Ok(());
        }
        pixels.resize(planes.len(), 0);
        self.source.read(self.split, index, pixels)?;
        match &self.augmenter {
            Some(augmenter) if augmenter.changes_pixels() && self.source.channels() == 1 => {
                // Pixel changes work only on colours.
                rgb.clear();
                rgb.extend(pixels.iter().flat_map(|&grey| [grey; CHANNELS]));
                let cutout = augmenter.change(epoch, index, rgb, scratch);
                self.table.apply_grey(rgb, planes);
                augmenter.cut_out(&cutout, planes);
            }
            Some(augmenter) => {
                let cutout = augmenter.change(epoch, index, pixels, scratch);
                self.table.apply(pixels, planes);
                augmenter.cut_out(&cutout, planes);
            }
            None => self.table.apply(pixels, planes),
        }
        Ok(())
    }
}
