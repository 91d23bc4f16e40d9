//! A second way to ask who is there, over another server of the cluster (D17).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::error::RequestError;
use crate::bus::nats::SecondPath;
use crate::bus::types::Standing;

/// A connection to another server than the one that the bus is connected to, where there is one. It ends when this is
/// dropped.
///
/// "Nobody listens there" is what one server says. If its route to another is cut or flaps, it says so of everybody
/// behind it; a second server that says the same makes it certain.
#[derive(Debug)]
pub struct Witness(Kind);

#[derive(Debug)]
enum Kind {
    None(watch::Sender<Standing>),
    Nats(SecondPath),
}

impl Witness {
    /// For a bus without servers.
    pub(crate) fn none() -> Self {
        Self(Kind::None(watch::Sender::new(Standing::NotNeeded)))
    }

    pub(crate) fn nats(second: SecondPath) -> Self {
        Self(Kind::Nats(second))
    }

    /// Whether there is a second way, and changes of that.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        match &self.0 {
            Kind::None(standing) => standing.subscribe(),
            Kind::Nats(second) => second.standing(),
        }
    }

    /// Asks as [`Bus::request`](crate::bus::Bus::request) does, the second way.
    pub fn request(
        &self,
        subject: String,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        let client = match &self.0 {
            Kind::None(_) => None,
            Kind::Nats(second) => second.client(),
        };
        async move {
            match client {
                Some(client) => SecondPath::request(client, subject, timeout).await,
                None => Err(RequestError::Disconnected),
            }
        }
    }
}
