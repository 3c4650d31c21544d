//! Downloads an archive and unpacks it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use convscope_files::{create_folders, move_folder, write_whole};
use sha2::{Digest, Sha256};

use super::Archive;
use crate::{DataError, ProgressListener, Stage};

/// A download fails if no data arrives for this long.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Archive {
    /// Downloads and unpacks it.
    pub(super) fn fetch_into(
        &self,
        cache_dir: &Path,
        target: PathBuf,
        listener: &ProgressListener,
    ) -> Result<PathBuf, DataError> {
        let io_error = |source| DataError::Io { path: cache_dir.to_owned(), source };
        create_folders(cache_dir).map_err(io_error)?;
        let work = tempfile::Builder::new().prefix(".download-").tempdir_in(cache_dir).map_err(io_error)?;

        let archive = work.path().join("archive.tar.gz");
        download(self, &archive, &target, listener)?;
        let unpacked = work.path().join("unpacked");
        unpack(self, &archive, &unpacked, listener)?;
        match move_folder(&unpacked.join(&self.folder), &target) {
            // Another process may have been faster; its copy passed the same checks.
            Err(source) if !target.is_dir() => Err(DataError::Io { path: target, source }),
            _ => Ok(target),
        }
    }
}

fn download(
    archive: &Archive,
    to: &Path,
    target: &Path,
    listener: &ProgressListener,
) -> Result<(), DataError> {
    let failed =
        |reason: String| DataError::Download { url: archive.url.clone(), reason, folder: target.to_owned() };
    let io_error = |source| DataError::Io { path: to.to_owned(), source };
    let response = agent(archive).get(&archive.url).call().map_err(|error| failed(error.to_string()))?;
    let mut body = response.into_body();
    let total = body.content_length();
    let mut reader = body.as_reader();
    let mut file = File::create(to).map_err(io_error)?;
    let mut digest = Sha256::new();
    let mut done = 0;
    let mut buffer = vec![0; 1 << 16];
    listener.tell(Stage::Download, done, total);
    loop {
        let count = reader.read(&mut buffer).map_err(|error| failed(error.to_string()))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(io_error)?;
        digest.update(&buffer[..count]);
        done += count as u64;
        listener.tell(Stage::Download, done, total);
    }
    if let Some(total) = total
        && total != done
    {
        return Err(failed(format!("the connection ended after {done} of {total} bytes")));
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = archive.sha256.to_ascii_lowercase();
    if found == expected {
        Ok(())
    } else {
        Err(DataError::Checksum { url: archive.url.clone(), expected, found })
    }
}

fn unpack(
    published: &Archive,
    archive: &Path,
    to: &Path,
    listener: &ProgressListener,
) -> Result<(), DataError> {
    let failed = |reason: String| DataError::Unpack { url: published.url.clone(), reason };
    let text = |error: std::io::Error| failed(error.to_string());
    let file = File::open(archive).map_err(text)?;
    let total = file.metadata().map_err(text)?.len();
    let counted = Counted { inner: BufReader::new(file), total, listener };
    let mut entries = tar::Archive::new(flate2::read::GzDecoder::new(counted));
    // Only regular files are unpacked, so no link can lead out of the folder.
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
    if to.join(&published.folder).is_dir() {
        Ok(())
    } else {
        Err(failed(format!("it does not contain the folder {}", published.folder)))
    }
}

fn agent(archive: &Archive) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .timeout_per_read(Some(TIMEOUT));
    // A proxy is only for other hosts.
    let local = ["http://127.0.0.1", "http://localhost"].iter().any(|home| archive.url.starts_with(home));
    let config = if local { config.proxy(None) } else { config };
    config.build().into()
}

/// Reports how much of the archive has been read.
struct Counted<'a> {
    inner: BufReader<File>,
    total: u64,
    listener: &'a ProgressListener,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let done = self.inner.stream_position()?;
        self.listener.tell(Stage::Unpack, done, Some(self.total));
        Ok(count)
    }
}
