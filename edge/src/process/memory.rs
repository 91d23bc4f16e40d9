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
    /// The control group with the lowest limit among those that the process is in.
    Cgroup {
        folder: PathBuf,
        /// The names of its files.
        files: &'static Files,
    },
    /// The machine.
    Machine,
}

/// The files of a version of control groups.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    limit: &'static str,
    used: &'static str,
    /// The key in `memory.stat` of the bytes that the kernel could drop from its cache, of the group and those below it.
    cached: &'static str,
}

/// Version 2 (cgroup-v2 of the kernel's documentation).
static V2: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    cached: "inactive_file",
};

/// Version 1 (cgroup-v1/memory).
static V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

/// Limits from this on are none: version 1 has a number near the end of 63 bits for no limit.
const UNLIMITED: u64 = 1 << 60;

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
        match fs::read_to_string("/proc/self/cgroup") {
            Ok(group) => Self::of_group(&group, Path::new("/sys/fs/cgroup")),
            Err(_) => Self::Machine,
        }
    }

    /// `group` is the text of `/proc/self/cgroup`. A process may be in groups of both versions.
    fn of_group(group: &str, root: &Path) -> Self {
        let second = group.lines().find_map(|line| line.strip_prefix("0::/"));
        let second = second.and_then(|path| lowest(root, path, &V2));
        let first = group.lines().find_map(path_in_v1);
        let first = first.and_then(|path| lowest(&root.join("memory"), path, &V1));
        match second
            .into_iter()
            .chain(first)
            .min_by_key(|(limit, ..)| *limit)
        {
            Some((_, folder, files)) => Self::Cgroup { folder, files },
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
            Self::Cgroup { folder, files } => {
                let used = number(&folder.join(files.used))?;
                let stat = fs::read_to_string(folder.join("memory.stat")).ok()?;
                let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
                let cached = lines.find(|(key, _)| *key == files.cached);
                let cached = cached.and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
                Some(Usage {
                    used: used.saturating_sub(cached),
                    limit: number(&folder.join(files.limit))?,
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

/// The path of a group of version 1 that has memory as a resource, without the slash at its start.
fn path_in_v1(line: &str) -> Option<&str> {
    let (resources, path) = line.split_once(':')?.1.split_once(':')?;
    let has_memory = resources.split(',').any(|resource| resource == "memory");
    path.strip_prefix('/').filter(|_| has_memory)
}

/// The lowest limit of the group at `path` and those above it, and whose it is. In a container the folder of the group
/// itself may not be visible, but that of the container is `root`.
fn lowest(
    root: &Path,
    path: &str,
    files: &'static Files,
) -> Option<(u64, PathBuf, &'static Files)> {
    let folder = root.join(path);
    let folders = folder.ancestors().take_while(|at| at.starts_with(root));
    let limited = folders.filter_map(|at| Some((number(&at.join(files.limit))?, at)));
    let limited = limited.filter(|(limit, _)| *limit < UNLIMITED).min();
    limited.map(|(limit, at)| (limit, at.to_owned(), files))
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

    /// Writes the files of a group.
    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_group_with_the_lowest_limit_counts_and_cached_files_do_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (outer, inner) = (root.join("a"), root.join("a/b"));
        group(&inner, &[("memory.max", "max\n")]);
        let stat = ("memory.stat", "anon 700\ninactive_file 150\n");
        group(
            &outer,
            &[("memory.max", "1000\n"), ("memory.current", "900\n"), stat],
        );
        let memory = Memory::of_group("0::/a/b\n", root);
        let usage = memory.measure().unwrap();
        let (used, limit) = (750, 1000);
        assert_eq!(usage, Usage { used, limit });
        assert_eq!(usage.percent(), 75.0);
        group(&inner, &[("memory.max", "500\n")]);
        let memory = Memory::of_group("0::/a/b\n", root);
        let (folder, files) = (inner, &V2);
        assert_eq!(memory, Memory::Cgroup { folder, files });
        for without in ["", "0::/c\n", "7:memory:/a\n", "7:cpu:/a\n"] {
            assert_eq!(
                Memory::of_group(without, root),
                Memory::Machine,
                "{without}"
            );
        }
    }

    #[test]
    fn groups_of_version_1_are_read_and_their_huge_limit_is_none() {
        let root = tempfile::tempdir().unwrap();
        let memory = root.path().join("memory");
        let none = ("memory.limit_in_bytes", "9223372036854771712\n");
        let stat = "inactive_file 1\ntotal_inactive_file 200\n";
        group(&memory, &[none]);
        let cgroup = "9:cpu,cpuacct:/x\n7:hugetlb,memory:/pods/one\n0::/\n";
        assert_eq!(Memory::of_group(cgroup, root.path()), Memory::Machine);
        // The folder of the container, as it is mounted inside of it.
        group(
            &memory,
            &[
                ("memory.limit_in_bytes", "4000\n"),
                ("memory.usage_in_bytes", "1200\n"),
                ("memory.stat", stat),
            ],
        );
        let usage = Memory::of_group(cgroup, root.path()).measure().unwrap();
        let (used, limit) = (1000, 4000);
        assert_eq!(usage, Usage { used, limit });
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
