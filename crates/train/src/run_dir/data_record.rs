//! `data.json`: which images a run is trained on, where they are, and how they are preprocessed.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use convscope_data::manifest::{ImageId, Splitting};
use convscope_data::{
    Background, Framing, ImageSize, Manifest, Normalization, Normalize, Resize, Source, Split,
};
use convscope_graph::DataDescription;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::run_dir::write_atomic;

/// A run's record of its images.
///
/// ```text
/// place           the path of the data set as given, relative to the run, and absolute
/// treatment       image size, resizing, background, kind of normalisation, mean and deviation of each channel
/// train_on_val    whether the run also trained on the validation images
/// manifest        classes, splits, and each image with its hash; see convscope_data::Manifest
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// Where the images are.
    pub place: DataPlace,
    /// How an image is preprocessed for the network.
    pub treatment: Treatment,
    /// Whether the run also trains on the validation images.
    pub train_on_val: bool,
    /// The images; `None` if the source cannot identify them.
    pub manifest: Option<Manifest>,
}

/// Where a data set is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPlace {
    /// As given by the user.
    pub given: String,
    /// The path to the folder, relative to the run directory.
    pub relative: Option<PathBuf>,
    /// The absolute path to the folder.
    pub absolute: Option<PathBuf>,
}

/// How an image is preprocessed for the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    /// The size it is resized to.
    pub image_size: ImageSize,
    /// How images with a different aspect ratio are resized. Runs that do not record it used `squash`.
    #[serde(default)]
    pub resize: Resize,
    /// Colour of transparent pixels and added borders. Runs that do not record it used black.
    #[serde(default = "unrecorded_background")]
    pub background: Background,
    /// How pixel values are scaled.
    pub normalize: Normalize,
    /// Subtracted from each channel's values between 0 and 1.
    pub mean: Vec<f32>,
    /// Divides the difference.
    pub std: Vec<f32>,
}

/// The identity of a data set in checkpoints: enough to recognise it, without the names of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// The digest of the manifest, if any.
    pub digest: Option<String>,
    /// The class names, in the order of the labels.
    pub classes: Vec<String>,
    /// How the images were assigned to the splits.
    pub splitting: Option<Splitting>,
    /// How an image is preprocessed.
    pub treatment: Treatment,
}

impl DataRecord {
    /// The record of a run in the folder `run` with this configuration.
    pub fn new(config: &TrainConfig, source: &dyn Source, normalization: &Normalization, run: &Path) -> Self {
        let Normalization { mean, std } = normalization.clone();
        let Framing { resize, background } = config.data.framing();
        let normalize = config.data.normalize;
        DataRecord {
            place: DataPlace::of(&config.data.source, run),
            treatment: Treatment {
                image_size: source.image_size(),
                resize,
                background,
                normalize,
                mean,
                std,
            },
            train_on_val: config.data.train_on_val,
            manifest: source.manifest().cloned(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`TrainError::Io`], and [`TrainError::BadContents`] for a file that is not such a record or contradicts itself.
    pub fn read(path: &Path) -> Result<DataRecord, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        serde_json::from_str(&text)
            .map_err(|error| TrainError::BadContents { path: path.to_owned(), reason: error.to_string() })
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let text = serde_json::to_string_pretty(self).expect("a record has a JSON form");
        write_atomic(path, |file| file.write_all(format!("{text}\n").as_bytes()))
    }

    /// The identities of the images that the network learns from; `None` if unknown.
    pub fn trained_on(&self) -> Option<HashSet<ImageId>> {
        let manifest = self.manifest.as_ref()?;
        let mut ids: HashSet<ImageId> = manifest.image_ids(Split::Train).into_iter().collect();
        if self.train_on_val {
            ids.extend(manifest.image_ids(Split::Val));
        }
        Some(ids)
    }

    /// The identity for checkpoints; `classes` are those of the source.
    pub fn identity(&self, classes: &[String]) -> DataIdentity {
        DataIdentity {
            digest: self.manifest.as_ref().map(|manifest| manifest.digest().to_owned()),
            classes: classes.to_vec(),
            splitting: self.manifest.as_ref().map(Manifest::splitting),
            treatment: self.treatment.clone(),
        }
    }

    /// The description for weights files.
    pub fn description(&self) -> Option<DataDescription> {
        let manifest = self.manifest.as_ref()?;
        let Splitting { split_seed, val_share, test_share } = manifest.splitting();
        let (digest, train_on_val) = (manifest.digest().to_owned(), self.train_on_val);
        Some(DataDescription { digest, split_seed, val_share, test_share, train_on_val })
    }
}

impl Treatment {
    /// How images are resized, and their background.
    pub fn framing(&self) -> Framing {
        Framing { resize: self.resize, background: self.background }
    }

