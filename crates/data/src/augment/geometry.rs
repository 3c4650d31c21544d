//! The source of each pixel of a transformed image.

use rand_chacha::ChaCha8Rng;

use super::resized_crop::Window;
use super::{Augmentation, Fill, Item};
use crate::CHANNELS;
use crate::ImageSize;
use crate::random::{below, uniform};

/// An image mirrored, then rotated and enlarged about its centre, then moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// Left and right are swapped.
    pub(super) mirrored: bool,
    /// Top and bottom are swapped.
    pub(super) upside_down: bool,
    /// To the right, in pixels.
    pub(super) right: isize,
    /// Downwards, in pixels.
    pub(super) down: isize,
    /// Counter-clockwise, in radians.
    pub(super) angle: f32,
    /// Above 1 enlarges.
    pub(super) zoom: f32,
    /// The part of the image that is enlarged to its size before anything else; none is all of it.
    pub(super) window: Option<Window>,
}

impl Placement {
    pub(super) const IDENTITY: Placement = Placement {
        mirrored: false,
        upside_down: false,
        right: 0,
        down: 0,
        angle: 0.0,
        zoom: 1.0,
        window: None,
    };

    pub(super) fn draw(augmentation: &Augmentation, size: ImageSize, random: &mut ChaCha8Rng) -> Placement {
        let mut placement = Placement::IDENTITY;
        let strength = |item| augmentation.strength(item).map(|strength| strength as f32);
        if let Some(probability) = strength(Item::Flip) {
            placement.mirrored = uniform(random, 0.0, 1.0) < probability;
        }
        if let Some(probability) = strength(Item::VerticalFlip) {
            placement.upside_down = uniform(random, 0.0, 1.0) < probability;
        }
        if let Some(share) = strength(Item::Shift) {
            let mut pixels = |len: usize| uniform(random, -share, share) * len as f32;
            placement.right += pixels(size.width).round() as isize;
            placement.down += pixels(size.height).round() as isize;
        }
        if let Some(pixels) = augmentation.strength(Item::Crop) {
            let pixels = pixels as usize;
            placement.right += below(random, 2 * pixels + 1) as isize - pixels as isize;
            placement.down += below(random, 2 * pixels + 1) as isize - pixels as isize;
        }
        if let Some(degrees) = strength(Item::Rotate) {
            placement.angle = uniform(random, -degrees, degrees).to_radians();
        }
        if let Some(part) = strength(Item::Zoom) {
            placement.zoom = uniform(random, 1.0 - part, 1.0 + part);
        }
        if let Some(smallest) = strength(Item::ResizedCrop) {
            placement.window = Some(Window::draw(smallest, size, random));
        }
        placement
    }

    /// Writes the transformed image to `to`; both are rows of interleaved RGB bytes. `columns` is working memory.
    pub(super) fn apply(
        self,
        fill: Fill,
        size: ImageSize,
        from: &[u8],
        to: &mut [u8],
        columns: &mut Vec<usize>,
    ) {
        if self.angle == 0.0 && self.zoom == 1.0 && self.window.is_none() {
            self.copy(fill, size, from, to, columns);
        } else {
            self.interpolate(fill, size, from, to);
        }
    }

    /// Moves whole pixels.
    fn copy(self, fill: Fill, size: ImageSize, from: &[u8], to: &mut [u8], columns: &mut Vec<usize>) {
        const FILLED: usize = usize::MAX;
        let source = |at: usize, moved: isize, len: usize, is_mirrored: bool| {
            let place = fill.source(at as isize - moved, len)?;
            Some(if is_mirrored { len - 1 - place } else { place })
        };
        let column = |x| source(x, self.right, size.width, self.mirrored).map_or(FILLED, |x| x * CHANNELS);
        columns.clear();
        columns.extend((0..size.width).map(column));
        for (y, to) in to.chunks_exact_mut(size.width * CHANNELS).enumerate() {
            let Some(row) = source(y, self.down, size.height, self.upside_down) else {
                to.fill(fill.level());
                continue;
            };
            let from = &from[row * size.width * CHANNELS..][..size.width * CHANNELS];
            for (pixel, &column) in to.chunks_exact_mut(CHANNELS).zip(columns.iter()) {
                match column {
                    FILLED => pixel.fill(fill.level()),
                    column => pixel.copy_from_slice(&from[column..column + CHANNELS]),
                }
            }
        }
    }

