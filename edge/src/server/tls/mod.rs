//! TLS: the certificates of a listener, its sessions, and their tickets.
//!
//! A session is driven without I/O. During the handshake and the HTTP request it belongs to a `TlsStream`, afterwards
//! to the connection's entry, which keeps plaintext in its outbox and encrypts a record when the socket accepts it.

mod certificate;

mod certificates;

mod tickets;

pub(crate) mod session;

pub(crate) mod stream;

pub(crate) mod wire;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::CryptoProvider;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use serde::{Deserialize, Serialize};

use certificates::{Certificates, Renewed};
use tickets::Tickets;

pub use certificate::{CertificateError, CertificateFiles};

/// The oldest version of TLS that clients may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum LeastVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl TryFrom<String> for LeastVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(format!("must be \"1.2\" or \"1.3\", is {text:?}")),
        }
    }
}

impl LeastVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::V1_2 => &BOTH,
            Self::V1_3 => &BOTH[..1],
        }
    }
}

/// The settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificates. The first is for clients that ask for no name, or for one that no certificate has.
    pub certificates: Vec<CertificateFiles>,
    /// The secret from which the keys of session tickets follow, the same for all edges; `None`: a random one.
    pub ticket_secret: Option<String>,
    /// The oldest version.
    pub least_version: LeastVersion,
}

/// TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The settings contradict each other.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The TLS of a listener, whose certificates can be replaced while it accepts. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    provider: Arc<CryptoProvider>,
    tickets: Arc<Tickets>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    options: TlsOptions,
    certificates: Arc<Certificates>,
    /// The checksum of the files when they were read.
    checksum: u64,
    config: Arc<ServerConfig>,
}

/// The result of [`Tls::reload`].
#[derive(Debug)]
pub struct Reloaded {
    /// The number of certificates that are others than before.
    pub changed: usize,
    /// The reasons why earlier ones stay.
    pub errors: Vec<CertificateError>,
}

impl Tls {
    /// Reads the certificates. `now_s`: the time, in seconds since 1970.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(options: TlsOptions, now_s: i64) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let random: [u8; 32] = rand::random();
        let tickets = match &options.ticket_secret {
            Some(secret) => Tickets::new(secret.as_bytes()),
            None => Tickets::new(&random),
        };
        let tickets = Arc::new(tickets);
        let current = Current::read(options, &provider, &tickets, now_s)?;
        Ok(Self(Arc::new(Shared {
            provider,
            tickets,
            current: RwLock::new(current),
        })))
    }

    /// Reads the certificates again. Where one cannot be used, the earlier one stays.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn reload(&self, now_s: i64) -> Result<Reloaded, TlsError> {
        let Shared {
            provider,
            tickets,
            current,
        } = &*self.0;
        let (options, earlier) = {
            let current = current.read();
            (current.options.clone(), Arc::clone(&current.certificates))
        };
        let checksum = certificates::checksum(&options.certificates);
        let Renewed {
            certificates,
            changed,
            errors,
        } = earlier.renewed(provider, now_s);
        let new = Current::new(options, checksum, certificates, provider, tickets)?;
        let mut current = current.write();
        // Another configuration may count by now, which has its own files.
        if changed > 0 && Arc::ptr_eq(&current.certificates, &earlier) {
            *current = new;
        }
        Ok(Reloaded { changed, errors })
    }

    /// Reads the certificates of other options, for new connections. The secret of session tickets stays. If one of the
    /// certificates cannot be used, all earlier ones stay.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn replace(&self, options: TlsOptions, now_s: i64) -> Result<(), TlsError> {
        let Shared {
            provider,
            tickets,
            current,
        } = &*self.0;
        let new = Current::read(options, provider, tickets, now_s)?;
        *current.write() = new;
        Ok(())
    }

    /// The files that it reads.
    pub fn files(&self) -> Vec<CertificateFiles> {
        self.0.current.read().options.certificates.clone()
    }

    /// The times at which the certificates that are in use expire, in seconds since 1970.
    pub fn expire_s(&self) -> Vec<i64> {
        self.0.current.read().certificates.expire_s()
    }

    /// The checksum of the files when they were read, as that of [`look`](Self::look).
    pub fn checksum(&self) -> u64 {
        self.0.current.read().checksum
    }

    /// The checksum of the files as they are now. It changes with their content.
    pub fn look(&self) -> u64 {
        certificates::checksum(&self.files())
    }

    /// A key for another use of the secret of session tickets.
    #[cfg(feature = "quic")]
    pub(crate) fn derive(&self, what_for: &[u8]) -> [u8; 32] {
        self.0.tickets.derive(what_for)
    }

    /// The configuration for a new connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.read().config)
    }
}

/// The cryptography.
#[cfg(feature = "aws-lc")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// The cryptography.
#[cfg(not(feature = "aws-lc"))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

impl Current {
    fn read(
        options: TlsOptions,
        provider: &Arc<CryptoProvider>,
        tickets: &Arc<Tickets>,
        now_s: i64,
    ) -> Result<Self, TlsError> {
        // A file that changes meanwhile is found at the next look.
        let checksum = certificates::checksum(&options.certificates);
        let certificates = Certificates::read(&options.certificates, provider, now_s)?;
        Self::new(options, checksum, certificates, provider, tickets)
    }

    fn new(
        options: TlsOptions,
        checksum: u64,
        certificates: Certificates,
        provider: &Arc<CryptoProvider>,
        tickets: &Arc<Tickets>,
    ) -> Result<Self, TlsError> {
        let certificates = Arc::new(certificates);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(options.least_version.versions())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = Arc::clone(tickets) as _;
        // Edges share no memory, so that only tickets can be resumed anywhere.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        // A client resumes once at a time; a second ticket would cost more bytes than it saves.
        config.send_tls13_tickets = 1;
        Ok(Self {
            options,
            certificates,
            checksum,
            config: Arc::new(config),
        })
    }
}
