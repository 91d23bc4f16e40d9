//! TLS to endpoints.

use std::path::Path;
use std::sync::Arc;

use grandstand_common::authorities;
use rustls::{ClientConfig, RootCertStore};

/// The authorities that sign the endpoints' certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("{path} cannot be used: {why}; it must be a PEM file with `BEGIN CERTIFICATE`")]
    Authorities { path: String, why: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The authorities of a PEM file, or (an empty path) those that the system trusts.
///
/// # Errors
/// If the file cannot be used.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    if path.as_os_str().is_empty() {
        return Ok(authorities::of_system());
    }
    authorities::of_file(path).map_err(|why| TlsError::Authorities {
        path: path.display().to_string(),
        why,
    })
}

/// TLS for all endpoints.
///
/// # Errors
/// If it cannot be set up.
pub(super) fn tls(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