    /// Bilinear interpolation between the four pixels around the source position of each pixel.
    fn interpolate(self, fill: Fill, size: ImageSize, from: &[u8], to: &mut [u8]) {
        let centre = |len: usize| (len as f32 - 1.0) / 2.0;
        let (middle_x, middle_y) = (centre(size.width), centre(size.height));
        let (sin, cos) = libm::sincosf(self.angle);
        let (sin, cos) = (sin / self.zoom, cos / self.zoom);
        let mirror = |is_mirrored: bool| if is_mirrored { -1.0 } else { 1.0 };
        let (mirror_x, mirror_y) = (mirror(self.mirrored), mirror(self.upside_down));
        let window = self.window.unwrap_or(Window::all(size));
        let pixels = Pixels { fill, window, row: size.width, bytes: from };
        for (y, row) in to.chunks_exact_mut(size.width * CHANNELS).enumerate() {
            let dy = (y as isize - self.down) as f32 - middle_y;
            for (x, pixel) in row.chunks_exact_mut(CHANNELS).enumerate() {
                let dx = (x as isize - self.right) as f32 - middle_x;
                let from_x = mirror_x * (cos * dx - sin * dy) + middle_x;
                let from_y = mirror_y * (sin * dx + cos * dy) + middle_y;
                let (from_x, from_y) = match self.window {
                    Some(window) => window.place(size, from_x, from_y),
                    None => (from_x, from_y),
                };
                pixels.between(from_x, from_y, pixel);
            }
        }
    }
}

/// A part of an image that continues beyond its border.
struct Pixels<'a> {
    fill: Fill,
    window: Window,
    /// Pixels in a row of the image.
    row: usize,
    bytes: &'a [u8],
}

impl Pixels<'_> {
    fn between(&self, x: f32, y: f32, pixel: &mut [u8]) {
        let (left, top) = (floor(x), floor(y));
        let (share_x, share_y) = (x - left as f32, y - top as f32);
        let corners =
            [self.at(left, top), self.at(left + 1, top), self.at(left, top + 1), self.at(left + 1, top + 1)];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let [a, b, c, d] = corners.map(|corner| f32::from(corner[channel]));
            let (above, beneath) = (a + share_x * (b - a), c + share_x * (d - c));
            *value = (above + share_y * (beneath - above) + 0.5) as u8;
        }
    }

    fn at(&self, x: isize, y: isize) -> [u8; CHANNELS] {
        let Window { left, top, width, height } = self.window;
        let place = self.fill.source(x, width).zip(self.fill.source(y, height));
        let Some((x, y)) = place else { return [self.fill.level(); CHANNELS] };
        let start = ((top + y) * self.row + left + x) * CHANNELS;
        [self.bytes[start], self.bytes[start + 1], self.bytes[start + 2]]
    }
}

