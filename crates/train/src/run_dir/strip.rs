//! Reduces runs to their results.

use std::fs;
use std::io;
use std::path::Path;

use super::LockedRun;
use crate::error::TrainError;
use crate::sink::BATCHES;

impl LockedRun {
    /// Removes what takes up space: weights, checkpoint, event files and the page `report.html`. Configuration, model,
    /// metrics and summary stay; the run can then neither be resumed nor used. Files that are already gone are not an
    /// error.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn strip(&self) -> Result<(), TrainError> {
        let entries =
            fs::read_dir(self.path()).map_err(TrainError::io("look into the folder", self.path()))?;
        for entry in entries {
            let path = entry.map_err(TrainError::io("look into the folder", self.path()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "report.html" || name.starts_with("events.out.tfevents.") {
                remove(&path)?;
            }
        }
        // The weights go last, so that a run without their folder has been stripped completely.
        for folder in [BATCHES, "checkpoint", "weights"] {
            let folder = self.path().join(folder);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(TrainError::io("remove the folder", &folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn remove(file: &Path) -> Result<(), TrainError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(TrainError::io("remove the file", file)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::RunLocation;
    use super::*;
    use crate::TrainConfig;

    #[test]
    fn figures_stay_and_weights_go() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Exact(folder.path().join("run"));
        let run = LockedRun::create(&location, &TrainConfig::default()).unwrap();
        let stay =
            ["model.toml", "data.json", "metrics.csv", "layer_metrics.csv", "summary.json", "notes.txt"];
        let go = [
            "weights/last.safetensors",
            "weights/best.safetensors",
            "checkpoint/state.safetensors",
            "events.out.tfevents.1.host",
            "report.html",
        ];
        for file in stay.iter().chain(&go) {
            let path = run.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        run.strip().unwrap();
        run.strip().unwrap();
        assert!(stay.iter().all(|file| run.path().join(file).is_file()));
        assert!(go.iter().all(|file| !run.path().join(file).exists()));
        assert_eq!(run.config().unwrap(), TrainConfig::default());
    }
}
