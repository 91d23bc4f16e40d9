//! Which cores threads run on. What a thread starts runs where it does.

use std::io;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where servers run and where generators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// For servers; none: all.
    pub server: Option<usize>,
    /// For generators; none: all.
    pub client: Option<usize>,
}

impl Cores {
    /// All cores for everybody.
    pub const SHARED: Self = Self {
        server: None,
        client: None,
    };

    /// One for servers and another for generators, if there are two.
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

/// Lets this thread run on these cores only.
///
/// # Errors
/// If the system does not have them.
pub fn this_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// While it lives, this thread, and what it starts, runs on one core; then on all again.
#[derive(Debug)]
pub struct Pinned {
    before: Vec<usize>,
}

impl Pinned {
    /// `None` pins nothing.
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
        // It was so before, so it can be so again.
        this_thread(&self.before).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_and_let_go_again() {
        let before = all();
        {
            let _pinned = Pinned::to(before.last().copied()).unwrap();
            assert_eq!(all(), before[before.len() - 1..]);
        }
        assert_eq!(all(), before);
    }
}
