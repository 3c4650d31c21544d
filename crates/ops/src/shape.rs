//! The shape of a value, without its batch axis.

use std::fmt;

/// The shape of one image of a value: `[C, H, W]` or `[F]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Channels of rows and columns.
    Image {
        /// Number of channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A vector.
    Vector {
        /// Its length.
        features: usize,
    },
}

impl Shape {
    /// `[C, H, W]`.
    pub fn image(channels: usize, [height, width]: [usize; 2]) -> Shape {
        Shape::Image { channels, height, width }
    }

    /// Number of elements; `usize::MAX` where they are too many to count.
    pub fn len(&self) -> usize {
        match *self {
            Shape::Image { channels, height, width } => channels.saturating_mul(height).saturating_mul(width),
            Shape::Vector { features } => features,
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.axes().contains(&0)
    }

    /// Channels of an image, features of a vector: what the last axis of the channels-last form counts.
    pub fn channels(&self) -> usize {
        match *self {
            Shape::Image { channels, .. } => channels,
            Shape::Vector { features } => features,
        }
    }

    /// Rows and columns; of a vector one each.
    pub fn size(&self) -> [usize; 2] {
        match *self {
            Shape::Image { height, width, .. } => [height, width],
            Shape::Vector { .. } => [1, 1],
        }
    }

    /// The axes as PyTorch lists them after the batch axis.
    pub fn axes(&self) -> Vec<usize> {
        match *self {
            Shape::Image { channels, height, width } => vec![channels, height, width],
            Shape::Vector { features } => vec![features],
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Image { channels, height, width } => write!(f, "[{channels}, {height}, {width}]"),
            Shape::Vector { features } => write!(f, "[{features}]"),
        }
    }
}
