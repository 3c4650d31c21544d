//! Configurations that come with the program, in the form of ordinary configuration files.

use std::path::Path;

use crate::config::PartialConfig;
use crate::error::TrainError;

/// Names of the recipes.
pub const RECIPES: [&str; 3] = ["report", "best", "distilled"];

/// The settings of a named recipe, or of a TOML file (`mine.toml`).
///
/// - `report`: the settings of the original report: Adam 0.001, flips, and shifts by a tenth.
/// - `best`: the settings that get the most out of labels with the reference network in 30 epochs.
/// - `distilled`: the same, but the network learns from a [teacher](crate::config::TeacherConfig) four times as wide,
///   which is trained first, or from teachers that are named.
///
/// Defaults, recipe, configuration file and flags are applied in this order, each overriding those before.
///
/// # Errors
/// [`TrainError::UnknownRecipe`]; those of [`PartialConfig::read`].
///
/// ```
/// use convscope_train::{TrainConfig, recipes::recipe};
/// let config = TrainConfig::default().merged(&recipe("report")?)?;
/// assert_eq!((config.lr, config.optimizer.name()), (0.001, "adam"));
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
pub fn recipe(name_or_file: &str) -> Result<PartialConfig, TrainError> {
    let path = Path::new(name_or_file);
    if path.extension().is_some_and(|extension| extension == "toml") {
        return PartialConfig::read(path);
    }
    let text = recipe_file(name_or_file)?;
    Ok(toml::from_str(text).expect("the recipes of the program are configurations"))
}

/// The text of a recipe's file, as a starting point for your own.
///
/// # Errors
/// [`TrainError::UnknownRecipe`].
pub fn recipe_file(name: &str) -> Result<&'static str, TrainError> {
    match name {
        "report" => Ok(include_str!("report.toml")),
        "best" => Ok(include_str!("best.toml")),
        "distilled" => Ok(include_str!("distilled.toml")),
        _ => Err(TrainError::UnknownRecipe { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    #[test]
    fn every_recipe_is_a_valid_configuration() {
        for name in RECIPES {
            let config = TrainConfig::default().merged(&recipe(name).unwrap()).unwrap();
            config.validate().unwrap();
            assert!(!config.augment.is_none(), "{name}");
        }
    }

    #[test]
    fn a_student_differs_from_the_recipe_best_only_in_its_teacher() {
        let [best, distilled] =
            ["best", "distilled"].map(|name| TrainConfig::default().merged(&recipe(name).unwrap()).unwrap());
        let alone = TrainConfig { teacher: None, precision: best.precision, ..distilled.clone() };
        assert_eq!(alone, best);
        let teacher = distilled.of_teacher().unwrap().unwrap();
        assert_eq!((teacher.epochs, teacher.batch_size, teacher.lr), (25, 256, 0.009));
        assert_eq!(teacher.augment.to_string(), format!("{},cutout=0.25", best.augment));
        assert_eq!(teacher.precision, convscope_ops::Precision::Bf16);
    }

    #[test]
    fn files_are_recipes_and_other_names_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "augment = 'mixup'\nlr = 0.5\n").unwrap();
        let mine = recipe(path.to_str().unwrap()).unwrap();
        assert_eq!((mine.lr, mine.augment), (Some(0.5), Some("mixup".parse().unwrap())));
        let error = recipe("fast").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no recipe fast; give report, best, distilled or a file that ends in .toml"
        );
        std::fs::write(&path, "augment = 'sharpen'\n").unwrap();
        let error = recipe(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(
            error.contains("mine.toml") && error.contains("line 1") && error.contains("cutmix"),
            "{error}"
        );
    }
}
