//! A timer with microsecond resolution. The timeout of epoll has milliseconds only.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A timerfd.
#[derive(Debug)]
pub(super) struct Timer {
    file: OwnedFd,
    set_ns: u64,
}

impl Timer {
    /// Creates a timer that is not set.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let file = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        registry.register(&mut SourceFd(&file.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { file, set_ns: 0 })
    }

    /// Wakes the loop at this time of [`now_ns`](super::clock::now_ns).
    pub(super) fn set(&mut self, at_ns: u64) -> io::Result<()> {
        if self.set_ns == at_ns {
            return Ok(());
        }
        self.set_ns = at_ns;
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Timespec {
            tv_sec: (at_ns / 1_000_000_000) as i64,
            tv_nsec: (at_ns % 1_000_000_000) as _,
        };
        let spec = Itimerspec {
            it_interval: never,
            it_value: value,
        };
        timerfd_settime(&self.file, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }
}