    /// How pixel values are scaled.
    pub fn normalization(&self) -> Normalization {
        Normalization { mean: self.mean.clone(), std: self.std.clone() }
    }
}

fn unrecorded_background() -> Background {
    Framing::UNRECORDED.background
}

impl DataPlace {
    /// The place of a data set that is named from the working directory, for a run in the folder `run`.
    pub fn of(name: &str, run: &Path) -> DataPlace {
        let absolute = Path::new(name).canonicalize().ok().filter(|path| path.is_dir());
        let run = run.canonicalize().ok();
        let relative = run.zip(absolute.as_deref()).and_then(|(run, data)| way(&run, data));
        DataPlace { given: name.to_owned(), relative, absolute }
    }

    /// The data set's path from here: the first that exists of the folder relative to the run, the absolute folder and
    /// the given name; otherwise the name.
    pub fn find(&self, run: &Path) -> String {
        let relative = self.relative.as_deref().map(|relative| run.join(relative));
        let folders = relative.into_iter().chain(self.absolute.clone());
        let found = folders.into_iter().find(|folder| folder.is_dir());
        let Some(found) = found else { return self.given.clone() };
        // The familiar name, if it means the same folder.
        let is_given = Path::new(&self.given).canonicalize().ok() == found.canonicalize().ok();
        if is_given {
            self.given.clone()
        } else {
            found.canonicalize().unwrap_or(found).display().to_string()
        }
    }
}

/// The relative path between two absolute folders; `None` if they have no common root.
fn way(from: &Path, to: &Path) -> Option<PathBuf> {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    Some(up.chain(to[shared..].iter().copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_up_and_down_again() {
        let way = |from: &str, to: &str| way(Path::new(from), Path::new(to)).unwrap();
        assert_eq!(way("/a/runs/r", "/a/photos"), Path::new("../../photos"));
        assert_eq!(way("/a/b", "/c/d/e"), Path::new("../../c/d/e"));
        assert_eq!(way("/a", "/a/photos"), Path::new("photos"));
    }

    #[test]
    fn a_data_folder_is_found_where_run_and_folder_moved_together_and_where_only_the_run_did() {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("project");
        let (run, photos) = (project.join("runs/r"), project.join("photos"));
        std::fs::create_dir_all(&run).unwrap();
        std::fs::create_dir_all(&photos).unwrap();
        let place = DataPlace::of(photos.to_str().unwrap(), &run);
        assert_eq!(place.relative.as_deref(), Some(Path::new("../../photos")));
        assert_eq!(place.find(&run), photos.to_str().unwrap());
        let moved = root.path().join("elsewhere/deep/r");
        std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
        std::fs::rename(&run, &moved).unwrap();
        assert_eq!(place.find(&moved), photos.to_str().unwrap());
        std::fs::rename(&moved, &run).unwrap();
        let other = root.path().join("renamed");
        std::fs::rename(&project, &other).unwrap();
        let found = other.join("photos").canonicalize().unwrap();
        assert_eq!(place.find(&other.join("runs/r")), found.to_str().unwrap());
        assert_eq!(DataPlace::of("shapes", &run).find(&run), "shapes");
    }
}
