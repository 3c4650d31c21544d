//! Pictures of a data set that are identical, byte for byte.

use std::collections::HashMap;

use serde::Serialize;

use super::{ContentHash, Contents, Manifest};
use crate::Split;

/// A picture that occurs more than once in a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The copies, in order of split, class and path.
    pub copies: Vec<Copy>,
    /// Whether copies have different classes, so that one of them must be wrong.
    pub in_two_classes: bool,
    /// Whether copies are in different splits, so that the network is tested on images that it was trained on.
    pub across_splits: bool,
}

/// One copy of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// Its split.
    pub split: Split,
    /// Its class.
    pub class: String,
    /// Its path below the data folder, with `/` between the parts.
    pub path: String,
}

impl Manifest {
    /// The pictures with more than one file: first those in two classes, then those across splits, then the others.
    /// None if images have no files of their own.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let Contents::Files { splits } = self.contents() else { return Vec::new() };
        let mut groups: Vec<Vec<Copy>> = Vec::new();
        let mut places: HashMap<(ContentHash, u64), usize> = HashMap::new();
        for split in Split::ALL {
            for (class, files) in self.classes().iter().zip(splits.of(split)) {
                for file in files {
                    let place = *places.entry((file.hash, file.bytes)).or_insert_with(|| {
                        groups.push(Vec::new());
                        groups.len() - 1
                    });
                    groups[place].push(Copy { split, class: class.clone(), path: file.path.clone() });
                }
            }
        }
        let copied = groups.into_iter().filter(|copies| copies.len() > 1);
        let mut duplicates: Vec<Duplicate> = copied
            .map(|copies| Duplicate {
                in_two_classes: copies.iter().any(|copy| copy.class != copies[0].class),
                across_splits: copies.iter().any(|copy| copy.split != copies[0].split),
                copies,
            })
            .collect();
        duplicates.sort_by_key(|duplicate| (!duplicate.in_two_classes, !duplicate.across_splits));
        duplicates
    }
}
