//! CPU time and memory of processes, read from `/proc`.

use std::fs;
use std::io;
use std::ops::Sub;

use serde::{Deserialize, Serialize};

/// CPU time and memory of a process, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU seconds of all threads, in user and kernel mode.
    pub cpu_s: f64,
    /// Resident bytes, with a proportional share of shared pages (Pss).
    pub memory: u64,
}

impl Usage {
    /// Reads the usage of a running process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn read(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = ticks(&stat).ok_or_else(|| unreadable("stat"))?;
        Ok(Self {
            cpu_s: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            memory: memory(pid)?,
        })
    }

    /// Sums the usage of several processes.
    ///
    /// # Errors
    /// If one does not run.
    pub fn read_all(pids: &[u32]) -> io::Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, &pid| {
            let one = Self::read(pid)?;
            Ok(Self {
                cpu_s: sum.cpu_s + one.cpu_s,
                memory: sum.memory + one.memory,
            })
        })
    }
}

impl Sub for Usage {
    type Output = Self;

    /// The usage between two readings. Memory that was released counts as zero.
    fn sub(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            memory: self.memory.saturating_sub(before.memory),
        }
    }
}

/// Returns the program of a process.
///
/// # Errors
/// If it does not run.
pub fn program(pid: u32) -> io::Result<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe"))
}

fn memory(pid: u32) -> io::Result<u64> {
    let kib = match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => field(&text, "Pss:"),
        Err(_) => field(
            &fs::read_to_string(format!("/proc/{pid}/status"))?,
            "VmRSS:",
        ),
    };
    Ok(kib.ok_or_else(|| unreadable("smaps_rollup"))? * 1024)
}

fn unreadable(file: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc/…/{file} has an unknown format"),
    )
}

/// Returns utime plus stime, fields 14 and 15. Field 2 is the name in brackets, which may contain spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Returns the number after a name at the beginning of a line.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_after_any_process_name() {
        let stat = "123 (a) b (c) S 1 2 3 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 1 2 3";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("123 (cut) S 1"), None);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "Rss:    900 kB\nPss:    412 kB\nPss_Anon: 1 kB\n";
        assert_eq!(field(text, "Pss:"), Some(412));
        assert_eq!(field(text, "Swap:"), None);
    }

    #[test]
    fn this_process_uses_cpu_time_and_memory() {
        let own = std::process::id();
        let before = Usage::read(own).unwrap();
        assert!(before.memory > 100_000, "{before:?}");
        assert!(before.cpu_s >= 0.0);
        let twice = Usage::read_all(&[own, own]).unwrap();
        assert!(twice.memory > before.memory);
        assert!(Usage::read(u32::MAX).is_err());
        assert_eq!(program(own).unwrap(), std::env::current_exe().unwrap());
    }
}
