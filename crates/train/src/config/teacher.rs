//! The teacher that a run trains for itself.

use convscope_data::Augmentation;
use convscope_graph::ModelOptions;

use super::declare::Group::Training;
use super::declare::{Setting, settings, value};
use super::value::{NONE, SettingValue};
use super::{Check, FeatureCache, Freeze, PartialConfig, TrainConfig, is_above_0, is_epochs};
use crate::error::TrainError;
use crate::model::model_width;

/// A wider version of a run's own network, which is trained first and then [teaches](crate::teachers::Teachers) it; see
/// [`TaughtRun`](crate::TaughtRun). Everything that is not here is as in the run itself, but it starts with random weights.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherConfig {
    /// How many times as wide as the network of the run, finite and above 0.
    pub width: f64,
    /// How many times the teacher goes through the training images, at least 1. Default none: as often as the run.
    pub epochs: Option<u64>,
    /// How the teacher's training images are changed. Default none: as those of the run.
    pub augment: Option<Augmentation>,
}

settings! {
    /// Some of the values of a [`TeacherConfig`].
    pub struct PartialTeacher in "teacher.";

    /// Train a teacher first, in the folder `teacher` of the run: the same network, this many times as wide; --teachers
    /// takes its place [default: none]
    width: f64 = NONE, Some(value(Training, "FACTOR").named("teacher-width")), (is_above_0, "a finite number above 0");
    /// How many times that teacher goes through the training images [default: as --epochs]
    epochs: u64 = NONE, Some(value(Training, "N").named("teacher-epochs")), (is_epochs, "from 1 to 1000000000");
    /// How that teacher's training images are changed at random [default: as --augment]
    augment: Augmentation = NONE, Some(value(Training, "ITEMS").named("teacher-augment")), any;
}

impl From<&TeacherConfig> for PartialTeacher {
    fn from(config: &TeacherConfig) -> PartialTeacher {
        PartialTeacher { width: Some(config.width), epochs: config.epochs, augment: config.augment }
    }
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

/// Checks who teaches.
pub(super) fn check(config: &TrainConfig, check: &mut Check<'_>) {
    if let Some(teacher) = &config.teacher {
        let fits = config.teachers.is_empty();
        check(fits, "teacher.width", &teacher.width, "left out if teachers are named");
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
            return Err(TrainError::SettingNotApplicable {
                field: field.to_owned(),
                name: name.to_owned(),
                owners: owners.to_owned(),
            });
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
