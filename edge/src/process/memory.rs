//! The memory that the edge may use, and what is used of it.

use std::fs;
use std::path::{Path, PathBuf};

/// The source of the measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Memory {
    /// The process alone, against a limit of the configuration.
    Process {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The control group (version 2) with the lowest limit among those that the process is in.
    Cgroup {
        /// Its folder.
        folder: PathBuf,
    },
    /// The machine.
    Machine,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// The bytes in use. Files that the kernel could drop from its cache do not count.
    pub(super) used: u64,
    /// The bytes that may be used.
    pub(super) limit: u64,
}

impl Usage {
    /// The share in use, percent.
    pub(super) fn percent(self) -> f64 {
        self.used as f64 * 100.0 / self.limit.max(1) as f64
    }
}

impl Memory {
    /// The memory that counts for this process. `limit` is that of the configuration, in bytes; 0 for none.
    pub(super) fn of_this_process(limit: u64) -> Self {
        if limit > 0 {
            return Self::Process { limit };
        }
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of_group(&group, Path::new("/sys/fs/cgroup"))
    }

    /// `group` is the text of `/proc/self/cgroup`.
    fn of_group(group: &str, root: &Path) -> Self {
        let path = group.lines().find_map(|line| line.strip_prefix("0::/"));
        let Some(path) = path else {
            return Self::Machine;
        };
        let folder = root.join(path);
        let folders = folder.ancestors().take_while(|at| at.starts_with(root));
        let limited = folders.filter_map(|at| Some((number(&at.join("memory.max"))?, at)));
        match limited.min() {
            Some((_, folder)) => Self::Cgroup {
                folder: folder.to_owned(),
            },
            None => Self::Machine,
        }
    }

    /// Measures. `None` if the kernel does not tell.
    pub(super) fn measure(&self) -> Option<Usage> {
        match self {
            Self::Process { limit } => Some(Usage {
                used: kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")?,
                limit: *limit,
            }),
            Self::Cgroup { folder } => {
                let used = number(&folder.join("memory.current"))?;
                let stat = fs::read_to_string(folder.join("memory.stat")).ok()?;
                let cached = stat.lines().find_map(|l| l.strip_prefix("inactive_file "));
                let cached = cached.and_then(|text| text.parse().ok()).unwrap_or(0);
                Some(Usage {
                    used: used.saturating_sub(cached),
                    limit: number(&folder.join("memory.max"))?,
                })
            }
            Self::Machine => {
                let text = fs::read_to_string("/proc/meminfo").ok()?;
                let limit = kib(&text, "MemTotal:")?;
                let free = kib(&text, "MemAvailable:")?;
                Some(Usage {
                    used: limit.saturating_sub(free),
                    limit,
                })
            }
        }
    }
}

/// A file's number; `None` for `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value of a line that is in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let value = value.trim().strip_suffix("kB")?.trim();
    Some(value.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_with_the_lowest_limit_counts_and_cached_files_do_not() {
        let name = format!("grandstand-cgroup-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let (outer, inner) = (root.join("a"), root.join("a/b"));
        fs::create_dir_all(&inner).unwrap();
        for (folder, max) in [(&outer, "1000\n"), (&inner, "max\n")] {
            fs::write(folder.join("memory.max"), max).unwrap();
        }
        fs::write(outer.join("memory.current"), "900\n").unwrap();
        fs::write(outer.join("memory.stat"), "anon 700\ninactive_file 150\n").unwrap();
        let memory = Memory::of_group("0::/a/b\n", &root);
        let usage = memory.measure().unwrap();
        assert_eq!(
            usage,
            Usage {
                used: 750,
                limit: 1000
            }
        );
        assert_eq!(usage.percent(), 75.0);
        fs::write(inner.join("memory.max"), "500\n").unwrap();
        let memory = Memory::of_group("0::/a/b\n", &root);
        assert_eq!(
            memory,
            Memory::Cgroup {
                folder: inner.clone()
            }
        );
        for without in ["", "0::/c\n", "7:memory:/a\n"] {
            assert_eq!(
                Memory::of_group(without, &root),
                Memory::Machine,
                "{without}"
            );
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn this_process_and_this_machine_are_measured() {
        for memory in [Memory::Process { limit: 1 << 40 }, Memory::Machine] {
            let usage = memory.measure().unwrap();
            assert!(
                usage.used > 1 << 20 && usage.used < usage.limit,
                "{usage:?}"
            );
        }
    }
}
