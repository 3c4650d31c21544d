//! The ten shapes, as signed distances to their outlines.

use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

/// A shape of unit radius around the origin, y pointing down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outline {
    Arrow,
    Circle,
    Crescent,
    Cross,
    Heart,
    Pentagon,
    Ring,
    Square,
    Star,
    Triangle,
}

impl Outline {
    /// In the order of the labels.
    pub(super) const ALL: [Outline; 10] = [
        Outline::Arrow,
        Outline::Circle,
        Outline::Crescent,
        Outline::Cross,
        Outline::Heart,
        Outline::Pentagon,
        Outline::Ring,
        Outline::Square,
        Outline::Star,
        Outline::Triangle,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Outline::Arrow => "arrow",
            Outline::Circle => "circle",
            Outline::Crescent => "crescent",
            Outline::Cross => "cross",
            Outline::Heart => "heart",
            Outline::Pentagon => "pentagon",
            Outline::Ring => "ring",
            Outline::Square => "square",
            Outline::Star => "star",
            Outline::Triangle => "triangle",
        }
    }

    /// The distance of a point from the outline, negative inside.
    pub(super) fn distance(self, x: f32, y: f32) -> f32 {
        let from = |left: f32| ((x - left) * (x - left) + y * y).sqrt();
        match self {
            Outline::Circle => from(0.0) - 0.88,
            Outline::Ring => (from(0.0) - 0.74).abs() - 0.24,
            Outline::Crescent => (from(0.0) - 0.95).max(0.80 - from(0.48)),
            Outline::Square => polygon(&SQUARE, x, y),
            Outline::Triangle => polygon(&TRIANGLE, x, y),
            Outline::Pentagon => polygon(&PENTAGON, x, y),
            Outline::Star => polygon(&STAR, x, y),
            Outline::Cross => polygon(&CROSS, x, y),
            Outline::Arrow => polygon(&ARROW, x, y),
            Outline::Heart => polygon(&HEART, x, y),
        }
    }
}

type Point = (f32, f32);

const SQUARE: [Point; 4] = [(-0.75, -0.75), (0.75, -0.75), (0.75, 0.75), (-0.75, 0.75)];

const CROSS: [Point; 12] = [
    (-0.32, -1.0),
    (0.32, -1.0),
    (0.32, -0.32),
    (1.0, -0.32),
    (1.0, 0.32),
    (0.32, 0.32),
    (0.32, 1.0),
    (-0.32, 1.0),
    (-0.32, 0.32),
    (-1.0, 0.32),
    (-1.0, -0.32),
    (-0.32, -0.32),
];

const ARROW: [Point; 7] =
    [(0.0, -1.05), (0.85, -0.1), (0.3, -0.1), (0.3, 1.0), (-0.3, 1.0), (-0.3, -0.1), (-0.85, -0.1)];

static TRIANGLE: LazyLock<Vec<Point>> = LazyLock::new(|| regular(3, 1.1, 1.1));
static PENTAGON: LazyLock<Vec<Point>> = LazyLock::new(|| regular(5, 0.98, 0.98));
static STAR: LazyLock<Vec<Point>> = LazyLock::new(|| regular(10, 1.1, 0.44));

static HEART: LazyLock<Vec<Point>> = LazyLock::new(|| {
    const CORNERS: usize = 22;
    (0..CORNERS)
        .map(|corner| {
            let t = TAU * corner as f32 / CORNERS as f32;
            let (sin, cos) = (libm::sinf(t), |times: f32| libm::cosf(times * t));
            let height = 13.0 * cos(1.0) - 5.0 * cos(2.0) - 2.0 * cos(3.0) - cos(4.0);
            (sin * sin * sin, -(height + 2.5) / 15.5)
        })
        .collect()
});

/// Corners at equal angles, the even ones at one radius and the odd ones at another.
fn regular(corners: usize, even_radius: f32, odd_radius: f32) -> Vec<Point> {
    (0..corners)
        .map(|corner| {
            let angle = TAU * corner as f32 / corners as f32 - PI / 2.0;
            let radius = if corner % 2 == 0 { even_radius } else { odd_radius };
            (radius * libm::cosf(angle), radius * libm::sinf(angle))
        })
        .collect()
}

/// The signed distance from a closed polygon, by the nearest edge and the even-odd rule.
fn polygon(corners: &[Point], x: f32, y: f32) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let mut previous = corners[corners.len() - 1];
    for &corner in corners {
        let (edge_x, edge_y) = (corner.0 - previous.0, corner.1 - previous.1);
        let (to_x, to_y) = (x - previous.0, y - previous.1);
        let along = ((to_x * edge_x + to_y * edge_y) / (edge_x * edge_x + edge_y * edge_y)).clamp(0.0, 1.0);
        let (off_x, off_y) = (to_x - along * edge_x, to_y - along * edge_y);
        nearest = nearest.min(off_x * off_x + off_y * off_y);
        if (corner.1 > y) != (previous.1 > y) && x < previous.0 + (y - previous.1) * edge_x / edge_y {
            inside = !inside;
        }
        previous = corner;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}
