//! The certificates of authorities that sign those of servers.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::file;

/// Reads the authorities of a PEM file.
///
/// # Errors
/// If the file cannot be read, or has no certificate, or one that cannot be used: the reason, in words.
pub fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let pem = file::read(path).map_err(|why| why.to_string())?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|why| why.to_string())?;
        roots.add(certificate).map_err(|why| why.to_string())?;
    }
    if roots.is_empty() {
        Err("it has no certificate".to_owned())
    } else {
        Ok(roots)
    }
}

/// Reads the authorities that the system trusts. Unreadable ones are left out, and a connection then names the one that is
/// missing.
pub fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
