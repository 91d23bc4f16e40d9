//! Sessions that clients have left and that no owner has ended yet.

use grandstand_common::error::ErrorKind;

use crate::core::clients::config::ClientConfig;

/// The departing sessions of all clients of a shard, also of clients that are gone.
#[derive(Debug, Default)]
pub(super) struct Departing {
    count: usize,
    /// The bytes of their windows when they were left.
    bytes: usize,
}

impl Departing {
    /// Counts one, and the bytes of its window.
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// Notes that one has ended.
    pub(super) fn remove(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The reason why a client that has left `own` of them may not join as a player at the moment.
    pub(super) fn refuse(
        &self,
        own: u16,
        config: &ClientConfig,
    ) -> Option<(ErrorKind, &'static str)> {
        if own >= config.departing {
            let message = "too many rooms that this connection has left have not been answered; wait for their workers";
            return Some((ErrorKind::RateLimited, message));
        }
        let are_many =
            self.count >= config.departing_in_all || self.bytes >= config.departing_bytes_in_all;
        are_many.then_some((
            ErrorKind::RoomUnavailable,
            "too many players of this edge have left rooms whose workers do not answer",
        ))
    }
}
