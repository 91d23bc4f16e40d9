//! The head of the response to a handshake, which leaves with the first frames of its connection.

use bytes::Bytes;

use crate::conn::key::ConnKey;

/// The connection that is being opened, if there is one, with a head that is not sent yet.
#[derive(Debug, Default)]
pub(super) struct Opening(Option<(ConnKey, Bytes)>);

impl Opening {
    /// Keeps the head of a connection.
    pub(super) fn begin(&mut self, key: ConnKey, head: Bytes) {
        self.0 = Some((key, head));
    }

    /// Takes the head, if it is that of this connection.
    pub(super) fn take(&mut self, key: ConnKey) -> Option<Bytes> {
        let (_, head) = self.0.take_if(|(opening, _)| *opening == key)?;
        Some(head)
    }
}
