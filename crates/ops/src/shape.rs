//! The shape of a value, without its batch axis.

use std::fmt;

use crate::OpError;

/// Axes of a value at most, beside the batch axis.
pub const MOST_AXES: usize = 4;

/// The shape of a value for one image: up to [four](MOST_AXES) axes, in PyTorch's order and without the batch axis, which
/// every value has first. `[C, H, W]` is an image, `[F]` a vector.
///
/// In memory the first of these axes comes last, so that the channels of a position lie side by side: `[C, H, W]` is stored as
/// `[H, W, C]`, `[C, L]` as `[L, C]`.
///
/// ```
/// use convscope_ops::Shape;
/// let shape = Shape::new(&[16, 8, 6])?;
/// assert_eq!(shape, Shape::image(16, [8, 6]));
/// assert_eq!((shape.len(), shape.channels(), shape.positions()), (768, 16, 48));
/// assert_eq!(shape.to_string(), "[16, 8, 6]");
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Those beyond `rank` are 1.
    axes: [usize; MOST_AXES],
    rank: usize,
}

impl Shape {
    /// A shape of these axes.
    ///
    /// # Errors
    /// More than [`MOST_AXES`].
    pub fn new(axes: &[usize]) -> Result<Shape, OpError> {
        if axes.len() > MOST_AXES {
            let problem = format!(
                "a value of shape {axes:?} has {} axes beside the batch, at most {MOST_AXES} are possible",
                axes.len()
            );
            return Err(OpError::shape("shape", problem));
        }
        let mut all = [1; MOST_AXES];
        all[..axes.len()].copy_from_slice(axes);
        Ok(Shape { axes: all, rank: axes.len() })
    }

    /// `[C, H, W]`.
    pub const fn image(channels: usize, [height, width]: [usize; 2]) -> Shape {
        Shape { axes: [channels, height, width, 1], rank: 3 }
    }

    /// `[F]`.
    pub const fn vector(features: usize) -> Shape {
        Shape { axes: [features, 1, 1, 1], rank: 1 }
    }

    /// The axes in PyTorch's order.
    pub fn axes(&self) -> &[usize] {
        &self.axes[..self.rank]
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements; `usize::MAX` if there are too many to count.
    pub fn len(&self) -> usize {
        self.axes().iter().fold(1, |len: usize, &axis| len.saturating_mul(axis))
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.axes().contains(&0)
    }

    /// The length of the first axis: channels of an image, features of a vector; 1 for a single number.
    pub fn channels(&self) -> usize {
        self.axes[0]
    }

    /// Positions that each channel has: the product of all axes but the first.
    pub fn positions(&self) -> usize {
        self.axes[1..].iter().fold(1, |len: usize, &axis| len.saturating_mul(axis))
    }

    /// Channels, and rows and columns, of an image.
    pub fn as_image(&self) -> Option<(usize, [usize; 2])> {
        (self.rank == 3).then_some((self.axes[0], [self.axes[1], self.axes[2]]))
    }

    /// Whether it is `[C, H, W]`.
    pub fn is_image(&self) -> bool {
        self.rank == 3
    }

    /// Whether it is `[F]`.
    pub fn is_vector(&self) -> bool {
        self.rank == 1
    }

    /// Rows and columns in which a channel can be drawn: those of an image, a single row for `[C, L]`, one position for a
    /// vector. A channel of three axes has the rows of its first two.
    pub fn size(&self) -> [usize; 2] {
        let [_, a, b, c] = self.axes;
        match self.rank {
            2 => [1, a],
            4 => [a.saturating_mul(b), c],
            _ => [a, b],
        }
    }

    /// The same with another number of channels.
    #[must_use]
    pub fn with_channels(mut self, channels: usize) -> Shape {
        self.axes[0] = channels;
        self
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.axes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_knows_its_axes() {
        let shape = Shape::new(&[3, 5, 2, 7]).unwrap();
        assert_eq!((shape.len(), shape.channels(), shape.positions(), shape.rank()), (210, 3, 70, 4));
        assert_eq!((shape.size(), shape.as_image()), ([10, 7], None));
        assert_eq!(Shape::new(&[3, 5]).unwrap().size(), [1, 5]);
        assert_eq!(Shape::new(&[9]).unwrap(), Shape::vector(9));
        assert_eq!(Shape::image(3, [4, 6]).as_image(), Some((3, [4, 6])));
        let single = Shape::new(&[]).unwrap();
        assert_eq!((single.len(), single.channels(), single.to_string().as_str()), (1, 1, "[]"));
        assert!(Shape::image(3, [0, 6]).is_empty());
        let error = Shape::new(&[1, 2, 3, 4, 5]).unwrap_err().to_string();
        assert!(error.contains("5 axes"), "{error}");
        assert_eq!(Shape::new(&[usize::MAX, 2]).unwrap().len(), usize::MAX);
    }
}
