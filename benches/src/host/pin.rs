//! Cores of threads. Threads and processes inherit the core of the thread that starts them.

use std::io;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of servers and of generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// The core of the servers; `None` allows all.
    pub server: Option<usize>,
    /// The core of the generators; `None` allows all.
    pub client: Option<usize>,
}

impl Cores {
    /// All cores for servers and generators.
    pub const SHARED: Self = Self {
        server: None,
        client: None,
    };

    /// One core for servers and another for generators, if there are two.
    pub fn apart() -> Self {
        match all().as_slice() {
            [server, client, ..] => Self {
                server: Some(*server),
                client: Some(*client),
            },
            _ => Self::SHARED,
        }
    }
}

/// The cores that this process may use.
pub fn all() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|&core| set.is_set(core))
            .collect(),
        Err(_) => (0..available_parallelism().map_or(1, Into::into)).collect(),
    }
}

/// Pins this thread to these cores.
///
/// # Errors
/// If the system does not have them.
pub fn this_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Pins this thread, and everything that it starts, to one core until dropped.
#[derive(Debug)]
pub struct Pinned {
    before: Vec<usize>,
}

impl Pinned {
    /// Pins to a core; `None` pins to none.
    ///
    /// # Errors
    /// If the system does not have that core.
    pub fn to(core: Option<usize>) -> io::Result<Self> {
        let before = all();
        if let Some(core) = core {
            this_thread(&[core])?;
        }
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // These cores were allowed before, so this succeeds.
        this_thread(&self.before).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_until_the_guard_is_dropped() {
        let before = all();
        {
            let _pinned = Pinned::to(before.last().copied()).unwrap();
            assert_eq!(all(), before[before.len() - 1..]);
        }
        assert_eq!(all(), before);
    }
}
