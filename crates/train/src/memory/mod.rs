//! How much memory training needs, may use, and has used.

mod footprint;
mod limit;

pub use footprint::Footprint;
pub use limit::memory_limit_bytes;

/// The largest resident memory of this process so far, in bytes: `VmHWM` of `/proc/self/status` on Linux, `None` on
/// systems that report it only through foreign calls (macOS, Windows).
///
/// ```
/// let block = vec![1_u8; 8 << 20];
/// if let Some(peak) = convscope_train::memory::peak_memory_bytes() {
///     assert!(peak > block.len() as u64);
/// }
/// ```
pub fn peak_memory_bytes() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    parse_high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_water_mark_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t    2044 kB\nVmRSS:\t    1000 kB\n";
        assert_eq!(parse_high_water_mark(status), Some(2044 * 1024));
        assert_eq!(parse_high_water_mark("Name:\tx\n"), None);
    }
}
