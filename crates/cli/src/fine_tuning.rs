//! What fine-tuning does, and the settings that suit its images.

use convscope_train::config::{Freeze, PartialConfig};
use convscope_train::fine_tuning::FineTuning;
use convscope_train::{TrainConfig, TrainError};

/// The configuration with the batch size and the number of epochs that suit so many images in fine-tuning, unless `given` has
/// them.
///
/// # Errors
/// Weights or a model file that cannot be read.
pub fn suited(
    mut config: TrainConfig,
    given: &[&PartialConfig],
    images: usize,
) -> Result<TrainConfig, TrainError> {
    if FineTuning::of(&config, given)?.is_none() {
        return Ok(config);
    }
    let (batch_size, epochs) = FineTuning::extent(&config, images);
    if given.iter().all(|part| part.batch_size.is_none()) {
        config.batch_size = batch_size.min(images.max(1));
    }
    if given.iter().all(|part| part.epochs.is_none()) {
        config.epochs = epochs;
    }
    Ok(config)
}

/// What fine-tuning does, in lines for the user; none if training starts from random weights.
///
/// # Errors
/// Weights or a model file that cannot be read.
pub fn described(config: &TrainConfig) -> Result<Vec<String>, TrainError> {
    let Some(found) = FineTuning::of(config, &[])? else { return Ok(Vec::new()) };
    let from = config.weights.as_deref().unwrap_or(&config.model);
    let trained = match (&config.freeze, config.unfreeze_at) {
        (Freeze::None, _) => "all layers are trained".to_owned(),
        (freeze, until) => {
            let what = match freeze {
                Freeze::Node(node) => format!("everything up to {node} is frozen"),
                _ => "everything but the classifier is frozen".to_owned(),
            };
            match until {
                Some(epoch) => format!("{what} until epoch {epoch}"),
                None => what,
            }
        }
    };
    let data = &config.data;
    let size = data.image_size.map_or_else(String::new, |size| format!("{size} pixels, "));
    let scaling = match (&data.mean, &data.std) {
        (Some(mean), Some(std)) => format!("(value - {}) / {}", numbers(mean), numbers(std)),
        _ => format!("{:?}", data.normalize).to_lowercase(),
    };
    let whose = found.treated_as.map_or("as your settings say".to_owned(), |whose| format!("as for {whose}"));
    let body = config.lr_body.map_or_else(String::new, |lr| format!(" ({lr} below the classifier)"));
    let features = match (config.cached_views, config.freeze.is_none()) {
        (_, true) => String::new(),
        (Some(views @ 1..), _) => format!(", features of {views} variants of each image computed once"),
        _ if config.augment.is_none() || config.cached_views == Some(0) => {
            ", features computed once".to_owned()
        }
        _ => ", features computed in every epoch".to_owned(),
    };
    Ok(vec![
        format!("fine-tuning from {from}: {trained}"),
        format!("pictures are prepared {whose}: {size}resized by {}, {scaling}", data.resize),
        format!(
            "{} in batches of {}, {} at rate {}{body}, augmentation {}{features}; flags change all of this",
            if config.epochs == 1 { "1 epoch".to_owned() } else { format!("{} epochs", config.epochs) },
            config.batch_size,
            config.optimizer.name(),
            config.lr,
            config.augment
        ),
    ])
}

/// One number if all are equal.
fn numbers(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().map(|value| format!("{}", (value * 1e4).round() / 1e4)).collect();
    match shown.first() {
        Some(first) if shown.iter().all(|other| other == first) => first.clone(),
        _ => format!("[{}]", shown.join(", ")),
    }
}
