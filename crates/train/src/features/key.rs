//! What features depend on.

use convscope_data::manifest::ImageId;
use convscope_data::{Normalization, Split};
use convscope_graph::{Graph, Parameters};
use convscope_ops::Role;
use sha2::{Digest, Sha256};

use crate::config::{ARITHMETIC, TrainConfig};

/// Everything that features depend on.
pub(crate) struct KeyParts<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) body: &'a Graph,
    pub(crate) parameters: &'a Parameters,
    pub(crate) normalization: &'a Normalization,
    /// The images of the split.
    pub(crate) images: &'a [ImageId],
    pub(crate) split: Split,
    pub(crate) views: u64,
}

/// SHA-256 of everything that features depend on, each part after its length: two tables with the same key have the same rows.
pub(crate) fn key(parts: &KeyParts<'_>) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let KeyParts { config, body, parameters, normalization, images, split, views } = parts;
    for image in *images {
        part(format!("{image:?}").as_bytes());
    }
    part(split.name().as_bytes());
    part(body.description().to_toml().as_bytes());
    for tensor in parameters.tensors() {
        part(tensor.key.as_bytes());
        if tensor.role != Role::BatchesTracked {
            let bytes: Vec<u8> = tensor.slice().iter().flat_map(|value| value.to_le_bytes()).collect();
            part(&bytes);
        }
    }
    for values in [&normalization.mean, &normalization.std] {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        part(&bytes);
    }
    let framing = config.data.framing();
    part(format!("{} {} {:?}", framing.resize, framing.background, config.data.channels).as_bytes());
    let is_varied = config.cached_views.is_some_and(|views| views > 0) && *split == Split::Train;
    let variants =
        if is_varied { format!("{} {} {views}", config.augment, config.seed) } else { String::new() };
    part(variants.as_bytes());
    part(&ARITHMETIC.to_le_bytes());
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
