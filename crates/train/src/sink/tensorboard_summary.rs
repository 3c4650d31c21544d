//! What an epoch shows in TensorBoard.

use crate::run_dir::Distribution;

/// What a sink adds to TensorBoard for an epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorBoardSummary {
    /// The distribution of some values.
    Histogram {
        /// Its name, with slashes for groups.
        tag: String,
        /// The values.
        values: Box<Distribution>,
    },
    /// A picture.
    Image {
        /// Its name, with slashes for groups.
        tag: String,
        /// Height and width in pixels.
        size: [u32; 2],
        /// The bytes of a PNG file.
        png: Vec<u8>,
    },
}
