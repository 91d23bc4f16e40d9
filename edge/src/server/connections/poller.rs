//! The kernel's news of a shard's connections.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What the kernel says of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Its place.
    pub(crate) index: usize,
    /// Its socket takes bytes.
    pub(crate) writable: bool,
    /// The client has ended its direction: what is read may be followed by the end without further news.
    pub(crate) ended: bool,
}

/// A poll inside the runtime's own.
///
/// Readiness are edges: they come once for what has changed.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: AsyncFd<Poll>,
    events: Events,
}

impl Poller {
    /// The most connections of which one look brings news.
    pub(crate) const MOST: usize = 256;

    /// Watches the poll with the running runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch it.
    #[expect(unsafe_code, reason = "the only way to register a descriptor")]
    pub(crate) fn new(poll: Poll) -> io::Result<Self> {
        // SAFETY: the `Poll` owns its descriptor, which stays the same and open for as long as it lives, and it lives in
        // the `AsyncFd`: nothing here takes it out or puts another one in its place.
        let poll = unsafe { AsyncFd::register_with_interest(poll, Interest::READABLE) }?;
        Ok(Self {
            poll,
            events: Events::with_capacity(Self::MOST),
        })
    }

    /// Waits until there is news. May be dropped while it waits.
    ///
    /// # Errors
    /// If the runtime ends.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        loop {
            let mut guard = self.poll.readable_mut().await?;
            look(guard.get_inner_mut(), &mut self.events)?;
            let count = self.events.iter().count();
            if count < Self::MOST {
                // What comes from here on, the runtime tells.
                guard.clear_ready();
            }
            if count > 0 {
                return Ok(());
            }
        }
    }

    /// Looks whether there is news, without waiting.
    ///
    /// # Errors
    /// If the kernel cannot say.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        look(self.poll.get_mut(), &mut self.events)
    }

    /// Forgets the news of the last look.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }

    /// The news of the last look.
    pub(crate) fn news(&self) -> impl Iterator<Item = Readiness> + '_ {
        self.events.iter().map(|event| Readiness {
            index: event.token().0,
            writable: event.is_writable() || event.is_error(),
            ended: event.is_read_closed(),
        })
    }
}

fn look(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, Some(Duration::ZERO)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}
