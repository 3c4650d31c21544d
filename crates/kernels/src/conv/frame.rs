//! An image copied into a frame of padding, and a frame's gradient folded back onto the image.

use super::size::{Padding, PaddingMode};

/// The source of each row and column of a framed image.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    channels: usize,
    image: [usize; 2],
    padding: Padding,
    mode: PaddingMode,
    /// Source row of each framed row; `None` is a row of zeros.
    rows: Vec<Option<usize>>,
    columns: Vec<Option<usize>>,
}

impl Frame {
    pub(super) fn new(channels: usize, image: [usize; 2], padding: Padding, mode: PaddingMode) -> Frame {
        Frame {
            channels,
            image,
            padding,
            mode,
            rows: sources(image[0], padding.top, padding.bottom, mode),
            columns: sources(image[1], padding.left, padding.right, mode),
        }
    }

    /// Whether the framed image is the image itself.
    pub(super) fn is_bare(&self) -> bool {
        self.padding == Padding::default()
    }

    /// Elements of one framed image.
    pub(super) fn len(&self) -> usize {
        self.rows.len() * self.row_len()
    }

    /// Elements of one framed row.
    pub(super) fn row_len(&self) -> usize {
        self.columns.len() * self.channels
    }

    /// Copies `image` into `framed`.
    pub(super) fn fill(&self, image: &[f32], framed: &mut [f32]) {
        let image_row = self.image[1] * self.channels;
        for (target, source) in framed.chunks_exact_mut(self.row_len()).zip(&self.rows) {
            match source {
                None => target.fill(0.0),
                Some(row) => self.fill_row(&image[row * image_row..][..image_row], target),
            }
        }
    }

    fn fill_row(&self, row: &[f32], framed: &mut [f32]) {
        let start = self.padding.left * self.channels;
        framed[start..start + row.len()].copy_from_slice(row);
        let inside = self.padding.left..self.padding.left + self.image[1];
        for (column, source) in self.columns.iter().enumerate().filter(|(column, _)| !inside.contains(column))
        {
            let target = &mut framed[column * self.channels..][..self.channels];
            match source {
                None => target.fill(0.0),
                Some(source) => target.copy_from_slice(&row[source * self.channels..][..self.channels]),
            }
        }
    }

    /// Whether the padding repeats pixels, whose gradients must be folded back.
    pub(super) fn repeats_pixels(&self) -> bool {
        self.mode != PaddingMode::Zeros && !self.is_bare()
    }

    /// Adds each framed element to the pixel that it was copied from: the gradient of [`Frame::fill`].
    pub(super) fn fold(&self, framed: &[f32], image: &mut [f32]) {
        image.fill(0.0);
        for (row, source_row) in framed.chunks_exact(self.row_len()).zip(&self.rows) {
            let Some(source_row) = source_row else { continue };
            for (pixel, source) in row.chunks_exact(self.channels).zip(&self.columns) {
                let Some(source) = source else { continue };
                let target = &mut image[(source_row * self.image[1] + source) * self.channels..];
                target.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
            }
        }
    }
}

fn sources(len: usize, before: usize, after: usize, mode: PaddingMode) -> Vec<Option<usize>> {
    let last = len as isize - 1;
    (-(before as isize)..(len + after) as isize)
        .map(|at| match mode {
            PaddingMode::Zeros => (0..=last).contains(&at).then_some(at as usize),
            PaddingMode::Replicate => Some(at.clamp(0, last) as usize),
            PaddingMode::Circular => Some(at.rem_euclid(len as isize) as usize),
            PaddingMode::Reflect => Some(if at < 0 { -at } else { last - (last - at).abs() } as usize),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(mode: PaddingMode) -> Vec<Option<usize>> {
        sources(4, 2, 3, mode)
    }

    #[test]
    fn each_mode_takes_its_pixels() {
        let some = |list: [usize; 9]| list.map(Some).to_vec();
        assert_eq!(indices(PaddingMode::Reflect), some([2, 1, 0, 1, 2, 3, 2, 1, 0]));
        assert_eq!(indices(PaddingMode::Replicate), some([0, 0, 0, 1, 2, 3, 3, 3, 3]));
        assert_eq!(indices(PaddingMode::Circular), some([2, 3, 0, 1, 2, 3, 0, 1, 2]));
        assert_eq!(indices(PaddingMode::Zeros)[..3], [None, None, Some(0)]);
        assert_eq!(indices(PaddingMode::Zeros)[5..], [Some(3), None, None, None]);
    }

    #[test]
    fn fold_is_the_transpose_of_fill() {
        let padding = Padding { top: 1, bottom: 2, left: 2, right: 0 };
        for mode in [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
            let frame = Frame::new(2, [4, 3], padding, mode);
            let image: Vec<f32> = (0..24).map(|i| i as f32 + 1.0).collect();
            let mut framed = vec![9.0; frame.len()];
            frame.fill(&image, &mut framed);
            let weights: Vec<f32> = (0..frame.len()).map(|i| (i * 7 % 11) as f32).collect();
            let mut folded = vec![9.0; 24];
            frame.fold(&weights, &mut folded);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(dot(&framed, &weights), dot(&image, &folded), "{mode:?}");
        }
    }
}
