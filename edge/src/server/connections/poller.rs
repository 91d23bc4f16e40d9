//! Readiness events of a shard's sockets.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::conn::key::ConnKey;

/// A readiness event of one connection's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The connection. It may be gone.
    pub(crate) key: ConnKey,
    /// The socket accepts bytes.
    pub(crate) writable: bool,
    /// The client has shut down its direction: the end of the stream may follow without another event.
    pub(crate) ended: bool,
}

/// A poll of its own, registered with the runtime's.
///
/// Events are edge-triggered: each change is reported once.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: AsyncFd<Poll>,
    events: Events,
}

impl Poller {
    /// The most events that one poll returns.
    pub(crate) const MAX_EVENTS: usize = 256;

    /// Registers the poll with the running runtime.
    ///
    /// # Errors
    /// If the runtime cannot register it.
    #[expect(unsafe_code, reason = "`AsyncFd` has no safe way to register a `Poll`")]
    pub(crate) fn new(poll: Poll) -> io::Result<Self> {
        // SAFETY: the `Poll` owns its descriptor, which stays open and unchanged as long as the `Poll` lives. The `Poll`
        // lives in the `AsyncFd`, from which nothing here removes or replaces it.
        let poll = unsafe { AsyncFd::register_with_interest(poll, Interest::READABLE) }?;
        Ok(Self {
            poll,
            events: Events::with_capacity(Self::MAX_EVENTS),
        })
    }

    /// Waits for events. Dropping the future loses none.
    ///
    /// # Errors
    /// If the runtime shuts down or the kernel's poll fails.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        loop {
            let mut guard = self.poll.readable_mut().await?;
            poll_now(guard.get_inner_mut(), &mut self.events)?;
            let count = self.events.iter().count();
            if count < Self::MAX_EVENTS {
                // All events are taken, so the runtime reports the next one.
                guard.clear_ready();
            }
            if count > 0 {
                return Ok(());
            }
        }
    }

    /// Polls for events without waiting.
    ///
    /// # Errors
    /// If the kernel's poll fails.
    pub(crate) fn poll_now(&mut self) -> io::Result<()> {
        poll_now(self.poll.get_mut(), &mut self.events)
    }

    /// Drops the events of the last poll.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }

    /// The events of the last poll.
    pub(crate) fn events(&self) -> impl Iterator<Item = Readiness> + '_ {
        self.events.iter().map(|event| Readiness {
            key: ConnKey::from_bits(event.token().0 as u64),
            writable: event.is_writable() || event.is_error(),
            ended: event.is_read_closed(),
        })
    }
}

fn poll_now(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, Some(Duration::ZERO)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}