/// `f32::floor` is a function call unless the processor is known to have an instruction for it.
fn floor(value: f32) -> isize {
    let cut = value as isize;
    if cut as f32 > value { cut - 1 } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize { height: 3, width: 4 };

    /// Bytes of an image from letters, one word per row; the three channels differ.
    fn image(rows: &str) -> Vec<u8> {
        let letters = rows.bytes().filter(|&letter| letter != b' ');
        letters
            .flat_map(|letter| if letter == b'-' { [0; 3] } else { [letter, letter + 1, letter + 2] })
            .collect()
    }

    fn moved(placement: Placement, fill: Fill, rows: &str) -> Vec<u8> {
        let from = image(rows);
        let mut to = vec![7; from.len()];
        let height = rows.split(' ').count();
        let size = ImageSize { height, width: from.len() / CHANNELS / height };
        placement.apply(fill, size, &from, &mut to, &mut vec![1; 9]);
        to
    }

    #[test]
    fn whole_pixels_are_copied() {
        let start = Placement::IDENTITY;
        let cases = [
            (start, Fill::Reflect, "abcd efgh ijkl"),
            (Placement { mirrored: true, ..start }, Fill::Reflect, "dcba hgfe lkji"),
            (Placement { upside_down: true, ..start }, Fill::Reflect, "ijkl efgh abcd"),
            (Placement { right: 1, ..start }, Fill::Reflect, "babc fefg jijk"),
            (Placement { right: 2, ..start }, Fill::Nearest, "aaab eeef iiij"),
            (Placement { right: -1, ..start }, Fill::Constant(0), "bcd- fgh- jkl-"),
            (Placement { down: 1, ..start }, Fill::Constant(0), "---- abcd efgh"),
            (Placement { down: -2, ..start }, Fill::Reflect, "ijkl efgh abcd"),
            (Placement { down: -1, right: 1, ..start }, Fill::Nearest, "eefg iijk iijk"),
            // First mirrored, then moved: the former left border is cut off.
            (Placement { mirrored: true, right: 1, ..start }, Fill::Constant(0), "-dcb -hgf -lkj"),
        ];
        for (placement, fill, expected) in cases {
            assert_eq!(moved(placement, fill, "abcd efgh ijkl"), image(expected), "{placement:?} {fill}");
        }
    }

    #[test]
    fn a_quarter_turn_moves_pixels_counter_clockwise() {
        let quarter = Placement { angle: std::f32::consts::FRAC_PI_2, ..Placement::IDENTITY };
        assert_eq!(moved(quarter, Fill::Reflect, "abc def ghi"), image("cfi beh adg"));
        let both = Placement { mirrored: true, ..quarter };
        assert_eq!(moved(both, Fill::Reflect, "abc def ghi"), image("adg beh cfi"));
        // A wide image is rotated about its centre; the area outside is filled.
        assert_eq!(moved(quarter, Fill::Constant(0), "abcde fghij klmno"), image("-din- -chm- -bgl-"));
    }

    #[test]
    fn interpolation_lies_on_the_line_between_pixels() {
        // Along x the values are 10 x, along y 40 y, so every point in between has a known value.
        let size = ImageSize { height: 5, width: 7 };
        let plane = |x: f32, y: f32| 10.0 * x + 40.0 * y;
        let from: Vec<u8> =
            (0..35).flat_map(|at| [plane((at % 7) as f32, (at / 7) as f32) as u8; CHANNELS]).collect();
        let placement = Placement { zoom: 2.0, right: 1, ..Placement::IDENTITY };
        let mut to = vec![0; from.len()];
        placement.apply(Fill::Nearest, size, &from, &mut to, &mut Vec::new());
        for y in 0..5 {
            for x in 1..7 {
                let expected = plane((x as f32 - 1.0 - 3.0) / 2.0 + 3.0, (y as f32 - 2.0) / 2.0 + 2.0);
                assert_eq!(to[(y * 7 + x) * CHANNELS], expected.round() as u8, "{y} {x}");
            }
        }
    }

    #[test]
    fn an_edge_blends_with_the_constant() {
        let half = Placement { zoom: 0.5, ..Placement::IDENTITY };
        let size = ImageSize { height: 1, width: 4 };
        let mut to = vec![0; 12];
        half.apply(Fill::Constant(200), size, &[100; 12], &mut to, &mut Vec::new());
        // Positions -1.5, 0.5, 2.5 and 4.5 in the image.
        assert_eq!(to.iter().step_by(3).copied().collect::<Vec<u8>>(), [200, 100, 100, 200]);
        let edge = Placement { zoom: 0.75, ..Placement::IDENTITY };
        edge.apply(Fill::Constant(200), size, &[100; 12], &mut to, &mut Vec::new());
        // Position -0.5 is halfway.
        assert_eq!(to[0], 150);
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_all_of_it() {
        use crate::random::{Stream, generator};
        let draw = |text: &str, size: ImageSize| -> Vec<Placement> {
            let augmentation = text.parse().unwrap();
            let mut random = generator(1, Stream::Augment, 0);
            (0..4000).map(|_| Placement::draw(&augmentation, size, &mut random)).collect()
        };
        let reach = |placements: &[Placement], part: fn(&Placement) -> isize| {
            let parts = placements.iter().map(part);
            (parts.clone().min().unwrap(), parts.max().unwrap())
        };
        let shifted = draw("shift=0.25", ImageSize { height: 8, width: 40 });
        assert_eq!((reach(&shifted, |p| p.right), reach(&shifted, |p| p.down)), ((-10, 10), (-2, 2)));
        let cropped = draw("crop=2", SIZE);
        assert_eq!((reach(&cropped, |p| p.right), reach(&cropped, |p| p.down)), ((-2, 2), (-2, 2)));
        let at_rest = cropped.iter().filter(|p| (p.right, p.down) == (0, 0)).count();
        assert!((100..230).contains(&at_rest), "{at_rest} of 4000, expected 160");
        let flipped = draw("flip=0.25,vflip", SIZE);
        let mirrored = flipped.iter().filter(|p| p.mirrored).count();
        let upside_down = flipped.iter().filter(|p| p.upside_down).count();
        assert!((880..1120).contains(&mirrored) && (1860..2140).contains(&upside_down));
        let turned = draw("rotate=30,zoom=0.2", SIZE);
        let tenths = reach(&turned, |p| (p.angle.to_degrees() * 10.0) as isize);
        assert!(tenths.0 >= -300 && tenths.0 < -290 && tenths.1 <= 300 && tenths.1 > 290, "{tenths:?}");
        let percent = reach(&turned, |p| (p.zoom * 1000.0) as isize);
        assert!(percent.0 >= 800 && percent.0 < 805 && percent.1 <= 1200 && percent.1 > 1195, "{percent:?}");
    }

    /// All at once, on a plane that rises evenly, where interpolation is exact: where a pixel comes from shows in its value.
    #[test]
    fn a_turned_enlarged_and_moved_image_takes_its_pixels_from_the_right_place() {
        let size = ImageSize { height: 17, width: 21 };
        let plane = |x: f64, y: f64| 20.0 + 8.0 * x + 3.0 * y;
        let from: Vec<u8> = (0..size.pixels())
            .flat_map(|at| [plane((at % size.width) as f64, (at / size.width) as f64) as u8; 3])
            .collect();
        let placement = Placement { right: 2, down: -3, angle: 0.4, zoom: 1.5, ..Placement::IDENTITY };
        let mut to = vec![0; from.len()];
        placement.apply(Fill::Constant(0), size, &from, &mut to, &mut Vec::new());
        let (sin, cos) = 0.4f64.sin_cos();
        let mut inside = 0;
        for (at, pixel) in to.chunks_exact(3).enumerate() {
            let (x, y) = ((at % size.width) as f64 - 2.0 - 10.0, (at / size.width) as f64 + 3.0 - 8.0);
            let source = [(cos * x - sin * y) / 1.5 + 10.0, (sin * x + cos * y) / 1.5 + 8.0];
            if (0.0..=20.0).contains(&source[0]) && (0.0..=16.0).contains(&source[1]) {
                assert!((f64::from(pixel[0]) - plane(source[0], source[1])).abs() <= 0.51, "{at}: {pixel:?}");
                inside += 1;
            }
        }
        assert!(inside > 200, "{inside}");
    }

    /// Runs of earlier versions can be repeated: a seed means the same placement for ever.
    #[test]
    fn a_seed_has_its_placement() {
        use crate::random::{Stream, generator};
        let augmentation = "flip=0.3,vflip=0.4,shift=0.3,crop=4,rotate=20,zoom=0.2".parse().unwrap();
        let mut random = generator(5, Stream::Augment, 0);
        let size = ImageSize { height: 20, width: 30 };
        let drawn: Vec<_> = (0..6).map(|_| Placement::draw(&augmentation, size, &mut random)).collect();
        let whole = |p: &Placement| (p.mirrored, p.upside_down, p.right, p.down);
        let expected = [
            (false, false, -4, 0),
            (true, false, -1, 2),
            (true, true, -3, -6),
            (true, true, 3, 8),
            (true, false, -10, -1),
            (false, false, -7, 2),
        ];
        assert_eq!(drawn.iter().map(whole).collect::<Vec<_>>(), expected);
        let bits = (drawn[5].angle.to_bits(), drawn[5].zoom.to_bits());
        assert_eq!(bits, (0xbd20_79c5, 0x3f84_9a78));
    }
}
