//! Frames for single clients of a lane. They follow the frames that the client has not been sent.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::conn::key::ConnKey;

/// The frames for single clients of a lane.
#[derive(Debug, Default)]
pub(crate) struct PrivateFrames(BTreeMap<ConnKey, Vec<u8>>);

impl PrivateFrames {
    /// Whether no frames wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues frames for a client.
    pub(crate) fn push(&mut self, conn: ConnKey, frames: &[u8]) {
        let queue = self.0.entry(conn).or_default();
        queue.extend_from_slice(frames);
    }

    /// Takes the frames for a client.
    pub(crate) fn take(&mut self, conn: ConnKey) -> Option<Vec<u8>> {
        self.0.remove(&conn)
    }

    /// Takes the frames for some client. The caller sends them; all members have been sent the lane's frames.
    pub(crate) fn pop(&mut self) -> Option<(ConnKey, Bytes)> {
        let (conn, frames) = self.0.pop_first()?;
        Some((conn, frames.into()))
    }
}
