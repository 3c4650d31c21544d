//! The elements of an array as bytes.

use crate::proto::DataType;

pub(crate) fn size_of(kind: DataType) -> Option<usize> {
    Some(match kind {
        DataType::Uint8 | DataType::Int8 | DataType::Bool => 1,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        DataType::Undefined | DataType::String => return None,
    })
}

pub(crate) fn decode_floats(kind: DataType, raw: &[u8], to: &mut [f32]) {
    fn each<const SIZE: usize>(raw: &[u8], to: &mut [f32], value: impl Fn([u8; SIZE]) -> f32) {
        let (numbers, _) = raw.as_chunks::<SIZE>();
        to.iter_mut().zip(numbers).for_each(|(to, bytes)| *to = value(*bytes));
    }
    match kind {
        DataType::Float => each(raw, to, f32::from_le_bytes),
        DataType::Double => each(raw, to, |bytes| f64::from_le_bytes(bytes) as f32),
        DataType::Float16 => each(raw, to, |bytes| half(u16::from_le_bytes(bytes))),
        DataType::Bfloat16 => {
            each(raw, to, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }
        _ => to.iter_mut().zip(decode_ints(kind, raw)).for_each(|(to, from)| *to = from as f32),
    }
}

pub(crate) fn decode_ints(kind: DataType, raw: &[u8]) -> Vec<i64> {
    fn each<const SIZE: usize>(raw: &[u8], value: impl Fn([u8; SIZE]) -> i64) -> Vec<i64> {
        raw.as_chunks::<SIZE>().0.iter().map(|bytes| value(*bytes)).collect()
    }
    match kind {
        DataType::Int8 => each(raw, |bytes| i64::from(i8::from_le_bytes(bytes))),
        DataType::Uint16 => each(raw, |bytes| i64::from(u16::from_le_bytes(bytes))),
        DataType::Int16 => each(raw, |bytes| i64::from(i16::from_le_bytes(bytes))),
        DataType::Int32 => each(raw, |bytes| i64::from(i32::from_le_bytes(bytes))),
        DataType::Uint32 => each(raw, |bytes| i64::from(u32::from_le_bytes(bytes))),
        DataType::Int64 => each(raw, i64::from_le_bytes),
        DataType::Uint64 => each(raw, |bytes| u64::from_le_bytes(bytes) as i64),
        _ => raw.iter().map(|&byte| i64::from(byte)).collect(),
    }
}

/// Half precision as single.
pub(crate) fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    };
    if sign == 1 { -size } else { size }
}
