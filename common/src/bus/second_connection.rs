//! A second connection over another server of the cluster, to confirm that a process is gone (D17).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::error::RequestError;
use crate::bus::nats;
use crate::bus::types::SecondConnectionState;

/// A connection to another server than the bus uses, if there is one. Ends when dropped.
///
/// "Nobody listens there" is the view of one server. If its route to another server is cut or flaps, it says so of
/// everybody behind it. The same view of a second server makes it certain.
#[derive(Debug)]
pub struct SecondConnection(Kind);

#[derive(Debug)]
enum Kind {
    None(watch::Sender<SecondConnectionState>),
    Nats(nats::SecondConnection),
}

impl SecondConnection {
    /// The second connection of a bus without servers: it is never up, and not needed.
    pub(crate) fn none() -> Self {
        Self(Kind::None(watch::Sender::new(
            SecondConnectionState::NotNeeded,
        )))
    }

    pub(crate) fn nats(second: nats::SecondConnection) -> Self {
        Self(Kind::Nats(second))
    }

    /// The state of the connection, and its changes.
    pub fn state(&self) -> watch::Receiver<SecondConnectionState> {
        match &self.0 {
            Kind::None(state) => state.subscribe(),
            Kind::Nats(second) => second.state(),
        }
    }

    /// Sends a request like [`Bus::request`](crate::bus::Bus::request), over the other server.
    pub fn request(
        &self,
        subject: String,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        let client = match &self.0 {
            Kind::None(_) => None,
            Kind::Nats(second) => second
                .client()
                .map(|client| (client, second.subject(subject))),
        };
        async move {
            match client {
                Some((client, subject)) => {
                    nats::SecondConnection::request(client, subject, timeout).await
                }
                None => Err(RequestError::Disconnected),
            }
        }
    }
}
