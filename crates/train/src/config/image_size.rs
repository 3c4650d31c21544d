//! The form of an image size in a configuration: its side if it is square (`64`), otherwise width x height (`"96x64"`).

use convscope_data::ImageSize;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Side(usize),
    Text(String),
}

/// Writes the size.
pub(super) fn serialize<S: Serializer>(size: &Option<ImageSize>, serializer: S) -> Result<S::Ok, S::Error> {
    let form = size.map(|size| match size {
        ImageSize { height, width } if height == width => Form::Side(width),
        ImageSize { height, width } => Form::Text(format!("{width}x{height}")),
    });
    form.serialize(serializer)
}

/// Reads a size.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ImageSize>, D::Error> {
    Ok(match Option::<Form>::deserialize(deserializer)? {
        None => None,
        Some(Form::Side(side)) => Some(ImageSize::square(side)),
        Some(Form::Text(text)) => Some(text.parse().map_err(D::Error::custom)?),
    })
}
