//! The teacher that a run trains for itself.

use convscope_data::Augmentation;
use convscope_graph::ModelOptions;
use serde::{Deserialize, Serialize};

use super::{FeatureCache, Freeze, PartialConfig, TrainConfig};
use crate::error::TrainError;
use crate::model::model_width;

/// A wider version of a run's own network, which is trained first and then [teaches](crate::teachers::Teachers) it; see
/// [`TaughtRun`](crate::TaughtRun). Everything that is not here is as in the run itself, but it starts with random weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// How many times as wide as the network of the run, finite and above 0.
    pub width: f64,
    /// How many times the teacher goes through the training images, at least 1. Default none: as often as the run.
    pub epochs: Option<u64>,
    /// How the teacher's training images are changed. Default none: as those of the run.
    pub augment: Option<Augmentation>,
}

/// Some of the values of a [`TeacherConfig`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialTeacher {
    /// See [`TeacherConfig::width`].
    pub width: Option<f64>,
    /// See [`TeacherConfig::epochs`].
    pub epochs: Option<u64>,
    /// See [`TeacherConfig::augment`].
    pub augment: Option<Augmentation>,
}

impl TrainConfig {
    /// The configuration of the run's own teacher; none if it does not train one.
    ///
    /// ```
    /// use convscope_train::{PartialConfig, TrainConfig};
    /// let over: PartialConfig = toml::from_str("epochs = 30\nmodel_options.width = 0.5\nteacher = {width = 4, epochs = 25}")?;
    /// let config = TrainConfig::default().merged(&over)?;
    /// let teacher = config.of_teacher()?.unwrap();
    /// assert_eq!((teacher.epochs, teacher.batch_size), (25, config.batch_size));
    /// assert_eq!(teacher.model_options, toml::from_str("width = 2.0")?);
    /// assert!(teacher.teacher.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A model file that cannot be read, an unknown preset.
    pub fn of_teacher(&self) -> Result<Option<TrainConfig>, TrainError> {
        let Some(teacher) = &self.teacher else { return Ok(None) };
        let mut width = ModelOptions::default();
        width.set("width", teacher.width * model_width(&self.model, &self.model_options)?)?;
        Ok(Some(TrainConfig {
            epochs: teacher.epochs.unwrap_or(self.epochs),
            augment: teacher.augment.unwrap_or(self.augment),
            model_options: self.model_options.clone().merged(&width),
            weights: None,
            weights_map: None,
            weights_partial: false,
            freeze: Freeze::None,
            unfreeze_at: None,
            lr_body: None,
            cached_views: None,
            feature_cache: FeatureCache::default(),
            teacher: None,
            ..self.clone()
        }))
    }
}

impl TeacherConfig {
    /// One error for each value that is out of range.
    pub(super) fn problems(&self, teachers: &[String]) -> Vec<TrainError> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, field, value: &dyn ToString, accepted| {
            if !fits {
                problems.push(TrainError::InvalidValue { field, value: value.to_string(), accepted });
            }
        };
        let width = self.width;
        check(width.is_finite() && width > 0.0, "teacher.width", &width, "a finite number above 0");
        check(teachers.is_empty(), "teacher.width", &width, "left out if teachers are named");
        if let Some(epochs) = self.epochs {
            check(epochs >= 1, "teacher.epochs", &epochs, "at least 1");
        }
        problems
    }
}

/// Overrides who teaches: teachers that are named take the place of one that would have been trained, and the other way
/// round.
pub(super) fn merge_teachers(config: &mut TrainConfig, over: &PartialConfig) -> Result<(), TrainError> {
    let PartialTeacher { width, epochs, augment } = over.teacher.clone();
    if let Some(teachers) = &over.teachers {
        config.teachers.clone_from(teachers);
        config.teacher = None;
    }
    if let Some(width) = width {
        if over.teachers.is_none() {
            config.teachers.clear();
        }
        match &mut config.teacher {
            Some(teacher) => teacher.width = width,
            None => config.teacher = Some(TeacherConfig { width, epochs: None, augment: None }),
        }
    }
    if let Some(teacher) = &mut config.teacher {
        teacher.epochs = epochs.or(teacher.epochs);
        teacher.augment = augment.or(teacher.augment);
        return Ok(());
    }
    for (field, is_given) in [("teacher.epochs", epochs.is_some()), ("teacher.augment", augment.is_some())] {
        if is_given {
            let (name, owners) = ("a run that trains no teacher", "a teacher.width");
            return Err(TrainError::SettingNotApplicable { field, name, owners });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(config: &TrainConfig, toml: &str) -> Result<TrainConfig, TrainError> {
        config.clone().merged(&toml::from_str(toml).unwrap())
    }

    #[test]
    fn teachers_that_are_named_replace_one_to_be_trained_and_the_other_way_round() {
        let own = merged(&TrainConfig::default(), "teacher = {width=4, epochs=25, augment='flip'}").unwrap();
        let named = merged(&own, "teachers = ['a']").unwrap();
        assert_eq!((named.teachers.as_slice(), &named.teacher), (&["a".to_owned()][..], &None));
        assert_eq!(merged(&own, "teachers = []").unwrap(), TrainConfig::default());
        let again = merged(&named, "teacher.width = 2").unwrap();
        assert_eq!(again.teacher, Some(TeacherConfig { width: 2.0, epochs: None, augment: None }));
        assert!(again.teachers.is_empty());
        let wider = merged(&own, "teacher.width = 8").unwrap();
        assert_eq!(wider.teacher, own.teacher.map(|teacher| TeacherConfig { width: 8.0, ..teacher }));
    }

    #[test]
    fn a_setting_of_a_teacher_needs_one() {
        for setting in ["epochs = 3", "augment = 'flip'"] {
            let error =
                merged(&TrainConfig::default(), &format!("teacher.{setting}")).unwrap_err().to_string();
            assert!(error.contains("does not apply to a run that trains no teacher"), "{error}");
        }
        let own = merged(&TrainConfig::default(), "teacher.width = 4").unwrap();
        assert!(merged(&own, "teachers = ['a']\nteacher.epochs = 3").is_err());
    }

    #[test]
    fn a_model_that_is_wide_itself_has_a_teacher_that_is_wider() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.toml");
        std::fs::write(&path, "width = 1.5\n[[node]]\nop = 'flatten'\n").unwrap();
        let own = merged(&TrainConfig::default(), "teacher.width = 4").unwrap();
        let own = TrainConfig { model: path.to_string_lossy().into_owned(), ..own };
        let width = |config: &TrainConfig| {
            let teacher = config.of_teacher().unwrap().unwrap();
            toml::Value::try_from(&teacher.model_options).unwrap()["width"].as_float().unwrap()
        };
        assert_eq!(width(&own), 6.0);
        assert_eq!(width(&merged(&own, "model_options.width = 2").unwrap()), 8.0);
        assert!(TrainConfig { model: "absent.toml".into(), ..own }.of_teacher().is_err());
        assert_eq!(TrainConfig::default().of_teacher().unwrap(), None);
    }
}
