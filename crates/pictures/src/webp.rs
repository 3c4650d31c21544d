//! Checks the sizes that a WebP file claims before the decoder relies on them.
//!
//! Reference: <https://developers.google.com/speed/webp/docs/riff_container>

use crate::pixel_limit::{PixelLimit, TooLarge};

/// What is wrong with a WebP file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A chunk extends beyond the end of the file.
    Truncated,
    /// A frame is too large, whatever the size of the whole picture.
    TooLarge(TooLarge),
}

/// Checks that each chunk is inside the file, and that each lossy frame is within the limit: the decoder allocates the
/// sizes that they claim before it reads them.
pub(crate) fn check(bytes: &[u8], limit: PixelLimit) -> Result<(), Fault> {
    check_chunks(bytes.get(12..).unwrap_or_default(), limit)
}

/// Bytes before the chunks of a frame of an animation: its position, size, duration and flags.
const FRAME_HEADER: usize = 16;

fn check_chunks(mut rest: &[u8], limit: PixelLimit) -> Result<(), Fault> {
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, length @ ..] = *header;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let chunk = body.get(..length).ok_or(Fault::Truncated)?;
        match &[a, b, c, d] {
            b"VP8 " => check_lossy(chunk, limit)?,
            b"ANMF" => check_chunks(chunk.get(FRAME_HEADER..).unwrap_or_default(), limit)?,
            _ => {}
        }
        // Chunks begin at even offsets.
        rest = body.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    Ok(())
}

/// The size in a lossy frame's header: 14 bits each after three bytes of flags and three of signature.
fn check_lossy(chunk: &[u8], limit: PixelLimit) -> Result<(), Fault> {
    let Some(&[width_low, width_high, height_low, height_high]) = chunk.get(6..10) else { return Ok(()) };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    let (width, height) = (side(width_low, width_high), side(height_low, height_high));
    limit.check_size(width, height).map(|_| ()).map_err(Fault::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], length: u32, body: &[u8]) -> Vec<u8> {
        [&name[..], &length.to_le_bytes(), body].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP".to_vec(), chunks.concat()].concat()
    }

    #[test]
    fn chunks_must_lie_inside_the_file() {
        let limit = PixelLimit::default();
        let odd = chunk(b"ICCP", 3, &[1, 2, 3, 0]);
        assert_eq!(check(&file(&[odd.clone(), chunk(b"XMP ", 2, &[1, 2])]), limit), Ok(()));
        assert_eq!(check(&file(&[odd, chunk(b"EXIF", u32::MAX, &[1, 2])]), limit), Err(Fault::Truncated));
        assert_eq!(check(b"RIFF", limit), Ok(()));
    }

    #[test]
    fn lossy_frames_are_found_in_animations_too() {
        let lossy = chunk(b"VP8 ", 10, &[0, 0, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0xff]);
        let frame = chunk(b"ANMF", 34, &[&[0; FRAME_HEADER][..], &lossy].concat());
        for bytes in [file(&[lossy]), file(&[chunk(b"VP8X", 2, &[0, 0]), frame])] {
            assert_eq!(check(&bytes, PixelLimit::new(16383 * 16383).unwrap()), Ok(()));
            let fault = check(&bytes, PixelLimit::default());
            assert!(
                matches!(fault, Err(Fault::TooLarge(TooLarge::Pixels { width: 16383, .. }))),
                "{fault:?}"
            );
        }
    }
}
