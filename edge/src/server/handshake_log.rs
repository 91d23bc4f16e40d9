//! Says in the log why clients do not get through their handshakes: in words, and seldom, because strangers cause it at will.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, Error, InvalidMessage};
use tracing::{debug, info};

/// The least time between two lines about the same kind of trouble, per shard. Lines in between have the level debug.
const QUIET: Duration = Duration::from_secs(60);

/// The reason why a client did not get through its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    PlainAtTls,
    TlsAtPlain,
    NotTrusted,
    NothingInCommon,
    Other,
}

impl Trouble {
    fn of(error: &Error) -> Self {
        use AlertDescription as Alert;
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::PlainAtTls,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::NothingInCommon,
            Error::AlertReceived(
                Alert::UnknownCA
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::UnsupportedCertificate,
            ) => Self::NotTrusted,
            _ => Self::Other,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::PlainAtTls => {
                "a client does not speak TLS at the address for TLS (tls.listen); let it connect with https:// or wss://"
            }
            Self::TlsAtPlain => {
                "a client speaks TLS at the address without it (edge.listen); let it connect to that of tls.listen, or with \
                 http:// or ws://"
            }
            Self::NotTrusted => {
                "a client does not trust the TLS certificate; check its chain, its names and its expiry"
            }
            Self::NothingInCommon => {
                "a client offers nothing for TLS that the edge can use: no version, cipher suite, kind of key or protocol \
                 (http/1.1)"
            }
            Self::Other => "a TLS handshake has failed",
        }
    }
}

/// A kind of trouble that was logged.
#[derive(Debug, Default)]
struct Said {
    at: Cell<Option<Instant>>,
    more: Cell<u64>,
}

/// The log of a shard's handshakes that have failed.
#[derive(Debug, Default)]
pub(crate) struct HandshakeLog([Said; 5]);

impl HandshakeLog {
    /// Logs that a TLS handshake has failed.
    pub(crate) fn on_tls_failure(&self, peer: SocketAddr, error: &Error, now: Instant) {
        self.on(Trouble::of(error), peer, Some(error), now);
    }

    /// Logs a request that cannot be parsed, if it is TLS.
    pub(crate) fn on_bad_request(&self, peer: SocketAddr, received: &[u8], now: Instant) {
        // A record of a handshake, of any version (RFC 8446 section 5.1).
        if received.starts_with(&[22, 3]) {
            self.on(Trouble::TlsAtPlain, peer, None, now);
        }
    }

    fn on(&self, trouble: Trouble, peer: SocketAddr, error: Option<&Error>, now: Instant) {
        let error = error.map(tracing::field::display);
        let words = trouble.words();
        match self.count(trouble, now) {
            Some(more) => info!(%peer, error, more, "{words}"),
            None => debug!(%peer, error, "{words}"),
        }
    }

    /// Returns how many were not said since the last one, if this one is to be said.
    fn count(&self, trouble: Trouble, now: Instant) -> Option<u64> {
        let said = &self.0[trouble as usize];
        if let Some(at) = said.at.get()
            && now.saturating_duration_since(at) < QUIET
        {
            said.more.set(said.more.get() + 1);
            return None;
        }
        said.at.set(Some(now));
        Some(said.more.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_a_minute() {
        let (log, start) = (
            HandshakeLog::default(),
            tokio::time::Instant::now().into_std(),
        );
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(log.count(Trouble::Other, at(0)), Some(0));
        assert_eq!(log.count(Trouble::TlsAtPlain, at(1)), Some(0));
        for s in 1..60 {
            assert_eq!(log.count(Trouble::Other, at(s)), None);
        }
        assert_eq!(log.count(Trouble::Other, at(60)), Some(59));
        assert_eq!(log.count(Trouble::Other, at(120)), Some(0));
    }
}
