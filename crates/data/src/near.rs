//! Pictures that look the same: resized, compressed again, brightened, or taken in the same second.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::manifest::{Copy, Duplicate, portable_path};
use crate::{CHANNELS, DataError, Source, Split};

/// The pictures of a source that look like others but have other bytes, in groups: first those in two classes, then those
/// across splits, then the others.
///
/// Two pictures look the same if their difference hashes of 64 bits (each bit says whether one of 9 x 8 grey values is
/// larger than the one to its left, by more than 2 of 255 levels) differ in at most 4 bits, and their grey values on a grid of 16 x 16, with equal mean and
/// deviation, by less than 0.15 deviations on average. Pictures of nearly one colour look like nothing.
///
/// # Errors
/// An image that cannot be read.
pub fn near_duplicates(source: &dyn Source) -> Result<Vec<Duplicate>, DataError> {
    let places: Vec<(Split, usize)> = Split::ALL
        .into_iter()
        .flat_map(|split| (0..source.len(split)).map(move |index| (split, index)))
        .collect();
    let looks: Vec<Option<Look>> = places
        .par_iter()
        .map_init(Vec::new, |rgb, &(split, index)| {
            rgb.resize(source.image_size().bytes(), 0);
            source.read_rgb(split, index, rgb)?;
            Ok(Look::of(rgb, source.image_size().width))
        })
        .collect::<Result<_, DataError>>()?;
    let ids: Option<Vec<_>> = Split::ALL.into_iter().map(|split| source.image_ids(split)).collect();
    let ids = ids.map(|ids| ids.concat());
    let is_identical = |a: usize, b: usize| ids.as_ref().is_some_and(|ids| ids[a] == ids[b]);
    let mut groups = Groups::new(places.len());
    for (a, b) in candidates(&looks) {
        if let (Some(one), Some(other)) = (&looks[a], &looks[b])
            && !is_identical(a, b)
            && one.is_like(other)
        {
            groups.join(a, b);
        }
    }
    let mut found: Vec<Duplicate> = groups
        .found()
        .into_iter()
        .map(|group| duplicate(source, group.iter().map(|&at| places[at])))
        .collect();
    found.sort_by_key(|group| (!group.in_two_classes, !group.across_splits));
    Ok(found)
}

/// What is compared of a picture.
struct Look {
    hash: u64,
    /// On a grid, with mean 0 and deviation 1.
    grid: Vec<f32>,
}

/// Rows and columns of the grid.
const GRID: usize = 16;
/// The smallest deviation, in levels of grey, of a picture that shows something.
const FLAT: f32 = 6.0;
/// By how many levels of grey a value is larger, so that noise in a sky sets no bits.
const RISE: f32 = 2.0;
/// The most bits in which hashes of like pictures differ.
const MOST_BITS: u32 = 4;
/// The most mean difference of their grids.
const MOST_DIFFERENCE: f32 = 0.15;

impl Look {
    /// `None` for a picture of nearly one colour.
    fn of(rgb: &[u8], width: usize) -> Option<Look> {
        let luma = |pixel: &[u8]| {
            0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
        };
        let grey: Vec<f32> = rgb.chunks_exact(CHANNELS).map(luma).collect();
        let mut grid = shrunk(&grey, width, GRID, GRID);
        let mean = grid.iter().sum::<f32>() / grid.len() as f32;
        let deviation =
            (grid.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / grid.len() as f32).sqrt();
        if deviation < FLAT {
            return None;
        }
        grid.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
        let small = shrunk(&grey, width, 9, 8);
        let bits = small.chunks_exact(9).flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0] + RISE));
        Some(Look { hash: bits.fold(0, |hash, bit| hash << 1 | u64::from(bit)), grid })
    }

    fn is_like(&self, other: &Look) -> bool {
        if (self.hash ^ other.hash).count_ones() > MOST_BITS {
            return false;
        }
        let differences = self.grid.iter().zip(&other.grid).map(|(a, b)| (a - b).abs());
        differences.sum::<f32>() < MOST_DIFFERENCE * self.grid.len() as f32
    }
}

/// Means over the parts of a picture; a pixel on a border counts for both sides with its share.
fn shrunk(grey: &[f32], width: usize, columns: usize, rows: usize) -> Vec<f32> {
    let height = grey.len() / width;
    let (of_columns, of_rows) = (shares(width, columns), shares(height, rows));
    let mut means = Vec::with_capacity(columns * rows);
    for ys in &of_rows {
        for xs in &of_columns {
            let of_row = |y: usize| xs.iter().map(|&(x, share)| share * grey[y * width + x]).sum::<f32>();
            means.push(ys.iter().map(|&(y, share)| share * of_row(y)).sum());
        }
    }
    means
}

