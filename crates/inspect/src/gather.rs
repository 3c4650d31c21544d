//! Sums over all values in a network, in fixed memory.

use std::sync::{Mutex, PoisonError};

use convscope_graph::{Executor, Graph, Node, Observation, Observer};
use convscope_kernels::statistics::{ChannelStatistics, SIZES, SizeCounts, count_sizes, squared_distance};
use convscope_ops::{Activation, Isa};
use rayon::prelude::*;

use crate::channel_histograms::ChannelHistograms;
use crate::rank::{Covariance, Sampling};

/// Statistics of the nodes of a network so far.
///
/// The images of a share of a batch come one after the other, and shares do not depend on the number of threads. So each
/// share has its own sums, which are added in the order of the shares.
pub(crate) struct Gatherer {
    watched: Vec<Watched>,
    shares: Vec<Mutex<Vec<NodeSums>>>,
    covariances: Vec<Covariance>,
    /// Common to all shares: counts do not depend on the order in which they are made.
    histograms: Vec<Mutex<ChannelHistograms>>,
    images: usize,
}

/// The final statistics of a node's value.
pub(crate) struct Gathered {
    pub(crate) sums: NodeSums,
    pub(crate) covariance: Covariance,
    pub(crate) histograms: ChannelHistograms,
}

/// What is observed of a node.
struct Watched {
    channels: usize,
    has_saturation: bool,
    is_comparable: bool,
    sampling: Sampling,
}

/// Sums over a node's value.
pub(crate) struct NodeSums {
    pub(crate) channels: ChannelStatistics,
    pub(crate) sizes: Vec<u64>,
    pub(crate) values: u64,
    /// Saturated values of each channel; empty if none can be saturated.
    pub(crate) saturated: Vec<u64>,
    /// Sums of the squares of output - input, and of the input.
    pub(crate) change: (f64, f64),
    recent: Box<SizeCounts>,
    recent_values: usize,
    samples: Vec<f32>,
}

impl Gatherer {
    /// A gatherer for a pass over `images` images with this executor.
    pub(crate) fn new(executor: &Executor, images: usize) -> Gatherer {
        let graph = executor.graph();
        let watched: Vec<Watched> =
            graph.nodes().iter().map(|node| Watched::new(graph, node, images)).collect();
        let sums = || watched.iter().map(NodeSums::new).collect();
        Gatherer {
            shares: (0..executor.shares()).map(|_| Mutex::new(sums())).collect(),
            covariances: watched.iter().map(|node| Covariance::new(node.sampling.kept_channels())).collect(),
            histograms: watched
                .iter()
                .map(|node| Mutex::new(ChannelHistograms::new(node.channels)))
                .collect(),
            watched,
            images: 0,
        }
    }

    /// Runs the images of a batch and observes them.
    pub(crate) fn batch(
        &mut self,
        executor: &mut Executor,
        images: ndarray::ArrayView4<'_, f32>,
    ) -> Result<ndarray::Array2<f32>, convscope_graph::GraphError> {
        let count = images.shape()[0];
        let view = BatchView { gatherer: self, isa: Isa::best() };
        let logits = executor.logits(images, Some(&view))?;
        self.images += count;
        self.take_samples();
        Ok(logits)
    }

    fn take_samples(&mut self) {
        let shares: Vec<&mut Vec<NodeSums>> = self
            .shares
            .iter_mut()
            .map(|share| share.get_mut().unwrap_or_else(PoisonError::into_inner))
            .collect();
        self.covariances.par_iter_mut().enumerate().for_each(|(node, covariance)| {
            shares.iter().for_each(|share| covariance.add(&share[node].samples));
        });
        for share in shares {
            share.iter_mut().for_each(|node| node.samples.clear());
        }
    }

