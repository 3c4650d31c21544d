//! Fetches a data set's archive into the cache folder, whole or not at all.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use convscope_files::{create_folders, move_folder, write_whole};
use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};

use crate::{DataError, Observer, Stage};

/// A data set that is published as one `.tar.gz` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Where it is published.
    pub url: String,
    /// SHA-256 of the archive, in hexadecimal digits.
    pub sha256: String,
    /// The folder that it unpacks to; in the cache folder it has the same name.
    pub folder: String,
}

/// Silence on the line after which a download counts as failed.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Archive {
    /// CIFAR-10's binary version, 170 MB, at its home.
    pub fn cifar10() -> Self {
        Archive {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".into(),
            folder: "cifar-10-batches-bin".into(),
        }
    }

    /// The unpacked archive's folder, downloaded first where it does not exist yet.
    ///
    /// `cache_dir` is the folder to keep it in, by default `convscope` in `$XDG_CACHE_HOME` or the platform's
    /// cache folder. The archive is fetched and unpacked in a temporary folder beside the target, which is
    /// renamed when everything is well and removed when not.
    ///
    /// # Errors
    /// [`DataError::Download`] (which says what to do without a network), [`DataError::Checksum`],
    /// [`DataError::Unpack`], [`DataError::NoCache`], [`DataError::Io`].
    pub fn fetch(&self, cache_dir: Option<&Path>, observer: &Observer) -> Result<PathBuf, DataError> {
        let cache_dir = match cache_dir {
            Some(folder) => folder.to_owned(),
            None => default_cache_dir()?,
        };
        let target = cache_dir.join(&self.folder);
        if target.is_dir() {
            return Ok(target);
        }
        let io_error = |source| DataError::Io { path: cache_dir.clone(), source };
        create_folders(&cache_dir).map_err(io_error)?;
        let work = tempfile::Builder::new().prefix(".download-").tempdir_in(&cache_dir).map_err(io_error)?;

        let archive = work.path().join("archive.tar.gz");
        self.download(&archive, &target, observer)?;
        let unpacked = work.path().join("unpacked");
        self.unpack(&archive, &unpacked, observer)?;
        match move_folder(&unpacked.join(&self.folder), &target) {
            // Another process may have been quicker; its copy passed the same checks.
            Err(source) if !target.is_dir() => Err(DataError::Io { path: target, source }),
            _ => Ok(target),
        }
    }

    fn download(&self, to: &Path, target: &Path, observer: &Observer) -> Result<(), DataError> {
        let failed =
            |reason: String| DataError::Download { url: self.url.clone(), reason, folder: target.to_owned() };
        let io_error = |source| DataError::Io { path: to.to_owned(), source };
        let response = self.agent().get(&self.url).call().map_err(|error| failed(error.to_string()))?;
        let mut body = response.into_body();
        let total = body.content_length();
        let mut reader = body.as_reader();
        let mut file = File::create(to).map_err(io_error)?;
        let mut digest = Sha256::new();
        let mut done = 0;
        let mut buffer = vec![0; 1 << 16];
        observer.tell(Stage::Download, done, total);
        loop {
            let count = reader.read(&mut buffer).map_err(|error| failed(error.to_string()))?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(io_error)?;
            digest.update(&buffer[..count]);
            done += count as u64;
            observer.tell(Stage::Download, done, total);
        }
        if let Some(total) = total
            && total != done
        {
            return Err(failed(format!("the connection ended after {done} of {total} bytes")));
        }
        let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = self.sha256.to_ascii_lowercase();
        if found == expected {
            Ok(())
        } else {
            Err(DataError::Checksum { url: self.url.clone(), expected, found })
        }
    }

    fn unpack(&self, archive: &Path, to: &Path, observer: &Observer) -> Result<(), DataError> {
        let failed = |reason: String| DataError::Unpack { url: self.url.clone(), reason };
        let text = |error: std::io::Error| failed(error.to_string());
        let file = File::open(archive).map_err(text)?;
        let total = file.metadata().map_err(text)?.len();
        let counted = Counted { inner: BufReader::new(file), total, observer };
        let mut entries = tar::Archive::new(flate2::read::GzDecoder::new(counted));
        // Only plain files count: no link can then lead out of the folder.
        for entry in entries.entries().map_err(text)? {
            let mut entry = entry.map_err(text)?;
            let path = entry.path().map_err(text)?.into_owned();
            let inside = path
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
            if !entry.header().entry_type().is_file() || !inside {
                continue;
            }
            let path = to.join(path);
            if let Some(parent) = path.parent() {
                create_folders(parent).map_err(text)?;
            }
            write_whole(&path, |file| std::io::copy(&mut entry, file).map(drop)).map_err(text)?;
        }
        if to.join(&self.folder).is_dir() {
            Ok(())
        } else {
            Err(failed(format!("it holds no folder {}", self.folder)))
        }
    }

    fn agent(&self) -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .timeout_per_read(Some(TIMEOUT));
        // A proxy is for the world outside.
        let local = ["http://127.0.0.1", "http://localhost"].iter().any(|home| self.url.starts_with(home));
        let config = if local { config.proxy(None) } else { config };
        config.build().into()
    }
}

fn default_cache_dir() -> Result<PathBuf, DataError> {
    match etcetera::choose_base_strategy() {
        Ok(strategy) => Ok(strategy.cache_dir().join("convscope")),
        Err(error) => Err(DataError::NoCache { reason: error.to_string() }),
    }
}

/// Tells how much of the archive has been read.
struct Counted<'a> {
    inner: BufReader<File>,
    total: u64,
    observer: &'a Observer,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let done = self.inner.stream_position()?;
        self.observer.tell(Stage::Unpack, done, Some(self.total));
        Ok(count)
    }
}
