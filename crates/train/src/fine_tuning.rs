//! Settings that suit a network whose weights were trained on other images.

use std::path::Path;

use convscope_data::{ImageSize, Normalize};
use convscope_graph::InputDescription;

use crate::config::{Freeze, OptimizerName, PartialConfig, PartialData, PartialOptimizer, TrainConfig};
use crate::error::TrainError;
use crate::foreign::{is_trained, pretrained_of};
use crate::onnx::is_onnx;
use crate::trained_weights::read_weights;

/// Settings that take the place of the defaults in fine-tuning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FineTuning {
    /// The settings.
    pub settings: PartialConfig,
    /// Whose treatment of pictures it is, if one is known.
    pub treated_as: Option<String>,
}

/// Optimizer steps that a head needs, about.
const HEAD_STEPS: u64 = 250;
/// Epochs of a head, at least and at most.
const HEAD_EPOCHS: (u64, u64) = (10, 30);
/// Images in a batch if there are enough of them.
const BATCH: usize = 32;
/// Batches that an epoch has at least, if there are enough images.
const BATCHES: usize = 8;

impl FineTuning {
    /// The settings for a configuration, of which `given` was asked for, the last of them overriding those before; `None` if
    /// training starts from random weights.
    ///
    /// # Errors
    /// Weights whose file says what they are but cannot be read, a model file that cannot be read.
    pub fn of(config: &TrainConfig, given: &[&PartialConfig]) -> Result<Option<FineTuning>, TrainError> {
        if config.weights.is_none() && !is_onnx(Path::new(&config.model)) && !is_trained(&config.model) {
            return Ok(None);
        }
        let is_given = |has: fn(&PartialConfig) -> bool| given.iter().any(|part| has(part));
        let freeze = given.iter().rev().find_map(|part| part.freeze.clone()).unwrap_or(Freeze::AllButHead);
        let trains_body = freeze.is_none() || config.unfreeze_at.is_some();
        let has_variants = config.cached_views.is_some_and(|views| views > 0);
        let augment = if trains_body || has_variants { "auto" } else { "none" };
        let waits = config.unfreeze_at.is_some() && !is_given(|part| part.cached_views.is_some());
        let treatment = treatment(config)?;
        let data = treatment.as_ref().map(|(_, input)| data(config, input, given)).unwrap_or_default();
        let optimizer = PartialOptimizer { name: Some(OptimizerName::AdamW), ..PartialOptimizer::default() };
        // Settings of another optimizer stay valid only without this one.
        let names_optimizer = is_given(|part| part.optimizer != PartialOptimizer::default());
        let settings = PartialConfig {
            freeze: Some(freeze),
            augment: Some(augment.parse()?),
            cached_views: waits.then_some(Some(0)),
            lr: Some(if trains_body { 0.001 } else { 0.003 }),
            lr_body: (trains_body && !is_given(|part| part.lr.is_some())).then_some(Some(0.0001)),
            optimizer: if names_optimizer { PartialOptimizer::default() } else { optimizer },
            data,
            ..PartialConfig::default()
        };
        Ok(Some(FineTuning { settings, treated_as: treatment.map(|(whose, _)| whose) }))
    }

    /// Batch size and epochs for so many training images: smaller batches for few images, so that an epoch has several, and
    /// more epochs, so that the head takes enough steps.
    pub fn extent(config: &TrainConfig, images: usize) -> (usize, u64) {
        let batch = (images / BATCHES).clamp(8, BATCH);
        if config.freeze.is_none() || config.unfreeze_at.is_some() {
            return (batch, config.epochs);
        }
        let steps = images.div_ceil(batch).max(1) as u64;
        (batch, HEAD_STEPS.div_ceil(steps).clamp(HEAD_EPOCHS.0, HEAD_EPOCHS.1))
    }
}

/// How pictures were prepared for the weights that training starts from, and what says so.
fn treatment(config: &TrainConfig) -> Result<Option<(String, InputDescription)>, TrainError> {
    let weights = config.weights.as_deref().unwrap_or(&config.model);
    let path = Path::new(weights);
    if path.is_dir() || is_onnx(path) {
        return Ok(Some((weights.to_owned(), read_weights(path)?.input)));
    }
    // A file of this program says it itself; one of another may belong to a network that does.
    let own = path.extension().is_some_and(|extension| extension == "safetensors");
    if let Some(own) = own.then(|| read_weights(path).ok()).flatten() {
        return Ok(Some((weights.to_owned(), own.input)));
    }
    Ok(pretrained_of(&config.model)?
        .map(|input| (format!("the published weights of {}", config.model), input)))
}

