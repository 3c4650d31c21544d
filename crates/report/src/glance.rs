//! The values of each node for a few fixed images, after an epoch, for TensorBoard.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use convscope_graph::{Node, Observation, Observer};
use convscope_train::run_dir::{Distribution, ValueRange};
use convscope_train::sink::{EpochEnd, Sink, SinkResult, TensorBoardSummary};
use serde::Deserialize;

use crate::colour::{NOT_A_NUMBER, viridis};

/// The epochs after which the network is inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Glance {
    /// After every epoch.
    #[default]
    Every,
    /// After the last epoch.
    Last,
    /// Never.
    Off,
}

/// Adds the layers' outputs for a few fixed images to TensorBoard: a histogram of each node's activations, and the
/// first image's feature maps, often enough to get about ten of them, which is as many as TensorBoard keeps.
///
/// It runs the images through the network twice: once for the range of each node's values, and once to count.
pub struct GlanceSink {
    when: Glance,
}

impl GlanceSink {
    /// A sink that inspects the network after these epochs.
    pub fn new(when: Glance) -> GlanceSink {
        GlanceSink { when }
    }
}

impl Sink for GlanceSink {
    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let is_over = end.state.is_over();
        let is_wanted = match self.when {
            Glance::Every => true,
            Glance::Last => is_over,
            Glance::Off => false,
        };
        if !is_wanted {
            return Ok(());
        }
        let (epoch, epochs) = (end.metrics.epoch, end.state.config().epochs);
        let shows_pictures = epoch == 1 || is_over || epoch.is_multiple_of(epochs.div_ceil(PICTURES));
        let nodes = end.state.graph().nodes();
        let seen = look(nodes, |observer| end.observe(observer))?;
        for (node, (distribution, picture)) in nodes.iter().zip(seen) {
            let tag = format!("activations/{}", node.name);
            end.summaries.push(TensorBoardSummary::Histogram { tag, values: Box::new(distribution) });
            if let Some(grid) = picture.filter(|_| shows_pictures) {
                let png = grid.to_png()?;
                let tag = format!("feature_maps/{}", node.name);
                end.summaries.push(TensorBoardSummary::Image { tag, size: grid.size, png });
            }
        }
        Ok(())
    }
}

/// Pictures of a node over a run.
const PICTURES: u64 = 10;

/// For each node, the distribution of its values over all images, positions and channels, and the first image's maps if
/// it has rows and columns. `run` runs the images through the network.
fn look<E>(
    nodes: &[Node],
    mut run: impl FnMut(&dyn Observer) -> Result<(), E>,
) -> Result<Vec<(Distribution, Option<MapGrid>)>, E> {
    let ranges = Ranges(nodes.iter().map(|_| Mutex::new(ValueRange::EMPTY)).collect());
    run(&ranges)?;
    let ranges: Vec<ValueRange> = ranges.0.into_iter().map(inner).collect();
    let counts = Counts { ranges, seen: nodes.iter().map(|_| Mutex::default()).collect() };
    run(&counts)?;
    let merged = |(seen, range): (Seen, ValueRange)| {
        let mut all = Distribution::within(range);
        seen.parts.values().for_each(|part| all.merge(part));
        (all, seen.picture)
    };
    Ok(counts.seen.into_iter().map(inner).zip(counts.ranges).map(merged).collect())
}

/// The first channels of a node for one image side by side in viridis, each from its own smallest value to its own
/// largest. A pixel is an index into [`palette`].
#[derive(Debug, PartialEq)]
struct MapGrid {
    size: [u32; 2],
    pixels: Vec<u8>,
}

fn inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The range of each node's values.
struct Ranges(Vec<Mutex<ValueRange>>);

impl Observer for Ranges {
    fn observe(&self, seen: &Observation<'_>) {
        self.0[seen.node].lock().unwrap_or_else(PoisonError::into_inner).add(seen.values);
    }
}

/// The distribution of each node's values within their range.
struct Counts {
    ranges: Vec<ValueRange>,
    seen: Vec<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// By first image, so that sums are added in one order.
    parts: BTreeMap<usize, Distribution>,
    picture: Option<MapGrid>,
}

impl Observer for Counts {
    fn observe(&self, observation: &Observation<'_>) {
        let mut part = Distribution::within(self.ranges[observation.node]);
        part.add(observation.values);
        let [height, width] = observation.shape.size();
        let is_shown = observation.first_image == 0 && height * width > 1;
        let first = &observation.values[..observation.shape.len()];
        let picture = is_shown.then(|| MapGrid::new(first, observation.shape.channels(), [height, width]));
        let mut seen = self.seen[observation.node].lock().unwrap_or_else(PoisonError::into_inner);
        seen.parts.insert(observation.first_image, part);
        if picture.is_some() {
            seen.picture = picture;
        }
    }
}

/// Most channels in a picture.
const CHANNELS: usize = 64;
/// The longer side of a map: larger ones are averaged down, smaller ones enlarged by a whole factor.
const SIDE: usize = 32;
/// Pixels between maps.
const GAP: usize = 2;

/// Entries of the palette: viridis up to the largest value, then a colour for values that are not finite, and white
/// between maps.
const LARGEST: u8 = 253;
const NOT_FINITE: u8 = 254;
const WHITE: u8 = 255;

fn palette() -> Vec<[u8; 3]> {
    let values = (0..=LARGEST).map(|place| viridis(f32::from(place) / f32::from(LARGEST)));
    values.chain([NOT_A_NUMBER, [255; 3]]).collect()
}

