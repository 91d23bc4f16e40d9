//! Readings of the machine. A value that cannot be read comes with the reason.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// A value, or why it cannot be read.
pub(super) type Reading<T> = Result<T, String>;

/// The settings of the kernel that are read.
const SYSCTLS: [&str; 20] = [
    "fs.epoll.max_user_watches",
    "fs.file-max",
    "fs.nr_open",
    "kernel.osrelease",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
    "net.ipv4.udp_mem",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
];

/// A limit of open files; `None` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileLimit {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// The limits of the control group; `None` for none.
#[derive(Debug, Clone)]
pub(super) struct Cgroup {
    pub(super) memory_bytes: Reading<Option<u64>>,
    /// The number of cores.
    pub(super) cpus: Reading<Option<f64>>,
    pub(super) tasks: Reading<Option<u64>>,
}

/// The readings of a machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) open_files: FileLimit,
    /// The settings of the kernel by name.
    pub(super) sysctls: BTreeMap<String, Reading<String>>,
    pub(super) page_bytes: u64,
    pub(super) memory_bytes: Reading<u64>,
    pub(super) cores: Reading<u64>,
    pub(super) cgroup: Cgroup,
    /// The chosen mode of transparent huge pages.
    pub(super) huge_pages: Reading<String>,
    pub(super) clock_source: Reading<String>,
    /// The service that keeps the clock right.
    pub(super) clock_service: Reading<String>,
}

impl Machine {
    /// Reads this machine. `root` is `/`, or a copy of parts of it for tests.
    pub(super) fn read(root: &Path) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let sysctls = SYSCTLS.iter().map(|name| {
            let path = format!("proc/sys/{}", name.replace('.', "/"));
            ((*name).to_owned(), line(&root.join(path)))
        });
        let memory = text(&root.join("proc/meminfo"));
        let amount = |name: &str| memory.clone().and_then(|text| amount(&text, name));
        Self {
            open_files: FileLimit {
                soft: limit.current,
                hard: limit.maximum,
            },
            sysctls: sysctls.collect(),
            page_bytes: rustix::param::page_size() as u64,
            memory_bytes: amount("MemTotal"),
            cores: std::thread::available_parallelism()
                .map(|cores| cores.get() as u64)
                .map_err(|why| why.to_string()),
            cgroup: Cgroup::read(root),
            huge_pages: text(&root.join("sys/kernel/mm/transparent_hugepage/enabled"))
                .and_then(|text| chosen(&text)),
            clock_source: line(
                &root.join("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            ),
            clock_service: clock_service(root),
        }
    }

    /// A setting of the kernel.
    pub(super) fn sysctl(&self, name: &str) -> Reading<&str> {
        match self.sysctls.get(name) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(why.clone()),
            None => Err("it is not read".to_owned()),
        }
    }

    /// A setting of the kernel that is a number.
    pub(super) fn number(&self, name: &str) -> Reading<u64> {
        self.sysctl(name).and_then(number)
    }

    /// A setting of the kernel that is a list of numbers.
    pub(super) fn numbers(&self, name: &str) -> Reading<Vec<u64>> {
        self.sysctl(name)?.split_whitespace().map(number).collect()
    }

    /// The memory that a process here may use.
    pub(super) fn usable_bytes(&self) -> Reading<u64> {
        let machine = self.memory_bytes.clone()?;
        match &self.cgroup.memory_bytes {
            Ok(Some(limit)) => Ok(machine.min(*limit)),
            Ok(None) | Err(_) => Ok(machine),
        }
    }
}

impl Cgroup {
    /// Reads the group of this process, and those above it. The lowest limit counts.
    fn read(root: &Path) -> Self {
        let folders = text(&root.join("proc/self/cgroup")).and_then(|text| folders(&text));
        let folders = folders.map(|folders| {
            let base = root.join("sys/fs/cgroup");
            let paths = folders.iter().map(|folder| base.join(folder));
            paths.collect::<Vec<_>>()
        });
        let lowest = |file: &str, parse: fn(&str) -> Reading<Option<f64>>| {
            let mut lowest = None;
            for folder in folders.clone()? {
                // The root group has no such files.
                let Ok(text) = std::fs::read_to_string(folder.join(file)) else {
                    continue;
                };
                let Some(limit) = parse(text.trim())? else {
                    continue;
                };
                lowest = Some(lowest.map_or(limit, |other: f64| other.min(limit)));
            }
            Ok::<_, String>(lowest)
        };
        let whole = |limit: Option<f64>| limit.map(|limit| limit as u64);
        Self {
            memory_bytes: lowest("memory.max", limit).map(whole),
            cpus: lowest("cpu.max", share),
            tasks: lowest("pids.max", limit).map(whole),
        }
    }
}