/// The treatment as settings. Images of another size are resized before they are cropped in the same proportion.
fn data(config: &TrainConfig, input: &InputDescription, given: &[&PartialConfig]) -> PartialData {
    let [height, width] = input.size;
    let shorter = height.min(width).max(1);
    let wanted = config.data.image_size.map_or(shorter, |size| size.height.min(size.width));
    let resize = match input.resize.parse::<usize>() {
        Ok(side) => ((side * wanted + shorter / 2) / shorter).to_string(),
        Err(_) => input.resize.clone(),
    };
    let widened = |values: &[f32]| Some(values.iter().map(|&value| f64::from(value)).collect());
    let is_scaled = given
        .iter()
        .any(|part| part.data.normalize.is_some() || part.data.mean.is_some() || part.data.std.is_some());
    PartialData {
        image_size: Some(Some(ImageSize { height, width })),
        resize: resize.parse().ok(),
        background: input.background.parse().ok(),
        channels: input.mean.len().try_into().ok(),
        normalize: (!is_scaled).then_some(Normalize::Unit),
        mean: (!is_scaled).then(|| widened(&input.mean)),
        std: (!is_scaled).then(|| widened(&input.std)),
        ..PartialData::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(toml: &str) -> Option<TrainConfig> {
        let given: PartialConfig = toml::from_str(toml).unwrap();
        let config = TrainConfig::default().merged(&given).unwrap();
        let found = FineTuning::of(&config, &[&given]).unwrap()?;
        let config = TrainConfig::default().merged(&found.settings).unwrap().merged(&given).unwrap();
        config.validate().unwrap();
        Some(config)
    }

    #[test]
    fn random_weights_are_not_fine_tuned() {
        assert!(of("model = 'resnet18'").is_none());
    }

    #[test]
    fn a_frozen_body_sees_the_pictures_themselves_and_a_trained_one_variants() {
        let lite = "model = 'efficientnet_lite0'\nweights = 'lite0.pth'\n";
        let frozen = of(lite).unwrap();
        assert_eq!((frozen.freeze.clone(), frozen.lr_body), (Freeze::AllButHead, None));
        assert!(frozen.augment.is_none() && frozen.cached_views.is_none());
        let trained = of(&format!("{lite}freeze = 'none'")).unwrap();
        assert_eq!(trained.lr_body, Some(0.0001));
        assert!(!trained.augment.is_none());
        let later = of(&format!("{lite}unfreeze_at = 3")).unwrap();
        assert_eq!((later.cached_views, later.freeze), (Some(0), Freeze::AllButHead));
        assert!(!later.augment.is_none());
        let variants = of(&format!("{lite}cached_views = 4")).unwrap();
        assert!(!variants.augment.is_none());
        // What is asked for stays.
        let asked =
            of(&format!("{lite}lr = 0.5\naugment = 'flip'\noptimizer = {{name = 'sgd', momentum = 0.5}}"));
        let asked = asked.unwrap();
        assert_eq!(
            (asked.lr, asked.augment.to_string(), asked.optimizer.name()),
            (0.5, "flip".into(), "sgd")
        );
    }

    #[test]
    fn pictures_are_treated_as_the_weights_were_trained() {
        let data = of("model = 'efficientnet_lite0'\nweights = 'lite0.pth'").unwrap().data;
        assert_eq!(data.image_size, Some(ImageSize::square(224)));
        assert_eq!(data.resize.to_string(), "256");
        let [mean, std] = [data.mean.unwrap()[0], data.std.unwrap()[0]];
        // (byte - 127) / 128
        let byte = |byte: f64| (byte / 255.0 - mean) / std;
        assert!((byte(127.0)).abs() < 1e-6 && (byte(255.0) - 1.0).abs() < 1e-6);
        let smaller = of("model = 'resnet18'\nweights = 'a.pth'\ndata.image_size = 112").unwrap().data;
        assert_eq!(
            (smaller.image_size, smaller.resize.to_string()),
            (Some(ImageSize::square(112)), "128".into())
        );
        assert_eq!(smaller.mean.unwrap(), [0.485, 0.456, 0.406].map(|value| f64::from(value as f32)));
        let own = of("model = 'resnet18'\nweights = 'a.pth'\ndata.normalize = 'standard'").unwrap().data;
        assert_eq!((own.normalize, own.mean), (Normalize::Standard, None));
        // Nothing is known of weights for a network of this project.
        assert_eq!(of("model = 'resnet8'\nweights = 'a.pth'").unwrap().data, TrainConfig::default().data);
    }

    #[test]
    fn few_images_have_small_batches_and_many_epochs() {
        let config = of("model = 'resnet18'\nweights = 'a.pth'").unwrap();
        assert_eq!(FineTuning::extent(&config, 40), (8, 30));
        assert_eq!(FineTuning::extent(&config, 1000), (32, 10));
        assert_eq!(FineTuning::extent(&config, 100_000), (32, 10));
        let trained = of("model = 'resnet18'\nweights = 'a.pth'\nfreeze = 'none'").unwrap();
        assert_eq!(FineTuning::extent(&trained, 40), (8, 10));
    }
}
