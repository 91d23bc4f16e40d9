//! The timers of an endpoint's connections.

use std::collections::BTreeSet;
use std::time::Instant;

use quinn_proto::ConnectionHandle;

/// The times at which connections are to be handled, one of each.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, usize)>);

impl Timers {
    /// The next time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes a connection whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<ConnectionHandle> {
        self.next().filter(|at| *at <= now)?;
        self.0
            .pop_first()
            .map(|(_, handle)| ConnectionHandle(handle))
    }

    /// Replaces the time of a connection.
    pub(super) fn replace(
        &mut self,
        handle: ConnectionHandle,
        before: Option<Instant>,
        at: Option<Instant>,
    ) {
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.0.remove(&(before, handle.0));
        }
        if let Some(at) = at {
            self.0.insert((at, handle.0));
        }
    }
}
