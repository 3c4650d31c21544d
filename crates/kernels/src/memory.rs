//! Fallible allocation.

use std::alloc::{Layout, alloc_zeroed};

/// The system cannot provide this much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system cannot provide {} of memory", amount(*bytes))]
pub struct OutOfMemory {
    /// The requested size; [`usize::MAX`] stands for anything larger.
    pub bytes: usize,
}

/// A vector of `len` zeros, which the system provides without writing them. Unlike `vec![0.0; len]`, it does not abort
/// if that fails.
///
/// # Errors
/// [`OutOfMemory`].
///
/// ```
/// assert_eq!(convscope_kernels::memory::zeros(3)?, [0.0; 3]);
/// assert!(convscope_kernels::memory::zeros(usize::MAX).is_err());
/// # Ok::<(), convscope_kernels::memory::OutOfMemory>(())
/// ```
pub fn zeros(len: usize) -> Result<Vec<f32>, OutOfMemory> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let refused = OutOfMemory { bytes: len.saturating_mul(size_of::<f32>()) };
    let layout = Layout::array::<f32>(len).map_err(|_| refused)?;
    // SAFETY: the size is not zero.
    let start = unsafe { alloc_zeroed(layout) }.cast::<f32>();
    if start.is_null() {
        return Err(refused);
    }
    // SAFETY: the memory comes from the global allocator with the layout of `len` values, and zero bits are the number 0.
    Ok(unsafe { Vec::from_raw_parts(start, len, len) })
}

/// An empty vector with room for `len` values.
///
/// # Errors
/// [`OutOfMemory`].
pub fn room<T>(len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = Vec::new();
    let refused = |_| OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) };
    values.try_reserve_exact(len).map_err(refused)?;
    Ok(values)
}

/// A copy of the values.
///
/// # Errors
/// [`OutOfMemory`].
pub fn copy<T: Copy>(values: &[T]) -> Result<Vec<T>, OutOfMemory> {
    let mut copy = room(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

fn amount(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error_that_names_its_size() {
        for len in [1 << 50, usize::MAX / 4, usize::MAX] {
            let refused = OutOfMemory { bytes: len.saturating_mul(4) };
            assert_eq!(zeros(len), Err(refused));
            assert_eq!(room::<f32>(len), Err(refused));
        }
        assert_eq!(OutOfMemory { bytes: 2_999_999 }.to_string(), "the system cannot provide 2 MB of memory");
        assert_eq!(
            OutOfMemory { bytes: 999_999 }.to_string(),
            "the system cannot provide 999999 bytes of memory"
        );
    }

    #[test]
    fn zeros_and_copies_are_vectors_like_others() {
        let mut values = zeros(1000).unwrap();
        assert!(values.iter().all(|&value| value == 0.0));
        values.push(7.0);
        assert_eq!(copy(&values).unwrap(), values);
        assert!(zeros(0).unwrap().is_empty() && room::<u8>(0).unwrap().is_empty());
    }
}
