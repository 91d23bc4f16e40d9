//! The section of TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use grandstand_common::clock::unix_ms;
use grandstand_common::process::config::Checks;
use serde::{Deserialize, Serialize};

use crate::server::tls::{CertificateFiles, LeastVersion, Tls, TlsError, TlsOptions};

/// The least bytes of the secret of tickets.
const MIN_SECRET_BYTES: usize = 32;

/// The listener with TLS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// Address for clients with TLS; empty for none.
    pub listen: String,
    /// Whether clients may also connect without TLS, at `edge.listen`.
    pub plain: bool,
    /// PEM files with a certificate and its chain each.
    pub certificate_files: Vec<PathBuf>,
    /// PEM files with the private keys of these, in the same order.
    pub key_files: Vec<PathBuf>,
    /// The oldest version: `1.2` or `1.3`.
    pub least_version: LeastVersion,
    /// The secret from which the keys of session tickets follow; empty for a random one.
    pub ticket_secret: String,
    /// Seconds between two looks at the files.
    pub reload_s: u64,
}

impl Default for TlsSection {
    fn default() -> Self {
        Self {
            listen: String::new(),
            plain: true,
            certificate_files: Vec::new(),
            key_files: Vec::new(),
            least_version: LeastVersion::default(),
            ticket_secret: String::new(),
            reload_s: 10,
        }
    }
}

impl std::fmt::Debug for TlsSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSection")
            .field("listen", &self.listen)
            .field("plain", &self.plain)
            .field("certificate_files", &self.certificate_files)
            .field("key_files", &self.key_files)
            .field("least_version", &self.least_version)
            .field("ticket_secret", &"…")
            .field("reload_s", &self.reload_s)
            .finish()
    }
}

impl TlsSection {
    /// The address for clients with TLS; `None` if there is none, or if it is not an address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// `quic`: whether clients over QUIC are to see the certificates, too.
    pub(super) fn validate(&self, checks: &mut Checks, quic: bool) {
        let off = self.listen.is_empty();
        checks.require("tls.listen", off || self.address().is_some(), || {
            format!(
                "must be an address and a port, such as 0.0.0.0:8443, or empty for none, is {:?}",
                self.listen
            )
        });
        checks.require(
            "tls.plain",
            !off || self.plain,
            || "may be false only with `tls.listen`, since no client could connect",
        );
        let certificates = self.certificate_files.len();
        let keys = self.key_files.len();
        checks.require(
            "tls.certificate_files",
            (off && !quic) || certificates > 0,
            || "must name a PEM file with a certificate, since `tls.listen` or `quic.listen` is set",
        );
        checks.require("tls.key_files", certificates == keys, || {
            format!(
                "must name one key for each of `tls.certificate_files`, in the same order: {certificates} certificates, \
                 {keys} keys"
            )
        });
        let secret = self.ticket_secret.len();
        checks.require(
            "tls.ticket_secret",
            secret == 0 || secret >= MIN_SECRET_BYTES,
            || format!("must have at least {MIN_SECRET_BYTES} bytes, has {secret}"),
        );
        checks.range("tls.reload_s", self.reload_s, 1..=86_400);
    }

    /// Reads the certificates.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(super) fn tls(&self) -> Result<Tls, TlsError> {
        Tls::new(self.options(), now_s())
    }

    /// The options of TLS.
    pub(in crate::process) fn options(&self) -> TlsOptions {
        let secret = &self.ticket_secret;
        let files = self.certificate_files.iter().zip(&self.key_files);
        TlsOptions {
            certificates: files
                .map(|(certificate, key)| CertificateFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                })
                .collect(),
            ticket_secret: (!secret.is_empty()).then(|| secret.clone()),
            least_version: self.least_version,
        }
    }
}

/// The time, in seconds since 1970.
pub(crate) fn now_s() -> i64 {
    (unix_ms() / 1000) as i64
}
