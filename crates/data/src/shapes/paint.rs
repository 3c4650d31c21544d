//! Paints one picture: background, clutter, shape, pieces in front, noise.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::SIZE;
use super::outline::Outline;
use super::texture::{Texture, mix};
use crate::CHANNELS;
use crate::random::{below, uniform};

/// What makes the pictures hard to classify. Lengths are in pixels of the 32x32 picture, colours on the scale
/// where white is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Difficulty {
    /// The smallest radius of a shape.
    pub min_radius: f32,
    /// The largest radius of a shape.
    pub max_radius: f32,
    /// The most that a shape is stretched along one axis: 0.2 makes it up to 20 % longer or shorter.
    pub max_stretch: f32,
    /// How far a shape may extend beyond the picture's edge.
    pub max_cut: f32,
    /// The smallest difference in brightness between the shape's mean colour and the background's; at most 0.6.
    pub min_contrast: f32,
    /// How much the background's pattern varies around its mean colour.
    pub background_texture: f32,
    /// How much the shape's own pattern varies around its mean colour.
    pub shape_texture: f32,
    /// Most pieces behind the shape; at least half of them are drawn.
    pub clutter: usize,
    /// Most pieces in front of the shape; they cover a small part of it.
    pub occluders: usize,
    /// The largest radius of a piece.
    pub max_piece: f32,
    /// Standard deviation of the noise on every value.
    pub noise: f32,
}

impl Default for Difficulty {
    fn default() -> Self {
        Difficulty {
            min_radius: 8.5,
            max_radius: 12.5,
            max_stretch: 0.08,
            max_cut: 0.5,
            min_contrast: 0.34,
            background_texture: 0.11,
            shape_texture: 0.06,
            clutter: 5,
            occluders: 1,
            max_piece: 2.0,
            noise: 0.04,
        }
    }
}

type Colour = [f32; CHANNELS];

const SIDE: f32 = SIZE.width as f32;

