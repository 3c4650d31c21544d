//! The transformations and their strengths, as written in a configuration: `flip,shift=0.1`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Fill, Item};
use crate::{DataError, ImageSize};

/// The checked transformations for training images.
///
/// It is written as items joined by commas or plus signs, each a name or `name=strength`; `fill=` sets what fills the
/// area beyond the border ([`Fill`]). `none` means no transformation. `auto` means
/// `flip,shift=0.125,brightness=0.2,contrast=0.2,color=0.2,cutout=0.25`; items given with it replace those in it.
///
/// ```
/// use convscope_data::augment::{Augmentation, Item};
/// let augmentation: Augmentation = "shift+flip+fill=nearest".parse()?;
/// assert_eq!(augmentation.to_string(), "flip,shift=0.1,fill=nearest");
/// assert_eq!(augmentation.strength(Item::Shift), Some(0.1));
/// assert_eq!(augmentation.strength(Item::Rotate), None);
/// let error = "flip,shift=3".parse::<Augmentation>().unwrap_err().to_string();
/// assert_eq!(error, "augment: shift is 3; it must be above 0 and at most 0.5");
/// # Ok::<(), convscope_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Indexed by `Item as usize`; 0 if the item is absent.
    strengths: [f64; Item::ALL.len()],
    fill: Fill,
}

const AUTO: [(Item, f64); 6] = [
    (Item::Flip, 0.5),
    (Item::Shift, 0.125),
    (Item::Brightness, 0.2),
    (Item::Contrast, 0.2),
    (Item::Color, 0.2),
    (Item::Cutout, 0.25),
];

impl Augmentation {
    /// No transformation.
    pub const NONE: Augmentation = Augmentation { strengths: [0.0; Item::ALL.len()], fill: Fill::Reflect };

    /// Whether images are unchanged.
    pub fn is_none(&self) -> bool {
        self.strengths.iter().all(|&strength| strength == 0.0)
    }

    /// The strength of a transformation, if it is used.
    pub fn strength(&self, item: Item) -> Option<f64> {
        let strength = self.strengths[item as usize];
        (strength > 0.0).then_some(strength)
    }

    /// What fills the area beyond the border.
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// Whether images of two classes are blended, and their labels with them.
    pub fn mixes_labels(&self) -> bool {
        self.strength(Item::Mixup).or(self.strength(Item::Cutmix)).is_some()
    }

    /// Whether pixels are moved or recoloured, which is only possible for the bytes of pictures.
    pub fn changes_pixels(&self) -> bool {
        let after = [Item::Cutout, Item::Mixup, Item::Cutmix];
        Item::ALL.into_iter().any(|item| !after.contains(&item) && self.strength(item).is_some())
    }

    /// Fails unless `crop` is smaller than images of this size.
    pub(crate) fn check(&self, size: ImageSize) -> Result<(), DataError> {
        match self.strength(Item::Crop) {
            Some(pixels) if pixels >= size.height.min(size.width) as f64 => Err(problem(format!(
                "crop is {pixels}; it must be smaller than the images, which are {size} pixels"
            ))),
            _ => Ok(()),
        }
    }
}

impl FromStr for Augmentation {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let words: Vec<&str> = text.split([',', '+']).map(str::trim).collect();
        if words == ["none"] {
            return Ok(Augmentation::NONE);
        }
        let mut augmentation = Augmentation::NONE;
        if words.contains(&"auto") {
            AUTO.iter().for_each(|&(item, strength)| augmentation.strengths[item as usize] = strength);
        }
        for (place, word) in words.iter().enumerate() {
            let (name, value) =
                word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            let is_name = |other: &&str| other.split('=').next() == Some(name);
            if words[..place].iter().any(is_name) {
                return Err(problem(format!("{name} is given twice; leave one out")));
            }
            match (name, value) {
                ("auto", None) => {}
                ("none", _) => {
                    return Err(problem(
                        "none cannot be combined; leave out either it or the other items".to_owned(),
                    ));
                }
                ("fill", value) => {
                    let value = value.unwrap_or("without a value");
                    augmentation.fill = Fill::parse(value)
                        .ok_or_else(|| problem(format!("fill is {value}; it must be {}", Fill::NAMES)))?;
                }
                _ => {
                    let item = Item::ALL.into_iter().find(|item| item.name() == name);
                    let item = item.ok_or_else(|| unknown(word))?;
                    augmentation.strengths[item as usize] = strength(item, value)?;
                }
            }
        }
        Ok(augmentation)
    }
}

