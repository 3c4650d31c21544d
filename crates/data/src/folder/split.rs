//! Takes validation and test images from the training images if a folder has none.
//!
//! Every picture has a position between 0 and 1: the first eight bytes, as a big-endian number divided by 2^64, of the
//! SHA-256 of
//!
//! ```text
//! split seed (8 bytes, little-endian), class name, a zero byte, path below the class folder with `/` between its parts
//! ```
//!
//! Positions below the test share are test images, those within the validation share above it are validation images,
//! and the others are training images. So a picture stays in its split when others are added or removed, and test
//! pictures stay test pictures when the validation share changes. Pictures with the same bytes share the position of
//! the first of them, by class and path.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::manifest::ContentHash;
use crate::{MovedImage, Split};

/// The shares of the training images used for validation and testing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    pub(super) val: f64,
    pub(super) test: f64,
}

/// A training image to be assigned to a split.
pub(super) struct Candidate<'a> {
    pub(super) label: usize,
    /// Its path below the class folder.
    pub(super) name: &'a str,
    pub(super) hash: ContentHash,
}

/// The splits of images, in order.
pub(super) struct Placed {
    pub(super) splits: Vec<Split>,
    pub(super) moved: Vec<MovedImage>,
}

/// Pictures with the same bytes, which stay together.
struct Group {
    place: f64,
    split: Split,
    images: Vec<usize>,
    /// The classes of these images.
    labels: Vec<usize>,
}

