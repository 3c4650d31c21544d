//! Backgrounds: mixtures of two colours that vary over the picture.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;

use crate::random::{below, uniform};

/// A pattern whose value lies between -1 and 1.
pub(super) enum Texture {
    /// A slope from one side to the other.
    Slope { x: f32, y: f32 },
    /// Waves in one direction.
    Stripes { x: f32, y: f32, phase: f32 },
    /// Waves in two directions.
    Checks { x: f32, y: f32, phase: f32 },
    /// Smooth random hills.
    Hills { cells: usize, heights: Box<[f32; HILLS * HILLS]> },
}

/// The most hills along a side, one more than the most cells.
const HILLS: usize = 8;

impl Texture {
    pub(super) fn random(random: &mut ChaCha8Rng) -> Texture {
        let angle = uniform(random, 0.0, TAU);
        let (sin, cos) = libm::sincosf(angle);
        match below(random, 6) {
            0 => Texture::Slope { x: cos, y: sin },
            1 => {
                let waves = uniform(random, 2.0, 6.0) * TAU;
                Texture::Stripes { x: cos * waves, y: sin * waves, phase: uniform(random, 0.0, TAU) }
            }
            2 => {
                let waves = uniform(random, 1.5, 4.0) * TAU;
                Texture::Checks { x: cos * waves, y: sin * waves, phase: uniform(random, 0.0, TAU) }
            }
            _ => {
                let mut heights = Box::new([0.0; HILLS * HILLS]);
                heights.fill_with(|| uniform(random, -1.0, 1.0));
                Texture::Hills { cells: 2 + below(random, HILLS - 2), heights }
            }
        }
    }

    /// The pattern at a point of the unit square.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        match self {
            Texture::Slope { x: along_x, y: along_y } => {
                ((x - 0.5) * along_x + (y - 0.5) * along_y) * std::f32::consts::SQRT_2
            }
            Texture::Stripes { x: along_x, y: along_y, phase } => {
                libm::sinf(x * along_x + y * along_y + phase)
            }
            Texture::Checks { x: along_x, y: along_y, phase } => {
                libm::sinf(x * along_x + y * along_y + phase) * libm::sinf(x * along_y - y * along_x + phase)
            }
            Texture::Hills { cells, heights } => {
                let (column, right) = cell(x, *cells);
                let (row, below) = cell(y, *cells);
                let height = |row: usize, column: usize| heights[row * HILLS + column];
                let upper = mix(height(row, column), height(row, column + 1), right);
                let lower = mix(height(row + 1, column), height(row + 1, column + 1), right);
                mix(upper, lower, below)
            }
        }
    }
}

pub(super) fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// The cell that contains a coordinate, and the smoothed position in it.
fn cell(coordinate: f32, cells: usize) -> (usize, f32) {
    let scaled = coordinate * cells as f32;
    let cell = (scaled as usize).min(cells - 1);
    let way = scaled - cell as f32;
    (cell, way * way * (3.0 - 2.0 * way))
}
