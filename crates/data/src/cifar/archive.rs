//! A data set that is published as an archive, kept in the cache folder completely or not at all.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::{DataError, ProgressListener};

/// A data set that is published as one `.tar.gz` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Where it is published.
    pub url: String,
    /// SHA-256 of the archive, in hexadecimal digits.
    pub sha256: String,
    /// The folder that it unpacks to, with the same name in the cache folder.
    pub folder: String,
}

impl Archive {
    /// CIFAR-10's binary version, 170 MB, from its home page.
    pub fn cifar10() -> Self {
        Archive {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".into(),
            folder: "cifar-10-batches-bin".into(),
        }
    }

    /// The unpacked archive's folder, downloaded first if it does not exist.
    ///
    /// `cache_dir` is the folder to keep it in, by default `convscope` in `$XDG_CACHE_HOME` or the platform's cache
    /// folder. The archive is fetched and unpacked in a temporary folder next to the target, which is renamed on
    /// success and removed on failure.
    ///
    /// # Errors
    /// [`DataError::Download`] (which says what to do without a network), [`DataError::Checksum`],
    /// [`DataError::Unpack`], [`DataError::NoCache`], [`DataError::Io`].
    pub fn fetch(&self, cache_dir: Option<&Path>, listener: &ProgressListener) -> Result<PathBuf, DataError> {
        let cache_dir = match cache_dir {
            Some(folder) => folder.to_owned(),
            None => default_cache_dir()?,
        };
        let target = cache_dir.join(&self.folder);
        if target.is_dir() { Ok(target) } else { self.fetch_into(&cache_dir, target, listener) }
    }

    #[cfg(not(feature = "download"))]
    fn fetch_into(
        &self,
        _cache_dir: &Path,
        folder: PathBuf,
        _listener: &ProgressListener,
    ) -> Result<PathBuf, DataError> {
        let reason = "this program was built without the feature `download`".to_owned();
        Err(DataError::Download { url: self.url.clone(), reason, folder })
    }
}

fn default_cache_dir() -> Result<PathBuf, DataError> {
    match etcetera::choose_base_strategy() {
        Ok(strategy) => Ok(strategy.cache_dir().join("convscope")),
        Err(error) => Err(DataError::NoCache { reason: error.to_string() }),
    }
}