impl MapGrid {
    /// Of one image's values, channels-last.
    fn new(values: &[f32], channels: usize, [height, width]: [usize; 2]) -> MapGrid {
        let shown = channels.min(CHANNELS);
        let columns = (shown as f64).sqrt().ceil() as usize;
        let longer = height.max(width);
        let (down, up) = (longer.div_ceil(SIDE), (SIDE / longer).max(1));
        let map = [height.div_ceil(down) * up, width.div_ceil(down) * up];
        let size = [shown.div_ceil(columns) * (map[0] + GAP) - GAP, columns * (map[1] + GAP) - GAP];
        let mut pixels = vec![WHITE; size[0] * size[1]];
        for channel in 0..shown {
            let (top, left) = (channel / columns * (map[0] + GAP), channel % columns * (map[1] + GAP));
            let plane = averaged(values, (channel, channels), [height, width], down);
            let finite = || plane.iter().copied().filter(|value| value.is_finite());
            let min = finite().fold(f32::INFINITY, f32::min);
            let span = finite().fold(f32::NEG_INFINITY, f32::max) - min;
            let plane_width = width.div_ceil(down);
            for y in 0..map[0] {
                for x in 0..map[1] {
                    let value = plane[y / up * plane_width + x / up];
                    let share = if span > 0.0 { (value - min) / span } else { value * 0.0 };
                    let place = (share * f32::from(LARGEST)).round() as u8;
                    pixels[(top + y) * size[1] + left + x] =
                        if value.is_finite() { place } else { NOT_FINITE };
                }
            }
        }
        MapGrid { size: size.map(|side| side as u32), pixels }
    }

    /// The bytes of a PNG file.
    fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let [height, width] = self.size;
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette().concat());
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        Ok(file)
    }
}

/// One channel of channels-last values, each pixel the mean of `down` by `down` of them.
fn averaged(
    values: &[f32],
    (channel, channels): (usize, usize),
    [height, width]: [usize; 2],
    down: usize,
) -> Vec<f32> {
    let mut plane = Vec::with_capacity(height.div_ceil(down) * width.div_ceil(down));
    for top in (0..height).step_by(down) {
        for left in (0..width).step_by(down) {
            let (bottom, right) = ((top + down).min(height), (left + down).min(width));
            let places = (top..bottom).flat_map(|y| (left..right).map(move |x| y * width + x));
            let sum: f32 = places.map(|place| values[place * channels + channel]).sum();
            plane.push(sum / ((bottom - top) * (right - left)) as f32);
        }
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::{Executor, Graph, Parameters, preset};
    use convscope_ops::Mode;
    use ndarray::Array4;
    use std::sync::Arc;

    #[test]
    fn maps_lie_in_rows_in_the_order_of_the_channels() {
        // Three channels of one row and two columns: rising, falling, constant.
        let values = [0.0, 9.0, 5.0, 1.0, 7.0, 5.0];
        let grid = MapGrid::new(&values, 3, [1, 2]);
        // Enlarged by 16: two columns of maps of 16 by 32.
        assert_eq!(grid.size, [16 + GAP as u32 + 16, 32 + GAP as u32 + 32]);
        let at = |y: usize, x: usize| grid.pixels[y * grid.size[1] as usize + x];
        assert_eq!((at(0, 0), at(15, 31), at(15, 34), at(0, 65)), (0, LARGEST, LARGEST, 0));
        assert_eq!((at(18, 0), at(33, 31), at(0, 33)), (0, 0, WHITE));
        let broken = MapGrid::new(&[0.0, f32::NAN], 1, [1, 2]);
        assert_eq!((broken.pixels[0], broken.pixels[31]), (0, NOT_FINITE));
        assert_eq!((palette().len(), palette()[usize::from(LARGEST)]), (256, viridis(1.0)));
    }

    #[test]
    fn large_maps_are_averaged_down() {
        // 3 by 65 pixels: blocks of three, the last column block of two.
        let values: Vec<f32> = (0..3 * 65).map(|place| (place % 65) as f32).collect();
        assert_eq!(averaged(&values, (0, 1), [3, 65], 3)[..2], [1.0, 4.0]);
        assert_eq!(averaged(&values, (0, 1), [3, 65], 3)[21], 63.5);
        assert_eq!(MapGrid::new(&values, 1, [3, 65]).size, [1, 22]);
    }

    #[test]
    fn every_node_is_seen_and_the_last_one_holds_probabilities() {
        let graph = Arc::new(Graph::new(preset("plain8-bn", [3, 8, 8], 3).unwrap()).unwrap());
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, 5).unwrap();
        executor.load(&Parameters::new(&graph, 1).unwrap());
        let images =
            Array4::from_shape_fn([5, 3, 8, 8], |(n, c, y, x)| ((n + 2 * c + y * x) % 7) as f32 - 3.0);
        let glance =
            look(graph.nodes(), |observer| executor.logits(images.view(), Some(observer)).map(|_| ()))
                .unwrap();
        for (node, (distribution, _)) in graph.nodes().iter().zip(&glance) {
            assert_eq!(distribution.count(), 5 * node.shape.len() as u64, "{}", node.name);
        }
        let last = glance.last().unwrap();
        assert!((last.0.sum() - 5.0).abs() < 1e-5 && last.1.is_none());
        assert!(glance[0].0.min() == 0.0 && glance[0].0.max() > 0.0);
        assert_eq!(glance[0].1.as_ref().unwrap().size, [4 * 34 - 2; 2]);
    }
}
