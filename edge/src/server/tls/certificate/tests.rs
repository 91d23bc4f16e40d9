//! Files that cannot be used, each with its fault in words.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;
use crate::server::tls::tests::rig::NOW_S;

const ENCRYPTED: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAQID\n-----END ENCRYPTED PRIVATE KEY-----\n";
const ENCRYPTED_BEFORE_PKCS8: &str = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
     DEK-Info: AES-256-CBC,00\n\nAQID\n-----END EC PRIVATE KEY-----\n";
/// A key of P-521, which `ring` does not know.
const P521: &str = "-----BEGIN PRIVATE KEY-----\n\
     MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAYvSPO4/0GBO1ZR8Z\n\
     u59Vkvu1UtxkR9bdBDlUE6uA9qjUU5HsHlMwdyeuSFgRlimT/KtlYi/P/1UU667y\n\
     mydrUE6hgYkDgYYABAEpZ5bXr1fTK0IniagI42Cbrpt1ZP6IEFEUsmI6rDUrB9KT\n\
     J7wQyzJ/UdTjAJmPaiUSID4cwzhAB5eU6f8+c0djwwD17v2sSuzQe1x34Nq7q9i/\n\
     tmCPBziZ8K//r1uwYSpJsnuqHTFXZQKhbay8IMpkmEFdb83ZQtvkVv+kAkZN4++c\n\
     4g==\n\
     -----END PRIVATE KEY-----\n";

fn pair(from: i32, to: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Reads these contents.
fn read(certificate: &str, key: &str) -> Result<Certificate, String> {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        certificate: folder.path().join("tls.pem"),
        key: folder.path().join("tls.key"),
    };
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    Certificate::read(&files, &provider, NOW_S).map_err(|error| error.to_string())
}

#[test]
fn each_fault_is_named_in_words() {
    let (whole, key) = pair(2020, 2040);
    let (other, other_key) = pair(2020, 2040);
    let (expired, expired_key) = pair(2020, 2021);
    let (early, early_key) = pair(2039, 2040);
    let der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
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
        ("\0\0\0\0", &key, "tls.pem has no certificate"),
        (&whole, "", "tls.key cannot be read: it has no key"),
        (&whole, "\0\0\0\0", "tls.key cannot be read: it has no key"),
        (
            &whole,
            &other_key,
            "tls.key does not fit the certificate in ",
        ),
        (&expired, &expired_key, "tls.pem expired at Jan  1"),
        (&early, &early_key, "tls.pem is not valid before Jan  1"),
        (&whole, ENCRYPTED, "tls.key is encrypted"),
        (&whole, ENCRYPTED_BEFORE_PKCS8, "tls.key is encrypted"),
        (&whole, P521, "tls.key is of a kind that cannot be used"),
        (der, &key, "certificate 1 in "),
        (&format!("{whole}{der}"), &key, "certificate 2 in "),
        (
            &format!("{other}{whole}"),
            &key,
            "behind others; put it first",
        ),
    ] {
        let error = read(certificate, key).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        certificate: folder.path().join("none.pem"),
        key: folder.path().join("none.key"),
    };
    let provider = rustls::crypto::ring::default_provider();
    let error = Certificate::read(&files, &provider, NOW_S).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("none.pem cannot be read: No such file"),
        "{error}"
    );
    let chain = read(&format!("{whole}{other}"), &key).unwrap();
    assert_eq!(chain.key.cert.len(), 2);
}
