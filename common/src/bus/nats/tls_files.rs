//! The PEM files for TLS to NATS. The client library reads them for each connection, so that renewed files count at the
//! next one.

use std::path::Path;

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::{Error, PemObject};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::bus::connect_error::ConnectError;
use crate::bus::options::TlsFiles;
use crate::file;

/// Adds the files to the options of a connection.
pub(super) fn add_to(options: ConnectOptions, files: &TlsFiles) -> ConnectOptions {
    let options = match &files.ca {
        Some(ca) => options.add_root_certificates(ca.clone()),
        None => options,
    };
    match &files.client {
        Some((certificate, key)) => {
            options.add_client_certificate(certificate.clone(), key.clone())
        }
        None => options,
    }
}

/// Checks that the files can be read and have in them what they should.
///
/// # Errors
/// If they have not.
pub fn check_tls_files(files: &TlsFiles) -> Result<(), ConnectError> {
    if let Some(ca) = &files.ca {
        check_certificates(ca)?;
    }
    let Some((certificate, key)) = &files.client else {
        return Ok(());
    };
    check_certificates(certificate)?;
    let no_key = |error| unusable(key, "private key", &error);
    let pem = file::read(key).map_err(|error| no_key(Error::Io(error)))?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map(drop)
        .map_err(no_key)
}

/// The client library reads a file without certificates as an empty list, so that is found here.
fn check_certificates(path: &Path) -> Result<(), ConnectError> {
    let one = |error| unusable(path, "certificate", &error);
    let pem = file::read(path).map_err(|error| one(Error::Io(error)))?;
    let mut all = CertificateDer::pem_slice_iter(&pem);
    let first = all.next().unwrap_or(Err(Error::NoItemsFound));
    first.map_err(one)?;
    all.try_for_each(|certificate| certificate.map(drop))
        .map_err(one)
}

fn unusable(path: &Path, what: &str, error: &Error) -> ConnectError {
    let cause = match error {
        Error::NoItemsFound => format!("no {what} in PEM is in it"),
        Error::Io(error) => error.to_string(),
        error => format!("it is not PEM: {error}"),
    };
    ConnectError::TlsFile {
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";

    #[test]
    fn files_that_are_not_what_they_should_be_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (good, key) = (file("good", CERTIFICATE), file("key", KEY));
        let error = |ca: &Path, client: Option<(&Path, &Path)>| {
            let files = TlsFiles {
                ca: Some(ca.to_owned()),
                client: client.map(|(a, b)| (a.to_owned(), b.to_owned())),
            };
            check_tls_files(&files).map_err(|error| error.to_string())
        };
        assert_eq!(error(&good, Some((&good, &key))), Ok(()));
        for (ca, client, words) in [
            (&dir.path().join("none"), None, "none: No such file"),
            (&file("empty", ""), None, "empty: no certificate in PEM"),
            (&key, None, "key: no certificate in PEM"),
            (&good, Some((&key, &key)), "key: no certificate in PEM"),
            (&good, Some((&good, &good)), "good: no private key in PEM"),
            (
                &file("cut", &CERTIFICATE.replace("AQID", "?")),
                None,
                "cut: it is not PEM",
            ),
        ] {
            let client = client.map(|(a, b)| (a.as_path(), b.as_path()));
            let error = error(ca, client).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