/// For each of so many parts of a side, its pixels with their shares in it.
fn shares(len: usize, parts: usize) -> Vec<Vec<(usize, f32)>> {
    let size = len as f32 / parts as f32;
    let part = |index: usize| {
        let (start, end) = (index as f32 * size, (index + 1) as f32 * size);
        let pixels = start as usize..(end.ceil() as usize).min(len);
        let share = |pixel: usize| (end.min(pixel as f32 + 1.0) - start.max(pixel as f32)) / size;
        pixels.map(|pixel| (pixel, share(pixel))).collect()
    };
    (0..parts).map(part).collect()
}

/// Pairs whose hashes may differ in few bits: of five parts, at least one is equal.
fn candidates(looks: &[Option<Look>]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (start, len) in [(0, 13), (13, 13), (26, 13), (39, 13), (52, 12)] {
        let mut buckets: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, look) in looks.iter().enumerate() {
            if let Some(look) = look {
                buckets.entry(look.hash >> start & ((1 << len) - 1)).or_default().push(index);
            }
        }
        for bucket in buckets.values() {
            for (place, &a) in bucket.iter().enumerate() {
                let hash = |index: usize| looks[index].as_ref().map_or(0, |look| look.hash);
                let near = |b: &&usize| (hash(a) ^ hash(**b)).count_ones() <= MOST_BITS;
                pairs.extend(bucket[place + 1..].iter().filter(near).map(|&b| (a, b)));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Pictures that are joined directly or through others.
struct Groups(Vec<usize>);

impl Groups {
    fn new(len: usize) -> Groups {
        Groups((0..len).collect())
    }

    fn first(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// Those with several pictures.
    fn found(&self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        (0..self.0.len()).for_each(|at| groups.entry(self.first(at)).or_default().push(at));
        groups.into_values().filter(|group| group.len() > 1).collect()
    }
}

fn duplicate(source: &dyn Source, places: impl Iterator<Item = (Split, usize)> + Clone) -> Duplicate {
    let differ = |of: &dyn Fn((Split, usize)) -> usize| {
        let mut all = places.clone().map(of);
        let first = all.next();
        all.any(|other| Some(other) != first)
    };
    let copy = |(split, index): (Split, usize)| Copy {
        split,
        class: source.classes()[source.label(split, index)].clone(),
        path: match source.path(split, index) {
            Some(path) => portable_path(path.strip_prefix(source.name()).unwrap_or(path)),
            None => format!("image {index}"),
        },
    };
    Duplicate {
        copies: places.clone().map(copy).collect(),
        in_two_classes: differ(&|(split, index)| source.label(split, index)),
        across_splits: differ(&|(split, _)| split as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 40;

    /// A picture of blocks, with every level changed by `change`.
    fn picture(seed: u32, change: impl Fn(f32, usize) -> f32) -> Vec<u8> {
        let level = |at: usize| {
            let (x, y) = (at % WIDTH / 8, at / WIDTH / 8);
            let block = (seed.wrapping_mul(2_654_435_761) >> ((x * 5 + y * 3) % 24)) & 0xff;
            40.0 + block as f32 * 0.6
        };
        (0..WIDTH * 40).flat_map(|at| [change(level(at), at).clamp(0.0, 255.0) as u8; 3]).collect()
    }

    fn look(rgb: &[u8]) -> Look {
        Look::of(rgb, WIDTH).unwrap()
    }

    #[test]
    fn compressed_and_brightened_pictures_look_the_same_and_others_do_not() {
        let one = look(&picture(7, |level, _| level));
        let noisy = look(&picture(7, |level, at| level + (at % 7) as f32 - 3.0));
        let brighter = look(&picture(7, |level, _| 1.1 * level + 5.0));
        assert!(one.is_like(&noisy) && one.is_like(&brighter));
        for seed in [8, 9, 10, 11] {
            assert!(!one.is_like(&look(&picture(seed, |level, _| level))), "{seed}");
        }
        let half: Vec<u8> = picture(7, |level, _| level)
            .chunks_exact(3 * WIDTH)
            .step_by(2)
            .flat_map(|row| row.chunks_exact(6).flat_map(|two| two[..3].to_vec()))
            .collect();
        assert!(one.is_like(&Look::of(&half, WIDTH / 2).unwrap()));
        assert!(Look::of(&vec![90; 3 * 40 * 40], WIDTH).is_none());
    }

    #[test]
    fn every_pair_within_the_bits_is_a_candidate() {
        let base = 0x1234_5678_9abc_def0_u64;
        let looks: Vec<Option<Look>> = [base, base ^ 0x8000_0100_0010_0001, base ^ 0b11111, !base]
            .map(|hash| Some(Look { hash, grid: Vec::new() }))
            .into_iter()
            .collect();
        assert_eq!(candidates(&looks), [(0, 1)]);
    }
}
