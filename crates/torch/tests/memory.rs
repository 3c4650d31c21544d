//! Hostile files take memory in proportion to their size, whatever they claim.

use std::alloc::System;
use std::io::{Cursor, Write};

use convscope_torch::{TorchError, TorchFile};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WHOLE: &[u8] = include_bytes!("files/archive.pth");

/// Reads a file, and checks all that was allocated on the way.
fn read(what: &str, bytes: Vec<u8>) -> Result<TorchFile, TorchError> {
    let most = 64 * bytes.len() + (1 << 20);
    let region = Region::new(ALLOCATOR);
    let read = TorchFile::from_bytes(bytes);
    let allocated = region.change().bytes_allocated;
    assert!(allocated < most, "{what}: {allocated} bytes, at most {most}");
    read
}

/// The archive with this pickle; `others` are the names of empty files in it.
fn archive(pickle: &[u8], method: CompressionMethod, others: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    writer.start_file("a/data.pkl", options).unwrap();
    writer.write_all(pickle).unwrap();
    for other in 0..others {
        writer.start_file(format!("a/data/{other}"), SimpleFileOptions::default()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

// One test, because everything that the process allocates is counted.
#[test]
fn memory_stays_in_proportion_to_the_file() {
    assert_eq!(read("whole", WHOLE.to_vec()).unwrap().names().count(), 20);

    // The count of entries is at 8 and 10 of the record at the end.
    let end = WHOLE.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").unwrap();
    let mut many = WHOLE.to_vec();
    many[end + 8..end + 12].fill(0xff);
    many[end + 8] = 0xfe;
    many[end + 10] = 0xfe;
    assert!(matches!(read("65,534 entries", many).unwrap_err(), TorchError::Archive(_)));

    // The same in the 64-bit record, which the other one refers to with all bits set.
    let place = u32::from_le_bytes(*WHOLE[end + 16..].first_chunk().unwrap());
    let size = u32::from_le_bytes(*WHOLE[end + 12..].first_chunk().unwrap());
    let start = (place + size) as u64;
    let mut wide = WHOLE[..start as usize].to_vec();
    wide.extend([b"PK\x06\x06".as_slice(), &44u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8]].concat());
    wide.extend([u64::from(1u32 << 31) << 16; 2].map(u64::to_le_bytes).concat());
    wide.extend([u64::from(size), u64::from(place)].map(u64::to_le_bytes).concat());
    wide.extend([b"PK\x06\x07".as_slice(), &[0; 4], &start.to_le_bytes(), &[1, 0, 0, 0]].concat());
    wide.extend([b"PK\x05\x06".as_slice(), &[0; 4], &[0xff; 12], &[0; 2]].concat());
    assert!(matches!(read("2^47 entries", wide).unwrap_err(), TorchError::Archive(_)));

    let crowded = archive(b"\x80\x02}.", CompressionMethod::Stored, 20_000);
    assert!(matches!(read("20,000 entries", crowded).unwrap_err(), TorchError::NoArrays(_)));

    // Sixteen million bytes that are a thousand times smaller in the file.
    let bomb = archive(&vec![b'0'; 1 << 24], CompressionMethod::Deflated, 0);
    assert!(bomb.len() < 1 << 15);
    assert!(matches!(read("bomb", bomb).unwrap_err(), TorchError::Compressed(name) if name == "a/data.pkl"));

    for part in 0..64 {
        assert!(read("truncated", WHOLE[..WHOLE.len() * part / 64].to_vec()).is_err(), "{part}");
    }
}