fn strength(item: Item, value: Option<&str>) -> Result<f64, DataError> {
    let Some(value) = value else { return Ok(item.default_strength()) };
    match value.parse::<f64>() {
        Ok(strength) if item.accepts(strength) => Ok(strength),
        _ => Err(problem(format!("{} is {value}; it must be {}", item.name(), item.range()))),
    }
}

fn unknown(word: &str) -> DataError {
    let names = Item::ALL.map(Item::name).join(", ");
    let what = if word.is_empty() { "an item is empty".to_owned() } else { format!("there is no {word}") };
    problem(format!("{what}; give none, auto, or some of {names} with fill=reflect, nearest or constant"))
}

fn problem(problem: String) -> DataError {
    DataError::Augmentation { problem }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |item| match (item, self.strength(item)?) {
            (Item::Flip | Item::VerticalFlip, 0.5) => Some(item.name().to_owned()),
            (_, strength) => Some(format!("{}={strength}", item.name())),
        };
        let mut words: Vec<String> = Item::ALL.into_iter().filter_map(number).collect();
        if words.is_empty() {
            words.push("none".to_owned());
        } else if self.fill != Fill::default() {
            words.push(format!("fill={}", self.fill));
        }
        f.pad(&words.join(","))
    }
}

impl Serialize for Augmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Augmentation {
        text.parse().unwrap()
    }

    fn error(text: &str) -> String {
        text.parse::<Augmentation>().unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (text, written) in [
            ("none", "none"),
            ("flip", "flip"),
            ("flip=0.25,vflip=1", "flip=0.25,vflip=1"),
            ("shift", "shift=0.1"),
            (" crop , flip+cutout", "flip,crop=4,cutout=0.25"),
            ("rotate=180+zoom=0.9", "rotate=180,zoom=0.9"),
            ("cutmix,mixup=0.05", "mixup=0.05,cutmix=1"),
            ("brightness,contrast,color", "brightness=0.2,contrast=0.2,color=0.2"),
            ("auto", "flip,shift=0.125,brightness=0.2,contrast=0.2,color=0.2,cutout=0.25"),
            (
                "cutout=0.5,auto,fill=constant:9",
                "flip,shift=0.125,brightness=0.2,contrast=0.2,color=0.2,cutout=0.5,fill=constant:9",
            ),
            ("crop=2,fill=constant", "crop=2,fill=constant"),
            ("crop=2,fill=reflect", "crop=2"),
        ] {
            assert_eq!(parse(text).to_string(), written);
            assert_eq!(parse(written), parse(text), "{text}");
        }
        assert!(parse("none").is_none() && !parse("flip").is_none());
        assert!(
            parse("mixup").mixes_labels() && parse("cutmix").mixes_labels() && !parse("auto").mixes_labels()
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_there_is() {
        let unknown = error("flip,sharpen=2");
        assert!(
            unknown.starts_with(
                "augment: there is no sharpen=2; give none, auto, or some of flip, vflip, shift, "
            ),
            "{unknown}"
        );
        assert!(error("").starts_with("augment: an item is empty; "));
        assert!(error("flip,").starts_with("augment: an item is empty; "));
        assert!(error("auto=3").starts_with("augment: there is no auto=3; "));
        assert_eq!(
            error("flip,none"),
            "augment: none cannot be combined; leave out either it or the other items"
        );
        assert_eq!(error("flip,shift,flip=1"), "augment: flip is given twice; leave one out");
        assert_eq!(
            error("crop=2.5"),
            "augment: crop is 2.5; it must be a whole number of pixels from 1 to 1024"
        );
        for text in [
            "flip=0",
            "shift=-0.1",
            "shift=0.6",
            "rotate=NaN",
            "zoom=1",
            "color=1.5",
            "mixup=0",
            "cutmix=inf",
            "cutout=",
        ] {
            assert!(error(text).contains("it must be"), "{text}");
        }
        assert!(error("crop,fill=wrap").starts_with("augment: fill is wrap; it must be reflect, nearest, "));
        assert!(error("crop,fill").starts_with("augment: fill is without a value; "));
        assert!(error("crop,fill=constant:256").contains("0 to 255"));
    }
}
