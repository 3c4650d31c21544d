//! Names of padding modes in files: the kernels know nothing about files.

use crate::PaddingMode;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

const NAMES: [(&str, PaddingMode); 4] = [
    ("zeros", PaddingMode::Zeros),
    ("reflect", PaddingMode::Reflect),
    ("replicate", PaddingMode::Replicate),
    ("circular", PaddingMode::Circular),
];

pub(in crate::conv2d) fn serialize<S: Serializer>(mode: &PaddingMode, to: S) -> Result<S::Ok, S::Error> {
    let name = NAMES.iter().find(|(_, named)| named == mode).map_or("zeros", |(name, _)| name);
    to.serialize_str(name)
}

pub(in crate::conv2d) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PaddingMode, D::Error> {
    let name = String::deserialize(from)?;
    let found = NAMES.iter().find(|(known, _)| *known == name);
    let names = NAMES.map(|(name, _)| name).join(", ");
    found
        .map(|(_, mode)| *mode)
        .ok_or_else(|| D::Error::custom(format!("padding_mode must be one of {names}")))
}
