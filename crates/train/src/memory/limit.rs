//! How much memory this process may use.

use std::fs;
use std::path::Path;

/// The most memory that this process can have, in bytes: the machine's, or less if its control group (on Linux) has a
/// limit, as set by containers and batch systems. `None` on systems that do not report it.
pub fn memory_limit_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of_machine(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limits_of_groups(&groups, Path::new("/sys/fs/cgroup"));
    machine.into_iter().chain(limits).min()
}

fn total_of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limits of the groups that a process is in, and of those above them.
fn limits_of_groups(groups: &str, root: &Path) -> Vec<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        // `0::/path` in version 2, `5:memory:/path` in version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            "memory" => (root.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let below = Path::new(path.trim_start_matches('/'));
        for group in below.ancestors() {
            let limit = fs::read_to_string(folder.join(group).join(file)).ok();
            // Without a limit, version 2 says `max`, and version 1 a number larger than any machine's memory.
            limits.extend(limit.and_then(|text| text.trim().parse::<u64>().ok()));
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_in_bytes() {
        assert_eq!(total_of_machine("MemFree: 1 kB\nMemTotal:       16318432 kB\n"), Some(16_318_432 * 1024));
        assert_eq!(total_of_machine("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_limits_of_all_groups_above_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("job/memory.max", "3000000\n");
        write("job/step/memory.max", "max\n");
        write("memory/old/memory.limit_in_bytes", "5000000\n");
        let limits = limits_of_groups("12:cpu:/x\n5:memory:/old\n0::/job/step\n", root.path());
        assert_eq!(limits, [5_000_000, 3_000_000]);
        assert_eq!(limits_of_groups("0::/\n", root.path()), [0; 0]);
    }
}