/// Assigns images, sorted by class and path, to splits, making sure that no class lacks an image in a split that it
/// could have.
pub(super) fn place(images: &[Candidate<'_>], classes: &[String], shares: Shares, split_seed: u64) -> Placed {
    let mut groups = Groups::of(images, classes, shares, split_seed);
    let mut moved = Vec::new();
    for label in 0..classes.len() {
        for split in [Split::Train, Split::Val, Split::Test] {
            if shares.width_of(split) == 0.0 || groups.counts[label][split as usize] > 0 {
                continue;
            }
            if let Some(group) = groups.nearest(label, split, shares) {
                groups.assign(group, split);
                let image = &images[groups.groups[group].images[0]];
                let (class, name) = (classes[image.label].clone(), image.name.to_owned());
                moved.push(MovedImage { class, name, to: split });
            }
        }
    }
    let mut splits = vec![Split::Train; images.len()];
    for group in groups.groups {
        group.images.iter().for_each(|&image| splits[image] = group.split);
    }
    Placed { splits, moved }
}

/// All groups, and the classes of their images.
struct Groups {
    groups: Vec<Group>,
    /// The groups with an image of each class.
    of_class: Vec<Vec<usize>>,
    /// How many groups of each class each split has.
    counts: Vec<[usize; 3]>,
}

impl Groups {
    fn of(images: &[Candidate<'_>], classes: &[String], shares: Shares, split_seed: u64) -> Groups {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<ContentHash, usize> = HashMap::new();
        let (mut of_class, mut counts) = (vec![Vec::new(); classes.len()], vec![[0; 3]; classes.len()]);
        for (index, image) in images.iter().enumerate() {
            let number = *known.entry(image.hash).or_insert_with(|| {
                let place = place_of(split_seed, &classes[image.label], image.name);
                let split = shares.split_of(place);
                groups.push(Group { place, split, images: Vec::new(), labels: Vec::new() });
                groups.len() - 1
            });
            let group = &mut groups[number];
            group.images.push(index);
            // Images are sorted by class.
            if group.labels.last() != Some(&image.label) {
                group.labels.push(image.label);
                of_class[image.label].push(number);
                counts[image.label][group.split as usize] += 1;
            }
        }
        Groups { groups, of_class, counts }
    }

    /// The group to move so that a class has an image in a split: the nearest of those whose own split has others,
    /// otherwise the nearest of those whose own split matters less. Training matters most, then validation.
    fn nearest(&self, label: usize, split: Split, shares: Shares) -> Option<usize> {
        let nearest_of = |may_leave: &dyn Fn(&Group) -> bool| {
            let candidates = self.of_class[label].iter().copied();
            let candidates = candidates.filter(|&group| may_leave(&self.groups[group]));
            let distance = |group: usize| shares.distance(self.groups[group].place, split);
            candidates.min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        };
        let can_be_spared =
            |group: &Group| group.labels.iter().all(|&label| self.counts[label][group.split as usize] > 1);
        // Splits are numbered in order of importance.
        let matters_less = |group: &Group| group.split as usize > split as usize;
        nearest_of(&can_be_spared).or_else(|| nearest_of(&matters_less))
    }

    fn assign(&mut self, group: usize, split: Split) {
        let group = &mut self.groups[group];
        for &label in &group.labels {
            self.counts[label][group.split as usize] -= 1;
            self.counts[label][split as usize] += 1;
        }
        group.split = split;
    }
}

impl Shares {
    fn split_of(self, place: f64) -> Split {
        if place < self.test {
            Split::Test
        } else if place < self.test + self.val {
            Split::Val
        } else {
            Split::Train
        }
    }

    /// The range of positions of a split.
    fn places_of(self, split: Split) -> (f64, f64) {
        match split {
            Split::Test => (0.0, self.test),
            Split::Val => (self.test, self.test + self.val),
            Split::Train => (self.test + self.val, 1.0),
        }
    }

    fn width_of(self, split: Split) -> f64 {
        let (from, to) = self.places_of(split);
        to - from
    }

    fn distance(self, place: f64, split: Split) -> f64 {
        let (from, to) = self.places_of(split);
        (from - place).max(place - to).max(0.0)
    }
}

/// The position of a picture between 0 and 1.
fn place_of(split_seed: u64, class: &str, name: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(split_seed.to_le_bytes());
    hash.update(class.as_bytes());
    hash.update([0]);
    hash.update(name.as_bytes());
    let first = *hash.finalize().first_chunk::<8>().expect("a SHA-256 has 32 bytes");
    u64::from_be_bytes(first) as f64 / 2f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares = Shares { val: 0.25, test: 0.125 };

    fn classes() -> Vec<String> {
        vec!["blue".to_owned(), "red".to_owned()]
    }

    fn hash(number: usize) -> ContentHash {
        ContentHash::of(&number.to_le_bytes())
    }

    /// Assigns pictures with these labels and contents, named by their numbers.
    fn placed(pictures: &[(usize, usize)], shares: Shares, seed: u64) -> Placed {
        let names: Vec<String> = (0..pictures.len()).map(|number| format!("{number:04}.png")).collect();
        let candidates: Vec<Candidate<'_>> = pictures
            .iter()
            .zip(&names)
            .map(|(&(label, content), name)| Candidate { label, name, hash: hash(content) })
            .collect();
        place(&candidates, &classes(), shares, seed)
    }

    fn count(placed: &Placed, split: Split) -> usize {
        placed.splits.iter().filter(|&&of| of == split).count()
    }

    #[test]
    fn the_place_is_the_documented_one() {
        // python3 -c "import hashlib; h = hashlib.sha256((7).to_bytes(8, 'little') + b'blue\0deep/a.png').digest();
        // print(int.from_bytes(h[:8], 'big') / 2**64)"
        assert_eq!(place_of(7, "blue", "deep/a.png"), 0.6203957061049117);
        let places: Vec<f64> = (0..2000).map(|n| place_of(1, "red", &n.to_string())).collect();
        let mean = places.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }

    #[test]
    fn shares_are_met_and_places_do_not_depend_on_other_pictures() {
        let many: Vec<(usize, usize)> = (0..2000).map(|n| (n / 1200, n)).collect();
        let all = placed(&many, SHARES, 3);
        assert!((count(&all, Split::Val) as f64 / 2000.0 - 0.25).abs() < 0.03);
        assert!((count(&all, Split::Test) as f64 / 2000.0 - 0.125).abs() < 0.03);
        assert!(all.moved.is_empty());
        let fewer = placed(&many[..1500], SHARES, 3);
        assert_eq!(fewer.splits[..], all.splits[..1500]);
        assert_ne!(placed(&many, SHARES, 4).splits, all.splits);
        // Changing the validation share does not change the test images.
        let other = placed(&many, Shares { val: 0.5, ..SHARES }, 3);
        let tests =
            |placed: &Placed| placed.splits.iter().map(|&split| split == Split::Test).collect::<Vec<bool>>();
        assert_eq!(tests(&other), tests(&all));
    }

    #[test]
    fn copies_of_a_picture_stay_together_in_both_classes() {
        // Thirty contents, each twice in one class and once in the other.
        let pictures: Vec<(usize, usize)> = (0..90).map(|n| (n / 60, n % 30)).collect();
        let placed = placed(&pictures, SHARES, 5);
        for number in 0..30 {
            let of = [0, 30, 60].map(|start| placed.splits[start + number]);
            assert_eq!(of, [of[0]; 3], "{number}");
        }
        assert!(count(&placed, Split::Val) > 0 && count(&placed, Split::Test) > 0);
    }

    #[test]
    fn a_class_of_few_pictures_has_one_of_each_split_as_far_as_they_go() {
        for seed in 0..50 {
            for images in 1..8_usize {
                // The other class has enough images of its own.
                let mut pictures: Vec<(usize, usize)> = (0..200).map(|n| (0, n)).collect();
                pictures.extend((0..images).map(|n| (1, 1000 + n)));
                let placed = placed(&pictures, SHARES, seed);
                let red = &placed.splits[200..];
                let count = |split| red.iter().filter(|&&of| of == split).count();
                let expected = match images {
                    1 => [true, false, false],
                    2 => [true, true, false],
                    _ => [true, true, true],
                };
                let found = Split::ALL.map(|split| count(split) > 0);
                assert_eq!(found, expected, "seed {seed}, {images} images: {red:?}");
                let said = placed.moved.iter().filter(|moved| moved.class == "red").count();
                let unmoved = (0..images).filter(|n| {
                    red[*n] == SHARES.split_of(place_of(seed, "red", &format!("{:04}.png", 200 + n)))
                });
                assert!(said >= images - unmoved.count(), "seed {seed}, {images} images");
            }
        }
    }

    #[test]
    fn the_nearest_picture_is_moved_and_only_where_one_can_be_spared() {
        // Without a test share, none is needed.
        let pictures: Vec<(usize, usize)> = (0..4).map(|n| (0, n)).collect();
        let shares = Shares { val: 0.001, test: 0.0 };
        let moved = placed(&pictures, shares, 1).moved;
        let places: Vec<f64> = (0..4).map(|n| place_of(1, "blue", &format!("{n:04}.png"))).collect();
        let nearest = (0..4).min_by(|&a, &b| places[a].total_cmp(&places[b])).unwrap();
        let expected =
            MovedImage { class: "blue".to_owned(), name: format!("{nearest:04}.png"), to: Split::Val };
        assert_eq!(moved, [expected]);
        // Copies of a picture share one split.
        let copies: Vec<(usize, usize)> = (0..9).map(|_| (0, 7)).collect();
        assert_eq!(count(&placed(&copies, SHARES, 1), Split::Train), 9);
    }
}
