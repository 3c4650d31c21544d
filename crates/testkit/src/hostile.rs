//! Small files that claim far more than they contain.

/// A PNG file of this size without a single pixel; `color` and `depth` are those of its header.
pub fn png(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, 0]);
    // An empty stream of zlib.
    let data = [0x78, 0x9c, 3, 0, 0, 0, 0, 1];
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &data), png_chunk(b"IEND", &[])];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

/// A chunk of a PNG file with its checksum.
pub fn png_chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&name[..], body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &named, &crc32(&named).to_be_bytes()].concat()
}

/// A baseline JPEG file of one grey channel of this size, whose picture data is empty.
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let [width, height] = [width, height].map(u16::to_be_bytes);
    let frame = [&[0xFF, 0xC0, 0, 11, 8][..], &height, &width, &[1, 1, 0x11, 0]].concat();
    let quantities = [&[0xFF, 0xDB, 0, 67, 0][..], &[1; 64]].concat();
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0];
    [&[0xFF, 0xD8][..], &quantities, &frame, &scan, &[0xFF, 0xD9]].concat()
}

/// An animated WebP file with a canvas of this size, and one lossy frame that claims to be `frame` pixels wide and
/// high.
pub fn webp(width: u32, height: u32, frame: u16) -> Vec<u8> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let side = frame.to_le_bytes();
    let lossy = [&[0x10, 0, 0, 0x9d, 1, 0x2a][..], &side, &side, &[0; 6]].concat();
    let place = [three(0), three(0), three(u32::from(frame) - 1), three(u32::from(frame) - 1)].concat();
    let animated = [&place[..], &three(100), &[0], &riff_chunk(b"VP8 ", &lossy)].concat();
    let extended = [&[0x02, 0, 0, 0][..], &three(width - 1), &three(height - 1)].concat();
    let chunks =
        [riff_chunk(b"VP8X", &extended), riff_chunk(b"ANIM", &[0; 6]), riff_chunk(b"ANMF", &animated)];
    riff_chunk(b"RIFF", &[&b"WEBP"[..], &chunks.concat()].concat())
}

/// A BMP file with 24 bits per pixel of this size, without any pixels.
pub fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut file = vec![0; 54];
    file[..2].copy_from_slice(b"BM");
    (file[10], file[14], file[26], file[28]) = (54, 40, 1, 24);
    file[18..22].copy_from_slice(&width.to_le_bytes());
    file[22..26].copy_from_slice(&height.to_le_bytes());
    file
}

/// A `.npy` file of float32 values with `shape` in its header, in Python syntax, followed by `values`.
pub fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 > 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).expect("the shape is short");
    let values = values.iter().flat_map(|value| value.to_le_bytes());
    [&b"\x93NUMPY\x01\x00"[..], &length.to_le_bytes(), header.as_bytes()]
        .concat()
        .into_iter()
        .chain(values)
        .collect()
}

/// A safetensors file with this header followed by these bytes.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{header}{}", " ".repeat(header.len().next_multiple_of(8) - header.len()));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn riff_chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let odd = &[0][..body.len() % 2];
    [&name[..], &(body.len() as u32).to_le_bytes(), body, odd].concat()
}

/// The checksum of PNG's chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_png() {
        assert_eq!(crc32(b"IEND"), 0xAE42_6082);
    }
}
