//! Maximum and mean over windows, channels-last.

mod maximum;
mod mean;

pub use maximum::{max, max_backward, max_indices};
pub use mean::{mean, mean_backward};

/// The positions of one window along one axis: `start, start + step, ...` below `end`, all inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First position.
    pub start: usize,
    /// Past the last position.
    pub end: usize,
    /// Distance between positions.
    pub step: usize,
}

impl Span {
    /// Number of positions.
    pub fn count(self) -> usize {
        (self.end - self.start).div_ceil(self.step)
    }

    fn positions(self) -> impl Iterator<Item = usize> + Clone {
        (self.start..self.end).step_by(self.step)
    }
}

/// The windows of a pooling: output pixel (i, j) sees the input rows of `rows[i]` and the columns of `columns[j]`.
///
/// Its creator has checked that every span is inside the image and, for a maximum, that every window has at least one
/// position and at most [`Windows::MOST_POSITIONS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// Channels of input and output.
    pub channels: usize,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// One span for each output row.
    pub rows: Vec<Span>,
    /// One span for each output column.
    pub columns: Vec<Span>,
}

impl Windows {
    /// Most positions in a window of a maximum: single precision counts them exactly.
    pub const MOST_POSITIONS: usize = 1 << 24;

    /// Elements of one image of the input.
    pub fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// Elements of one image of the output.
    pub fn output_len(&self) -> usize {
        self.rows.len() * self.columns.len() * self.channels
    }
}
