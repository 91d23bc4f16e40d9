//! Certificates with their keys: read from PEM files, checked, and chosen by the name that a client asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;
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
    #[error("the certificate in {path} is not valid: {why}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The key belongs to another certificate, or is of an unknown kind.
    #[error("the key in {key} does not fit the certificate in {certificate}: {why}; give both files of one certificate", key = .key.display(), certificate = .certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// The reason.
        why: String,
    },
    /// The certificate has expired.
    #[error("the certificate in {path} expired at {at}; replace the file, and it is used within seconds", path = .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The time of its expiry.
        at: String,
    },
}

/// A certificate and its key.
#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
    expires_s: i64,
}

/// The certificates of a listener. The first is for clients that ask for no name, or for one that no certificate has.
#[derive(Debug)]
pub(crate) struct Certificates(Vec<Certificate>);

impl Certificates {
    /// Reads and checks all files. `now_s`: the time, in seconds since 1970.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(crate) fn read(
        files: &[CertificateFiles],
        provider: &CryptoProvider,
        now_s: i64,
    ) -> Result<Self, CertificateError> {
        let read = |files| read(files, provider, now_s);
        files.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The times at which they expire, in seconds since 1970.
    pub(crate) fn expire_s(&self) -> Vec<i64> {
        let all = self.0.iter();
        all.map(|certificate| certificate.expires_s).collect()
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = ServerName::try_from(name).ok()?;
            self.0.iter().find(|certificate| {
                let der = certificate.key.cert.first();
                let parsed = der.and_then(|der| EndEntityCert::try_from(der).ok());
                parsed.is_some_and(|cert| cert.verify_is_valid_for_subject_name(&name).is_ok())
            })
        });
        let chosen = named.or(self.0.first())?;
        Some(Arc::clone(&chosen.key))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

fn read(
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now_s: i64,
) -> Result<Certificate, CertificateError> {
    let path = &files.certificate;
    let unreadable = |path: &Path, why: &dyn std::fmt::Display| CertificateError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let invalid = |why: &dyn std::fmt::Display| CertificateError::Invalid {
        path: path.clone(),
        why: why.to_string(),
    };
    let pem = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(path, &words(&error)))?;
    let first = chain
        .first()
        .ok_or_else(|| CertificateError::Missing(path.clone()))?;
    let (_, parsed) = parse_x509_certificate(first).map_err(|error| invalid(&error))?;
    let validity = parsed.validity();
    let expires_s = validity.not_after.timestamp();
    if expires_s <= now_s {
        return Err(CertificateError::Expired {
            path: path.clone(),
            at: validity.not_after.to_string(),
        });
    }
    let key = std::fs::read(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| unreadable(&files.key, &words(&error)))?;
    let misfit = |error: rustls::Error| CertificateError::Key {
        key: files.key.clone(),
        certificate: path.clone(),
        why: error.to_string(),
    };
    let key = CertifiedKey::from_der(chain, key, provider).map_err(misfit)?;
    Ok(Certificate {
        key: Arc::new(key),
        expires_s,
    })
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
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_off_or_is_empty_is_named_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (whole, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        let path = |name: &str| folder.path().join(name);
        let provider = rustls::crypto::ring::default_provider();
        for (certificate, key, part) in [
            (
                &whole[..200],
                &key[..],
                "tls.pem cannot be read: it ends in the middle",
            ),
            (
                &whole,
                &key[..60],
                "tls.key cannot be read: it ends in the middle",
            ),
            ("", &key, "tls.pem has no certificate"),
            (&whole, "", "tls.key cannot be read: it has no key"),
        ] {
            std::fs::write(path("tls.pem"), certificate).unwrap();
            std::fs::write(path("tls.key"), key).unwrap();
            let files = CertificateFiles {
                certificate: path("tls.pem"),
                key: path("tls.key"),
            };
            let error = Certificates::read(&[files], &provider, 0).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