    /// Everything, node by node.
    pub(crate) fn finish(self) -> Vec<Gathered> {
        let mut shares =
            self.shares.into_iter().map(|share| share.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut total = shares.next().unwrap_or_default();
        for share in shares {
            total.iter_mut().zip(&share).for_each(|(total, share)| total.merge(share));
        }
        total.iter_mut().for_each(NodeSums::settle);
        let histograms =
            self.histograms.into_iter().map(|node| node.into_inner().unwrap_or_else(PoisonError::into_inner));
        total
            .into_iter()
            .zip(self.covariances)
            .zip(histograms)
            .map(|((sums, covariance), histograms)| Gathered { sums, covariance, histograms })
            .collect()
    }
}

impl Watched {
    fn new(graph: &Graph, node: &Node, images: usize) -> Watched {
        let activation = activation_of(node);
        let pixels = node.shape.positions();
        Watched {
            channels: node.shape.channels(),
            has_saturation: activation.is_some_and(Activation::saturates),
            is_comparable: matches!(node.inputs[..], [input] if graph.shape(input) == node.shape),
            sampling: Sampling::new(node.shape.channels(), pixels, images),
        }
    }
}

/// A node's activation function, or the one that it is.
pub(crate) fn activation_of(node: &Node) -> Option<Activation> {
    node.activation.or(node.operator.layer().activation())
}

impl NodeSums {
    fn new(node: &Watched) -> NodeSums {
        NodeSums {
            channels: ChannelStatistics::new(node.channels),
            sizes: vec![0; SIZES],
            values: 0,
            saturated: vec![0; if node.has_saturation { node.channels } else { 0 }],
            change: (0.0, 0.0),
            recent: Box::new([[0; SIZES]; 2]),
            recent_values: 0,
            samples: Vec::new(),
        }
    }

    fn count_sizes(&mut self, values: &[f32]) {
        const MOST: usize = u32::MAX as usize / 2;
        if self.recent_values + values.len() > MOST {
            self.settle();
        }
        count_sizes(values, &mut self.recent);
        self.recent_values += values.len();
    }

    /// Moves the recent counts into the larger totals.
    fn settle(&mut self) {
        let [even, odd] = &mut *self.recent;
        for ((size, even), odd) in self.sizes.iter_mut().zip(even).zip(odd) {
            *size += u64::from(*even) + u64::from(*odd);
            (*even, *odd) = (0, 0);
        }
        self.recent_values = 0;
    }

    fn merge(&mut self, other: &NodeSums) {
        self.settle();
        self.channels.merge(&other.channels);
        let [even, odd] = &*other.recent;
        for (index, size) in self.sizes.iter_mut().enumerate() {
            *size += other.sizes[index] + u64::from(even[index]) + u64::from(odd[index]);
        }
        self.values += other.values;
        self.saturated.iter_mut().zip(&other.saturated).for_each(|(count, other)| *count += other);
        self.change.0 += other.change.0;
        self.change.1 += other.change.1;
    }
}

/// The observer of one batch.
struct BatchView<'a> {
    gatherer: &'a Gatherer,
    isa: Isa,
}

impl Observer for BatchView<'_> {
    fn observe(&self, seen: &Observation<'_>) {
        let watched = &self.gatherer.watched[seen.node];
        let share = &self.gatherer.shares[seen.share];
        let mut share = share.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = &mut share[seen.node];
        sums.values += seen.values.len() as u64;
        sums.channels.add(self.isa, seen.values);
        sums.count_sizes(seen.values);
        if watched.has_saturation {
            let near = |value: &f32| *value < SATURATION_MARGIN || *value > 1.0 - SATURATION_MARGIN;
            for position in seen.values.chunks_exact(watched.channels) {
                sums.saturated
                    .iter_mut()
                    .zip(position)
                    .for_each(|(count, value)| *count += u64::from(near(value)));
            }
        }
        if let (true, Some(input)) = (watched.is_comparable, seen.input) {
            let (change, size) = squared_distance(self.isa, seen.values, input);
            sums.change.0 += change;
            sums.change.1 += size;
        }
        for (index, image) in seen.values.chunks_exact(seen.shape.len()).enumerate() {
            let image_index = self.gatherer.images + seen.first_image + index;
            let mut positions = watched.sampling.positions(image_index, image).peekable();
            if positions.peek().is_none() {
                continue;
            }
            let histograms = &self.gatherer.histograms[seen.node];
            let mut histograms = histograms.lock().unwrap_or_else(PoisonError::into_inner);
            for position in positions {
                sums.samples.extend(watched.sampling.kept(position));
                histograms.add(position);
            }
        }
    }
}

/// How close to 0 or 1 an output of a sigmoid or softmax must be to count as saturated.
pub const SATURATION_MARGIN: f32 = 1e-3;
