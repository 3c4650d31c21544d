//! Memory whose vectors do not straddle cache lines.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use crate::memory::{self, OutOfMemory};

/// A slice of `f32` that starts on a cache line, so that vectors at multiples of their length never cross one.
///
/// ```
/// let mut buffer = convscope_kernels::Buffer::zeros(3)?;
/// buffer[2] = 5.0;
/// assert_eq!(buffer[..], [0.0, 0.0, 5.0]);
/// assert_eq!(buffer.as_ptr() as usize % 64, 0);
/// # Ok::<(), convscope_kernels::memory::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<f32>,
    len: usize,
    /// Keeps the memory alive; `None` if the buffer is empty.
    _region: Option<Arc<Region>>,
}

/// The memory of some buffers, accessed only through them.
#[derive(Debug)]
struct Region {
    _values: Vec<f32>,
}

/// Bytes of a cache line.
const LINE: usize = 64;
const LINE_VALUES: usize = LINE / size_of::<f32>();
/// Values of a huge page.
const HUGE_PAGE_VALUES: usize = (2 << 20) / size_of::<f32>();
/// More values than any machine has room for; adding a few pages still does not overflow.
const LARGEST: usize = usize::MAX / 16;

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn zeros(len: usize) -> Result<Buffer, OutOfMemory> {
        Ok(Buffer::zeros_together([len])?.pop().unwrap_or_default())
    }

    /// Buffers of the given numbers of zeros, next to each other. The system provides memory when a thread first writes
    /// to it, and on Linux it provides huge pages many times faster than small ones; a single buffer rarely fills one.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    ///
    /// ```
    /// let buffers = convscope_kernels::Buffer::zeros_together([3, 0, 20])?;
    /// assert_eq!(buffers.iter().map(|buffer| buffer.len()).collect::<Vec<_>>(), [3, 0, 20]);
    /// # Ok::<(), convscope_kernels::memory::OutOfMemory>(())
    /// ```
    pub fn zeros_together(lens: impl IntoIterator<Item = usize>) -> Result<Vec<Buffer>, OutOfMemory> {
        let lens: Vec<usize> = lens.into_iter().collect();
        let total = lens.iter().try_fold(0, |total: usize, len| {
            total.checked_add(len.checked_next_multiple_of(LINE_VALUES)?).filter(|&total| total <= LARGEST)
        });
        let total = total.ok_or(OutOfMemory { bytes: usize::MAX })?;
        // Half a huge page or more is worth a whole one.
        let huge = (total + HUGE_PAGE_VALUES / 2) / HUGE_PAGE_VALUES * HUGE_PAGE_VALUES;
        let align = if huge == 0 { LINE_VALUES } else { HUGE_PAGE_VALUES };
        // Unlike aligned memory, a vector of zeros needs no writing, so the excess is never touched.
        let mut values = memory::zeros(total.max(huge) + align)?;
        let skipped = values.as_ptr().align_offset(align * size_of::<f32>()).min(align);
        let rest = &mut values[skipped..];
        ask_for_huge_pages(&mut rest[..huge]);
        let mut rest = &mut rest[..total];
        let mut parts = Vec::with_capacity(lens.len());
        for len in lens {
            let (part, after) = rest.split_at_mut(len.next_multiple_of(LINE_VALUES));
            parts.push((NonNull::from(part).cast::<f32>(), len));
            rest = after;
        }
        let region = Arc::new(Region { _values: values });
        let buffer = |(start, len)| Buffer { start, len, _region: Some(Arc::clone(&region)) };
        Ok(parts.into_iter().map(buffer).collect())
    }
}

// SAFETY: only the buffer accesses its part of the region, which consists of numbers.
unsafe impl Send for Buffer {}
// SAFETY: as above; a shared buffer is only read.
unsafe impl Sync for Buffer {}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { start: NonNull::dangling(), len: 0, _region: None }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` values from `start` on are in the region, which lives as long, and belong to this buffer alone.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Requests huge pages. If they are switched off, nothing changes.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(pages: &mut [f32]) {
    if !pages.is_empty() {
        // SAFETY: these are whole pages of one vector, and the advice does not change their contents.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), size_of_val(pages), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_: &mut [f32]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_has_a_place_of_its_own_on_a_cache_line() {
        for lens in [[0, 1, 15, 16, 17], [100_003, 3, 0, 900_001, 40]] {
            let mut buffers = Buffer::zeros_together(lens).unwrap();
            assert!(buffers.iter().flat_map(|buffer| buffer.iter()).all(|&value| value == 0.0));
            for (number, buffer) in (1_u8..).zip(&mut buffers) {
                buffer.fill(f32::from(number));
            }
            for ((number, buffer), len) in (1_u8..).zip(&buffers).zip(lens) {
                assert_eq!(buffer[..], vec![f32::from(number); len]);
                assert!(buffer.as_ptr().addr().is_multiple_of(LINE), "{len}");
            }
            // Each buffer keeps the shared region alive.
            let last = buffers.pop().unwrap();
            drop(buffers);
            assert_eq!(last[..], vec![5.0; lens[4]]);
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        for lens in [[1, 1 << 50], [usize::MAX, 1], [usize::MAX / 2, usize::MAX / 2], [usize::MAX / 4, 3]] {
            assert!(Buffer::zeros_together(lens).is_err(), "{lens:?}");
        }
    }
}