/// The folders of a group of version 2 and of those above it, below the mount.
fn folders(text: &str) -> Reading<Vec<PathBuf>> {
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = own.ok_or_else(|| "control groups of version 1 are not read".to_owned())?;
    Ok(Path::new(own).ancestors().map(Path::to_owned).collect())
}

/// A limit of a group: a number, or `max`.
fn limit(text: &str) -> Reading<Option<f64>> {
    match text {
        "max" => Ok(None),
        text => number(text).map(|number| Some(number as f64)),
    }
}

/// A number of cores: a quota and its period, in microseconds.
fn share(text: &str) -> Reading<Option<f64>> {
    let (quota, period) = text.split_once(' ').unwrap_or((text, "100000"));
    let period = number(period)?.max(1) as f64;
    Ok(limit(quota)?.map(|quota| quota / period))
}

fn number(text: &str) -> Reading<u64> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn text(path: &Path) -> Reading<String> {
    std::fs::read_to_string(path).map_err(|why| unreadable(path, &why))
}

/// The first line of a file.
fn line(path: &Path) -> Reading<String> {
    let text = text(path)?;
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn unreadable(path: &Path, why: &io::Error) -> String {
    let path = path.display();
    match why.kind() {
        ErrorKind::NotFound => format!("there is no {path}"),
        ErrorKind::PermissionDenied => format!("{path} is only for root"),
        _ => format!("{path} cannot be read: {why}"),
    }
}

/// An amount of `/proc/meminfo` in bytes.
fn amount(text: &str, name: &str) -> Reading<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = value.and_then(|value| value.split_whitespace().next());
    let kib = kib.ok_or_else(|| format!("/proc/meminfo has no {name}"))?;
    number(kib).map(|kib| kib * 1024)
}

/// The choice in brackets.
fn chosen(text: &str) -> Reading<String> {
    let (_, rest) = text.split_once('[').unwrap_or_default();
    let (chosen, _) = rest.split_once(']').unwrap_or_default();
    if chosen.is_empty() {
        return Err(format!("{:?} names no choice", text.trim()));
    }
    Ok(chosen.to_owned())
}

/// The service that keeps the clock right, as far as its files show that it runs.
fn clock_service(root: &Path) -> Reading<String> {
    for (file, name) in [
        ("run/systemd/timesync/synchronized", "systemd-timesyncd"),
        ("run/chrony/chronyd.pid", "chrony"),
        ("run/chronyd.pid", "chrony"),
        ("run/ntpd.pid", "ntpd"),
        ("var/run/ntpd.pid", "ntpd"),
    ] {
        if root.join(file).exists() {
            return Ok(name.to_owned());
        }
    }
    Err("no file of systemd-timesyncd, chrony or ntpd shows that one runs here; in a container the host keeps the clock"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_all_groups_counts() {
        let root = std::env::temp_dir().join(format!("grandstand-doctor-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "0::/pods/one\n");
        write("sys/fs/cgroup/pods/memory.max", "1073741824\n");
        write("sys/fs/cgroup/pods/one/memory.max", "max\n");
        write("sys/fs/cgroup/pods/one/cpu.max", "150000 100000\n");
        write("proc/sys/net/core/somaxconn", "4096\n");
        write("proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n");
        write("proc/meminfo", "MemTotal:       4194304 kB\n");
        write(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never\n",
        );
        let machine = Machine::read(&root);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(machine.cgroup.memory_bytes, Ok(Some(1 << 30)));
        assert_eq!(machine.cgroup.cpus, Ok(Some(1.5)));
        assert_eq!(machine.cgroup.tasks, Ok(None));
        assert_eq!(machine.usable_bytes(), Ok(1 << 30));
        assert_eq!(machine.number("net.core.somaxconn"), Ok(4096));
        assert_eq!(machine.numbers("net.ipv4.tcp_mem"), Ok(vec![1, 2, 3]));
        assert_eq!(machine.huge_pages.as_deref(), Ok("madvise"));
        let missing = machine.number("fs.nr_open").unwrap_err();
        assert!(missing.contains("fs/nr_open"), "{missing}");
        assert!(machine.clock_source.is_err());
    }

    #[test]
    fn an_older_kind_of_groups_is_said_to_be_unread() {
        assert!(folders("4:memory:/x\n").unwrap_err().contains("version 1"));
        let all = folders("0::/a/b\n").unwrap();
        assert_eq!(all, ["a/b", "a", ""].map(PathBuf::from));
    }
}
