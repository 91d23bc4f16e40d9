//! The certificates of a listener, chosen by what a client asks for.

use std::sync::Arc;

use grandstand_common::file;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;
use xxhash_rust::xxh3::Xxh3;

use super::certificate::{Certificate, CertificateError, CertificateFiles};

/// The certificates of a listener. The first is for clients that ask for no name, or for one that no certificate has.
#[derive(Debug)]
pub(super) struct Certificates(Vec<(CertificateFiles, Arc<Certificate>)>);

/// Certificates that were read again.
#[derive(Debug)]
pub(super) struct Renewed {
    pub(super) certificates: Certificates,
    /// The number of those that are others than before.
    pub(super) changed: usize,
    /// The reasons why earlier ones stay.
    pub(super) errors: Vec<CertificateError>,
}

impl Certificates {
    /// Reads and checks all files. `now_s`: the time, in seconds since 1970.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(super) fn read(
        files: &[CertificateFiles],
        provider: &CryptoProvider,
        now_s: i64,
    ) -> Result<Self, CertificateError> {
        let read = |files: &CertificateFiles| {
            let certificate = Certificate::read(files, provider, now_s)?;
            Ok((files.clone(), Arc::new(certificate)))
        };
        files.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Reads all files again. Where they cannot be used, the earlier certificate stays.
    pub(super) fn renewed(&self, provider: &CryptoProvider, now_s: i64) -> Renewed {
        let (mut changed, mut errors) = (0, Vec::new());
        let renewed = self.0.iter().map(|(files, earlier)| {
            let certificate = match Certificate::read(files, provider, now_s) {
                Ok(read) if read.key.cert != earlier.key.cert => {
                    changed += 1;
                    Arc::new(read)
                }
                Ok(_) => Arc::clone(earlier),
                Err(error) => {
                    errors.push(error);
                    Arc::clone(earlier)
                }
            };
            (files.clone(), certificate)
        });
        let certificates = Self(renewed.collect());
        Renewed {
            certificates,
            changed,
            errors,
        }
    }

    /// The times at which they expire, in seconds since 1970.
    pub(super) fn expire_s(&self) -> Vec<i64> {
        let all = self.0.iter();
        all.map(|(_, certificate)| certificate.expires_s).collect()
    }

    /// Chooses by name, and among those with the name by what the client can verify.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let keys = || self.0.iter().map(|(_, certificate)| &certificate.key);
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let has_name = |key: &CertifiedKey| {
            let parsed = key.cert.first().map(EndEntityCert::try_from);
            name.as_ref().is_some_and(|name| {
                parsed.is_some_and(|parsed| {
                    parsed.is_ok_and(|cert| cert.verify_is_valid_for_subject_name(name).is_ok())
                })
            })
        };
        let fits = |key: &CertifiedKey| key.key.choose_scheme(schemes).is_some();
        let named = keys().filter(|key| has_name(key)).collect::<Vec<_>>();
        let fitting = named.iter().copied().find(|key| fits(key));
        let chosen = fitting.or(named.first().copied());
        let chosen = chosen.or_else(|| keys().find(|key| fits(key)));
        chosen.or(keys().next()).map(Arc::clone)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

/// A checksum of all files. One that cannot be read counts as empty.
pub(super) fn checksum(files: &[CertificateFiles]) -> u64 {
    let mut sum = Xxh3::new();
    let paths = files
        .iter()
        .flat_map(|files| [&files.certificate, &files.key]);
    for path in paths {
        let bytes = file::read(path).unwrap_or_default();
        sum.update(&(bytes.len() as u64).to_le_bytes());
        sum.update(&bytes);
    }
    sum.digest()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;
    use crate::server::tls::tests::rig::{Folder, NOW_S};

    #[test]
    fn a_client_gets_a_certificate_with_the_name_that_it_can_verify() {
        let folder = Folder::new();
        let mut all = Vec::new();
        for (file, name, kind) in [
            ("other", "other.example", &PKCS_ED25519),
            ("ecdsa", "localhost", &PKCS_ECDSA_P256_SHA256),
            ("eddsa", "localhost", &PKCS_ED25519),
        ] {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let key = KeyPair::generate_for(kind).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let files = folder.files(file);
            std::fs::write(&files.certificate, certificate.pem()).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
            all.push(files);
        }
        let provider = rustls::crypto::ring::default_provider();
        let certificates = Certificates::read(&all, &provider, NOW_S).unwrap();
        let (ecdsa, eddsa) = (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
        );
        for (name, schemes, chosen) in [
            (Some("localhost"), vec![ecdsa, eddsa], 1),
            (Some("localhost"), vec![eddsa], 2),
            (Some("LOCALHOST"), vec![SignatureScheme::RSA_PSS_SHA256], 1),
            (Some("unknown.example"), vec![ecdsa, eddsa], 0),
            (Some("unknown.example"), vec![ecdsa], 1),
            (Some("not a name"), vec![], 0),
            (None, vec![ecdsa, eddsa], 0),
        ] {
            let found = certificates.choose(name, &schemes).unwrap();
            let expected = &certificates.0[chosen].1.key;
            assert!(Arc::ptr_eq(&found, expected), "{name:?} {schemes:?}");
        }
    }
}
