//! Fetching an archive from a local server: completely, or not at all.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use convscope_data::cifar::Archive;
use convscope_data::{DataError, ProgressListener, SourceOptions, Split, Stage, open};
use sha2::{Digest, Sha256};

const FOLDER: &str = "cifar-10-batches-bin";

/// A tiny CIFAR-10: one record per file.
fn archive_bytes() -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let files = (1..=5).map(|number| format!("data_batch_{number}.bin"));
    for (label, file) in files.chain(["test_batch.bin".to_owned()]).enumerate() {
        let mut record = vec![label as u8];
        // Noise, so that the archive is large enough to be truncated.
        record.extend((0..3072_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
        let mut header = tar::Header::new_gnu();
        header.set_size(record.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{FOLDER}/{file}"), record.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Answers one request with `answer`, then closes the connection.
fn serve(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
            request.push(byte[0]);
        }
        connection.write_all(&answer).unwrap();
    });
    format!("http://{address}/cifar.tar.gz")
}

fn ok_answer(body: &[u8], content_length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {content_length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn archive(url: String, body: &[u8]) -> Archive {
    let sha256 = Sha256::digest(body).iter().map(|byte| format!("{byte:02X}")).collect();
    Archive { url, sha256, folder: FOLDER.into() }
}

fn fetch_error(archive: &Archive, cache: &Path) -> String {
    let error = archive.fetch(Some(cache), &ProgressListener::default()).expect_err("the archive is refused");
    let left: Vec<_> = std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    error.to_string()
}

#[test]
fn a_sound_archive_is_fetched_once_and_opened() {
    let cache = tempfile::tempdir().unwrap();
    let body = archive_bytes();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let options = SourceOptions {
        cache_dir: Some(cache.path().join("deeper")),
        cifar10: archive(serve(ok_answer(&body, body.len())), &body),
        listener: ProgressListener::new(move |progress| record.lock().unwrap().push(progress)),
        ..SourceOptions::default()
    };
    let source = open("cifar10", &options).unwrap();
    assert_eq!(source.name(), "cifar10");
    assert_eq!(Split::ALL.map(|split| source.len(split)), [4, 1, 1]);
    assert_eq!(source.label(Split::Test, 0), 5);
    let seen = seen.lock().unwrap();
    for stage in [Stage::Download, Stage::Unpack] {
        let last = seen.iter().rfind(|progress| progress.stage == stage).unwrap();
        assert_eq!((last.done, last.total), (body.len() as u64, Some(body.len() as u64)));
    }
    // The server is gone; only the copy in the cache can answer now.
    drop(seen);
    assert_eq!(open("cifar10", &options).unwrap().len(Split::Train), 4);
    let names: Vec<_> = std::fs::read_dir(cache.path().join("deeper"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [FOLDER]);
}

#[test]
fn another_archive_than_expected_is_thrown_away() {
    let cache = tempfile::tempdir().unwrap();
    let body = archive_bytes();
    let wrong = archive(serve(ok_answer(&body, body.len())), b"something else");
    let text = fetch_error(&wrong, cache.path());
    assert!(text.contains("SHA-256") && text.contains(&wrong.sha256.to_lowercase()), "{text}");
}

#[test]
fn a_cut_connection_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let body = archive_bytes();
    let cut = archive(serve(ok_answer(&body[..body.len() / 2], body.len())), &body);
    let text = fetch_error(&cut, cache.path());
    assert!(text.contains("could not be fetched"), "{text}");
}

#[test]
fn a_server_without_the_file_and_no_server_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let body = archive_bytes();
    let not_found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let text = fetch_error(&archive(serve(not_found), &body), cache.path());
    assert!(text.contains("404"), "{text}");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = archive(format!("http://{free}/cifar.tar.gz"), &body);
    let text = fetch_error(&nobody, cache.path());
    let target = cache.path().join(FOLDER).display().to_string();
    assert!(text.contains(&target) && text.contains("/cifar.tar.gz"), "{text}");
}

#[test]
fn an_archive_without_the_folder_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let body = archive_bytes();
    let other = Archive { folder: "elsewhere".into(), ..archive(serve(ok_answer(&body, body.len())), &body) };
    assert!(fetch_error(&other, cache.path()).contains("elsewhere"));
    let noise = b"no archive at all".to_vec();
    let broken = archive(serve(ok_answer(&noise, noise.len())), &noise);
    assert!(fetch_error(&broken, cache.path()).contains("could not be unpacked"));
}

#[test]
fn a_cache_that_is_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let refused = Archive::cifar10().fetch(Some(&file.join("cache")), &ProgressListener::default());
    assert!(matches!(refused, Err(DataError::Io { .. })));
}