/// Fills `image`, rows of interleaved RGB.
pub(super) fn paint(outline: Outline, difficulty: &Difficulty, random: &mut ChaCha8Rng, image: &mut [u8]) {
    let mut canvas = [[0.0; CHANNELS]; SIZE.pixels()];
    let (back, front) = colours(difficulty, random);
    fill(&mut canvas, back, difficulty.background_texture, random);

    let pieces = difficulty.clutter / 2 + below(random, difficulty.clutter / 2 + 1);
    for _ in 0..pieces {
        piece(&mut canvas, difficulty, random);
    }
    shape(&mut canvas, outline, front, difficulty, random);
    for _ in 0..below(random, difficulty.occluders + 1) {
        piece(&mut canvas, difficulty, random);
    }

    for (pixel, colour) in image.chunks_exact_mut(CHANNELS).zip(&canvas) {
        for (byte, value) in pixel.iter_mut().zip(colour) {
            let noisy = value + difficulty.noise * normal(random);
            *byte = (noisy.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    }
}

/// A background colour and a shape colour; either may be the lighter one.
fn colours(difficulty: &Difficulty, random: &mut ChaCha8Rng) -> (Colour, Colour) {
    // Above this, nearly every drawn pair would be rejected.
    let min_contrast = difficulty.min_contrast.min(0.6);
    loop {
        let [back, front] = [(); 2].map(|()| colour(random));
        if (brightness(back) - brightness(front)).abs() >= min_contrast {
            return (back, front);
        }
    }
}

fn colour(random: &mut ChaCha8Rng) -> Colour {
    std::array::from_fn(|_| uniform(random, 0.08, 0.92))
}

/// Rec. 601's weights.
fn brightness(colour: Colour) -> f32 {
    0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
}

fn fill(canvas: &mut [Colour], mean: Colour, strength: f32, random: &mut ChaCha8Rng) {
    let texture = Texture::random(random);
    let tint: Colour = std::array::from_fn(|_| strength * uniform(random, 0.4, 1.0));
    for (position, pixel) in canvas.iter_mut().enumerate() {
        let (x, y) = ((position % SIZE.width) as f32 + 0.5, (position / SIZE.width) as f32 + 0.5);
        let value = texture.at(x / SIDE, y / SIDE);
        *pixel = std::array::from_fn(|c| mean[c] + tint[c] * value);
    }
}

fn shape(
    canvas: &mut [Colour],
    outline: Outline,
    colour: Colour,
    difficulty: &Difficulty,
    random: &mut ChaCha8Rng,
) {
    let radius = uniform(random, difficulty.min_radius, difficulty.max_radius);
    let inset = (radius - difficulty.max_cut).clamp(0.0, SIDE / 2.0);
    let (left, top) = (uniform(random, inset, SIDE - inset), uniform(random, inset, SIDE - inset));
    let (sin, cos) = libm::sincosf(uniform(random, 0.0, TAU));
    let stretch = 1.0 + uniform(random, -difficulty.max_stretch, difficulty.max_stretch);
    let texture = Texture::random(random);
    let reach = 1.3 * radius * stretch.max(1.0 / stretch);
    for_each_near(canvas, (left, top), reach, |pixel, x, y| {
        let (right, down) = (x - left, y - top);
        let along = (cos * right + sin * down) / (radius * stretch);
        let across = (cos * down - sin * right) / radius * stretch;
        let cover = (0.5 - radius * outline.distance(along, across)).clamp(0.0, 1.0);
        if cover > 0.0 {
            let pattern = difficulty.shape_texture * texture.at(x / SIDE, y / SIDE);
            blend(pixel, colour.map(|value| value + pattern), cover);
        }
    });
}

/// A small blot or stroke in its own colour.
fn piece(canvas: &mut [Colour], difficulty: &Difficulty, random: &mut ChaCha8Rng) {
    let colour = colour(random);
    let (left, top) = (uniform(random, 0.0, SIDE), uniform(random, 0.0, SIDE));
    let (sin, cos) = libm::sincosf(uniform(random, 0.0, TAU));
    let is_stroke = below(random, 2) == 0;
    let (half_length, radius) = if is_stroke {
        (uniform(random, 1.0, 1.0 + 2.0 * difficulty.max_piece), uniform(random, 0.4, 0.9))
    } else {
        (0.0, uniform(random, 0.5 * difficulty.max_piece, difficulty.max_piece))
    };
    for_each_near(canvas, (left, top), half_length + radius + 1.0, |pixel, x, y| {
        let (right, down) = (x - left, y - top);
        let along = (cos * right + sin * down).clamp(-half_length, half_length);
        let (off_x, off_y) = (right - along * cos, down - along * sin);
        let distance = (off_x * off_x + off_y * off_y).sqrt() - radius;
        blend(pixel, colour, (0.5 - distance).clamp(0.0, 1.0));
    });
}

/// Visits the pixels of the square that extends `reach` around `middle`, with the positions of their centres.
fn for_each_near(
    canvas: &mut [Colour],
    middle: (f32, f32),
    reach: f32,
    mut visit: impl FnMut(&mut Colour, f32, f32),
) {
    let span = |middle: f32, side: usize| {
        // The conversion clamps positions beyond the edge to zero.
        let (first, end) = ((middle - reach) as usize, (middle + reach) as usize + 1);
        first.min(side)..end.min(side)
    };
    let columns = span(middle.0, SIZE.width);
    for row in span(middle.1, SIZE.height) {
        for column in columns.clone() {
            let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
            visit(&mut canvas[row * SIZE.width + column], x, y);
        }
    }
}

fn blend(pixel: &mut Colour, colour: Colour, cover: f32) {
    for (value, over) in pixel.iter_mut().zip(colour) {
        *value = mix(*value, over, cover);
    }
}

/// Approximately normal with deviation 1: the sum of four bytes, centred.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let sum: u16 = random.next_u32().to_le_bytes().into_iter().map(u16::from).sum();
    // The variance of one byte is (256^2 - 1) / 12.
    (f32::from(sum) - 510.0) / (4.0_f32 * 65_535.0 / 12.0).sqrt()
}
