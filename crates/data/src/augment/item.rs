//! The transformations by name, with their defaults and ranges.

/// A transformation. Its strength is the number after its name: `shift=0.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// Mirrored left to right with this probability.
    Flip,
    /// Mirrored top to bottom with this probability.
    VerticalFlip,
    /// Moved along each axis by up to this share of the size, in whole pixels.
    Shift,
    /// Padded by this many pixels on each side and cropped at random: moved along each axis by up to this many pixels.
    Crop,
    /// A part of the image with at least this share of its area, enlarged to the size of the image.
    ResizedCrop,
    /// Rotated about the centre by up to this many degrees either way.
    Rotate,
    /// Enlarged about the centre by a factor from 1 - strength to 1 + strength.
    Zoom,
    /// Colours times a factor from 1 - strength to 1 + strength.
    Brightness,
    /// Distance of the colours from the image's mean grey times a factor in that range.
    Contrast,
    /// Distance of the colours from the pixel's own grey times a factor in that range (saturation).
    Color,
    /// A square of this share of the shorter side set to 0 after normalisation; its centre is anywhere in the image.
    Cutout,
    /// Blended with another image, in shares drawn from Beta(strength, strength).
    Mixup,
    /// A rectangle replaced with that of another image; the share that stays is drawn from Beta(strength, strength).
    Cutmix,
}

impl Item {
    /// All of them, in the order in which they are written.
    pub const ALL: [Item; 13] = [
        Item::Flip,
        Item::VerticalFlip,
        Item::Shift,
        Item::Crop,
        Item::ResizedCrop,
        Item::Rotate,
        Item::Zoom,
        Item::Brightness,
        Item::Contrast,
        Item::Color,
        Item::Cutout,
        Item::Mixup,
        Item::Cutmix,
    ];

    /// The name in a list of items.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The default strength.
    pub fn default_strength(self) -> f64 {
        self.row().1
    }

    /// The allowed strengths, in words.
    pub fn range(self) -> &'static str {
        self.row().2
    }

    pub(super) fn accepts(self, strength: f64) -> bool {
        let (low, high) = match self {
            Item::Flip | Item::VerticalFlip | Item::Cutout | Item::ResizedCrop => (f64::MIN_POSITIVE, 1.0),
            Item::Brightness | Item::Contrast | Item::Color => (f64::MIN_POSITIVE, 1.0),
            Item::Shift => (f64::MIN_POSITIVE, 0.5),
            Item::Crop => (1.0, 1024.0),
            Item::Rotate => (f64::MIN_POSITIVE, 180.0),
            Item::Zoom => (f64::MIN_POSITIVE, 0.9),
            Item::Mixup | Item::Cutmix => (0.05, 4.0),
        };
        let is_whole = self != Item::Crop || strength.fract() == 0.0;
        (low..=high).contains(&strength) && is_whole
    }

    fn row(self) -> (&'static str, f64, &'static str) {
        const SHARE: &str = "above 0 and at most 1";
        match self {
            Item::Flip => ("flip", 0.5, SHARE),
            Item::VerticalFlip => ("vflip", 0.5, SHARE),
            Item::Shift => ("shift", 0.1, "above 0 and at most 0.5"),
            Item::Crop => ("crop", 4.0, "a whole number of pixels from 1 to 1024"),
            Item::ResizedCrop => ("resized-crop", 0.08, SHARE),
            Item::Rotate => ("rotate", 15.0, "above 0 and at most 180 degrees"),
            Item::Zoom => ("zoom", 0.1, "above 0 and at most 0.9"),
            Item::Brightness => ("brightness", 0.2, SHARE),
            Item::Contrast => ("contrast", 0.2, SHARE),
            Item::Color => ("color", 0.2, SHARE),
            Item::Cutout => ("cutout", 0.25, SHARE),
            Item::Mixup => ("mixup", 0.2, "from 0.05 to 4"),
            Item::Cutmix => ("cutmix", 1.0, "from 0.05 to 4"),
        }
    }
}
