//! What the images of a batch show.

use std::ops::Range;

/// The class of each image of a batch; for a blend of two images, both classes and the share of the second.
///
/// The target of an image is `1 - share` for its own class and `share` for the other one (their sum if they are the
/// same), 0 for the rest. [Soft targets](SoftTargets) may be added.
///
/// ```
/// use convscope_ops::Labels;
/// let plain = Labels::new(&[2, 0]);
/// assert_eq!((plain.target(0, 2), plain.target(0, 1)), (1.0, 0.0));
/// let mixed = Labels::mixed(&[2, 0], &[0, 1], &[0.25, 0.75]);
/// assert_eq!((mixed.target(0, 2), mixed.target(0, 0)), (0.75, 0.25));
/// assert_eq!((mixed.largest(0), mixed.largest(1)), (2, 1));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    classes: &'a [usize],
    /// Empty if no image is a blend, like `shares`.
    others: &'a [usize],
    shares: &'a [f32],
    soft: Option<SoftTargets<'a>>,
    /// One per class; empty if all count equally.
    weights: &'a [f64],
}

/// Class probabilities from other networks for each image, and how much they count.
///
/// A loss becomes `(1 - share) * loss + share * T^2 * sum over c of q[c] * (log q[c] - log softmax(logits / T)[c])` with
/// the temperature `T` and the image's probabilities `q`, which were computed at the same temperature (Hinton, Vinyals
/// and Dean, "Distilling the Knowledge in a Neural Network", 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftTargets<'a> {
    /// `[images, classes]`
    pub probabilities: &'a [f32],
    /// From 0 to 1.
    pub share: f64,
    /// Above 0. The higher it is, the more the less probable classes count.
    pub temperature: f64,
}

impl<'a> Labels<'a> {
    /// Images of one class each.
    pub fn new(classes: &'a [usize]) -> Self {
        Labels { classes, ..Labels::default() }
    }

    /// Images that are blends, each of its own class and another one with the given share, from 0 to 1.
    ///
    /// # Panics
    /// If the three slices differ in length.
    pub fn mixed(classes: &'a [usize], others: &'a [usize], shares: &'a [f32]) -> Self {
        assert!(others.len() == classes.len() && shares.len() == classes.len(), "labels for each image");
        Labels { classes, others, shares, ..Labels::default() }
    }

    /// The same images with soft targets.
    ///
    /// # Panics
    /// If their number is not the same for each image.
    pub fn with_soft_targets(self, soft: SoftTargets<'a>) -> Self {
        let images = self.classes.len().max(1);
        assert!(soft.probabilities.len().is_multiple_of(images), "soft targets for each image");
        Labels { soft: Some(soft), ..self }
    }

    /// The same images, with a factor per class for its part of the cross entropy.
    pub fn with_class_weights(self, weights: &'a [f64]) -> Self {
        Labels { weights, ..self }
    }

    /// The weight of a class in the cross entropy; default 1.
    pub fn weight(self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }

    /// The soft targets, if any.
    pub fn soft_targets(self) -> Option<SoftTargets<'a>> {
        self.soft
    }

    /// The images' own classes.
    pub fn classes(self) -> &'a [usize] {
        self.classes
    }

    /// The labels of some of the images.
    pub fn part(self, images: Range<usize>) -> Self {
        let (others, shares) = if self.others.is_empty() {
            (self.others, self.shares)
        } else {
            (&self.others[images.clone()], &self.shares[images.clone()])
        };
        let soft = self.soft.map(|soft| {
            let columns = soft.probabilities.len() / self.classes.len().max(1);
            let probabilities = &soft.probabilities[images.start * columns..images.end * columns];
            SoftTargets { probabilities, ..soft }
        });
        Labels { classes: &self.classes[images], others, shares, soft, ..self }
    }

    /// The class with the larger share in an image; its own if both have half.
    pub fn largest(self, image: usize) -> usize {
        match self.shares.get(image) {
            Some(&share) if share > 0.5 => self.others[image],
            _ => self.classes[image],
        }
    }

    /// The target for a class in an image, from 0 to 1.
    pub fn target(self, image: usize, class: usize) -> f64 {
        let share = self.shares.get(image).map_or(0.0, |&share| f64::from(share));
        let own = if class == self.classes[image] { 1.0 - share } else { 0.0 };
        let other = if share > 0.0 && class == self.others[image] { share } else { 0.0 };
        own + other
    }
}
