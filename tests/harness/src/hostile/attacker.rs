//! One hostile client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::time::sleep;

use super::end::{End, Ends};
use super::raw::Raw;

/// The pause of an attacker before its next connection.
const REST: Duration = Duration::from_millis(20);

/// The addresses of an edge, and its certificate.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address for clients without TLS.
    pub plain: SocketAddr,
    /// The address for clients with TLS.
    pub tls: SocketAddr,
    /// The address for clients over QUIC, if there is one.
    pub quic: Option<SocketAddr>,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
}

/// A hostile client.
#[derive(Debug, Clone)]
pub(super) struct Attacker {
    pub(super) target: Target,
    /// Its own address.
    pub(super) from: Ipv4Addr,
    /// A valid token.
    pub(super) token: String,
    // Tasks of one attacker may run on several threads.
    ends: Arc<Mutex<Ends>>,
}

impl Attacker {
    /// A client from this address of the loopback.
    pub(super) fn new(target: Target, from: Ipv4Addr, token: String) -> Self {
        Self {
            target,
            from,
            token,
            ends: Arc::default(),
        }
    }

    /// The ends of its connections so far.
    pub(super) fn ends(&self) -> Ends {
        self.ends.lock().clone()
    }

    pub(super) async fn connect(&self) -> Option<Raw> {
        Raw::connect(self.target.plain, self.from, false).await.ok()
    }

    /// Opens a WebSocket with further lines of the request. The error is how the edge refused it.
    pub(super) async fn open(&self, extra: &str) -> Result<Raw, End> {
        let mut raw = self.connect().await.ok_or(End::Closed)?;
        raw.upgrade(&self.token, extra).await?;
        Ok(raw)
    }

    pub(super) fn ended(&self, end: End) {
        self.ends.lock().add(end);
    }

    pub(super) async fn rest(&self) {
        sleep(REST).await;
    }
}
