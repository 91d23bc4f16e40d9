//! The certificate of servers with TLS, and the port at which edges use it.

use std::net::SocketAddr;
use std::path::PathBuf;

use grandstand_harness::nats::TempDir;
use grandstand_harness::ports::Port;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;

use crate::error::BenchError;

/// The domain below which each client asks for a name of its own.
pub const DOMAIN: &str = "bench.localhost";

/// A self-signed P-256 certificate for `localhost` and all names below [`DOMAIN`], and its key, in files that are deleted
/// when it is dropped.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes a certificate.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub fn make() -> Result<Self, BenchError> {
        let names = vec!["localhost".to_owned(), format!("*.{DOMAIN}")];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)
            .map_err(|error| BenchError::Failed(error.to_string()))?;
        let made = Self {
            folder: TempDir::try_new("certificate")?,
            der: cert.der().clone(),
        };
        write(made.file(), &cert.pem())?;
        write(made.key_file(), &signing_key.serialize_pem())?;
        Ok(made)
    }

    /// The PEM file of the certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The PEM file of its key. HAProxy finds it by this name.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem.key")
    }

    /// The certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// The variables of an edge that uses it at an address. `listen`: the key of that address, for example `TLS_LISTEN`.
    pub fn variables(&self, listen: &str, at: SocketAddr) -> Vec<(String, String)> {
        [
            (listen, at.to_string()),
            ("TLS_CERTIFICATE_FILES", self.file().display().to_string()),
            ("TLS_KEY_FILES", self.key_file().display().to_string()),
        ]
        .map(|(key, value)| (format!("GRANDSTAND_EDGE_{key}"), value))
        .into()
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), BenchError> {
    std::fs::write(&path, text).map_err(|source| BenchError::File {
        path: path.display().to_string(),
        source,
    })
}

/// A port at which edges accept clients with TLS, beside the one without.
#[derive(Debug)]
pub struct TlsPort {
    certificate: Certificate,
    port: Port,
}

impl TlsPort {
    /// Makes a certificate and reserves a port.
    ///
    /// # Errors
    /// If its files cannot be written or no port is free.
    pub fn take() -> Result<Self, BenchError> {
        Ok(Self {
            certificate: Certificate::make()?,
            port: Port::try_take()?,
        })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The variables of the edges.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.certificate.variables("TLS_LISTEN", self.address())
    }
}
