//! A certificate with its key, read from PEM files and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use grandstand_common::file;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};
use x509_parser::certificate::Validity;
use x509_parser::parse_x509_certificate;

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and its chain, in PEM, the certificate first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {why}; it must be a whole PEM file that this process may read", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The file has no certificate.
    #[error("{} has no certificate; it must be a PEM file with `BEGIN CERTIFICATE`", .0.display())]
    Missing(PathBuf),
    /// A certificate is not valid.
    #[error("certificate {number} in {path} is not valid: {why}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Its place in the file, from 1.
        number: usize,
        /// The reason.
        why: String,
    },
    /// The key belongs to a certificate of the chain.
    #[error("{path} has the certificate of the key in {key} behind others; put it first, then its chain", path = .path.display(), key = .key.display())]
    Order {
        /// The certificate's file.
        path: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key is encrypted.
    #[error("the key in {path} is encrypted; store it without a passphrase: openssl pkey -in {path} -out NEW", path = .0.display())]
    Encrypted(PathBuf),
    /// The key is of another kind.
    #[error("the key in {} is of a kind that cannot be used; use RSA of 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519", .0.display())]
    Kind(PathBuf),
    /// The key belongs to another certificate.
    #[error("the key in {key} does not fit the certificate in {certificate}; give both files of one certificate", key = .key.display(), certificate = .certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The certificate has expired.
    #[error("the certificate in {path} expired at {at}; replace the file, and it is used within seconds", path = .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The time of its expiry.
        at: String,
    },
    /// The certificate is not valid yet.
    #[error("the certificate in {path} is not valid before {at}; check the clock of this machine and of the issuer", path = .path.display())]
    Early {
        /// The file.
        path: PathBuf,
        /// The time from which it is valid.
        at: String,
    },
}

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) expires_s: i64,
}

impl Certificate {
    /// Reads and checks both files. `now_s`: the time, in seconds since 1970.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(super) fn read(
        files: &CertificateFiles,
        provider: &CryptoProvider,
        now_s: i64,
    ) -> Result<Self, CertificateError> {
        let (chain, validity) = read_chain(&files.certificate)?;
        check_time(&files.certificate, &validity, now_s)?;
        let key = read_key(&files.key, provider)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) | Ok(()) => {}
            Err(_) => return Err(misfit(files, &key)),
        }
        Ok(Self {
            key: Arc::new(key),
            expires_s: validity.not_after.timestamp(),
        })
    }
}

/// Reads a certificate and its chain. Returns when the first is valid.
fn read_chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Validity), CertificateError> {
    let pem = file::read(path).map_err(|why| unreadable(path, &why))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| unreadable(path, &words(&why)))?;
    let mut valid = None;
    for (der, number) in chain.iter().zip(1..) {
        let (_, parsed) = parse_x509_certificate(der).map_err(|why| CertificateError::Invalid {
            path: path.to_owned(),
            number,
            why: why.to_string(),
        })?;
        valid.get_or_insert_with(|| parsed.validity.clone());
    }
    let valid = valid.ok_or_else(|| CertificateError::Missing(path.to_owned()))?;
    Ok((chain, valid))
}

fn check_time(path: &Path, valid: &Validity, now_s: i64) -> Result<(), CertificateError> {
    let path = path.to_owned();
    let (from, to) = (valid.not_before, valid.not_after);
    if to.timestamp() <= now_s {
        let at = to.to_string();
        return Err(CertificateError::Expired { path, at });
    }
    if from.timestamp() > now_s {
        let at = from.to_string();
        return Err(CertificateError::Early { path, at });
    }
    Ok(())
}

fn read_key(
    path: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let pem = file::read(path).map_err(|why| unreadable(path, &why))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|why| {
        if String::from_utf8_lossy(&pem).contains("ENCRYPTED") {
            CertificateError::Encrypted(path.to_owned())
        } else {
            unreadable(path, &words(&why))
        }
    })?;
    let key = provider.key_provider.load_private_key(key);
    key.map_err(|_| CertificateError::Kind(path.to_owned()))
}

/// The error about a key that is not that of the first certificate.
fn misfit(files: &CertificateFiles, key: &CertifiedKey) -> CertificateError {
    let (path, key_path) = (files.certificate.clone(), files.key.clone());
    let is_of = |der: &CertificateDer<'static>| {
        let other = CertifiedKey::new(vec![der.clone()], Arc::clone(&key.key));
        other.keys_match().is_ok()
    };
    if key.cert.iter().any(is_of) {
        CertificateError::Order {
            path,
            key: key_path,
        }
    } else {
        CertificateError::Key {
            key: key_path,
            certificate: path,
        }
    }
}

fn unreadable(path: &Path, why: &(impl std::fmt::Display + ?Sized)) -> CertificateError {
    CertificateError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// The fault of a PEM file, for people. The library shows names of sections as numbers.
fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it ends in the middle of a section".to_owned(),
        pem::Error::NoItemsFound => "it has no key (`BEGIN PRIVATE KEY`)".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
