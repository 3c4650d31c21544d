//! A part of an image.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use crate::ImageSize;
use crate::random::below;

/// Rows and columns of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Rectangle {
    /// One of `height` x `width` pixels whose centre is anywhere in the image; the part outside the image is cut off.
    pub(super) fn draw(random: &mut ChaCha8Rng, size: ImageSize, height: usize, width: usize) -> Rectangle {
        let mut side = |len: usize, part: usize| {
            let begin = below(random, len) as isize - (part / 2) as isize;
            let end = (begin + part as isize).clamp(0, len as isize);
            begin.max(0) as usize..end as usize
        };
        Rectangle { rows: side(size.height, height), columns: side(size.width, width) }
    }

    pub(super) fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// For each row of each plane of an image, the positions inside the rectangle.
    pub(super) fn spans(&self, size: ImageSize, channels: usize) -> impl Iterator<Item = Range<usize>> {
        let rows = (0..channels)
            .flat_map(move |channel| self.rows.clone().map(move |row| channel * size.height + row));
        rows.map(move |row| row * size.width + self.columns.start..row * size.width + self.columns.end)
    }
}
