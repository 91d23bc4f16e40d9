//! The login of a `.creds` file, or of a file with the seed of an nkey. It is read for each connection, so that a renewed
//! file counts at the next one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
// Taken while a connection is made.
use parking_lot::Mutex;

use crate::file;

/// The beginning of the lines around the values.
const FENCE: &str = "---";

/// The file, and the login that was read last.
#[derive(Clone)]
pub(super) struct Credentials {
    path: Arc<PathBuf>,
    last: Arc<Mutex<LastRead>>,
}

struct LastRead {
    login: FileLogin,
    /// The file could not be read since, and that was said.
    is_old: bool,
}

/// A JWT, if the server wants one, and the key that signs for it.
#[derive(Clone)]
struct FileLogin {
    jwt: Option<String>,
    key: Arc<KeyPair>,
}

impl Credentials {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// If it cannot be read, or has no JWT or key in it.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        let last = LastRead {
            login: read(path.to_owned()).await?,
            is_old: false,
        };
        Ok(Self {
            path: Arc::new(path.to_owned()),
            last: Arc::new(Mutex::new(last)),
        })
    }

    /// The login for one connection, which answers the server's `nonce`. While the file cannot be read, the login that was
    /// read last counts.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub(super) async fn answer(self, nonce: Vec<u8>) -> Result<Auth, AuthError> {
        let login = self.update(read(self.path.to_path_buf()).await);
        let mut auth = Auth::new();
        auth.signature = Some(login.key.sign(&nonce).map_err(AuthError::new)?);
        match login.jwt {
            Some(jwt) => auth.jwt = Some(jwt),
            None => auth.nkey = Some(login.key.public_key()),
        }
        Ok(auth)
    }

    /// Keeps what was read. Returns the login that counts.
    fn update(&self, read: io::Result<FileLogin>) -> FileLogin {
        let mut last = self.last.lock();
        match read {
            Ok(login) => {
                *last = LastRead {
                    login,
                    is_old: false,
                };
            }
            Err(error) if !last.is_old => {
                last.is_old = true;
                let path = self.path.display();
                tracing::warn!(%error, %path, "cannot read the NATS credentials; those read before are used");
            }
            Err(_) => {}
        }
        last.login.clone()
    }
}

impl FileLogin {
    fn read(path: &Path) -> io::Result<Self> {
        let text = String::from_utf8(file::read(path)?);
        let text =
            text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))?;
        Self::parse(&text)
    }

    /// Finds the JWT and the key: each is the line between two lines of dashes. The seed of an nkey stands alone.
    fn parse(text: &str) -> io::Result<Self> {
        if let Ok(key) = KeyPair::from_seed(text.trim()) {
            return Ok(Self {
                jwt: None,
                key: Arc::new(key),
            });
        }
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let mut values = lines.windows(3).filter_map(|lines| match lines {
            [before, value, after] if before.starts_with(FENCE) && after.starts_with(FENCE) => {
                (!value.is_empty() && !value.starts_with(FENCE)).then_some(*value)
            }
            _ => None,
        });
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let jwt = values
            .next()
            .ok_or_else(|| invalid("neither a JWT nor the seed of an nkey is in it"))?;
        let seed = values.next().ok_or_else(|| invalid("no key is in it"))?;
        let key = KeyPair::from_seed(seed).map_err(|error| invalid(&error.to_string()))?;
        Ok(Self {
            jwt: Some(jwt.to_owned()),
            key: Arc::new(key),
        })
    }
}

/// Checks that a credentials file can be read, and has a JWT and a key or the seed of an nkey in it.
///
/// # Errors
/// If it has not.
pub(super) fn check(path: &Path) -> io::Result<()> {
    FileLogin::read(path).map(drop)
}

async fn read(path: PathBuf) -> io::Result<FileLogin> {
    let read = tokio::task::spawn_blocking(move || FileLogin::read(&path)).await;
    read.unwrap_or_else(|end| Err(end.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\r\n\r\n\
             ************************* IMPORTANT *************************\r\n\
             NKEY Seed printed below can be used to sign and prove identity.\r\n\r\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n\r\n\
             *************************************************************\r\n"
        )
    }

    #[test]
    fn the_jwt_and_the_key_are_found() {
        let key = KeyPair::new_user();
        let seed = key.seed().unwrap();
        let text = file("e30.e30.x", &seed);
        for text in [text.clone(), text.replace('\r', "")] {
            let login = FileLogin::parse(&text).unwrap();
            assert_eq!(login.jwt.as_deref(), Some("e30.e30.x"));
            assert_eq!(login.key.public_key(), key.public_key());
        }
        for (text, why) in [
            ("", "neither a JWT"),
            ("-----\n-----\n-----\n", "neither a JWT"),
            ("-----\ne30\n-----\n", "no key"),
            (&file("e30", "SUANOSEED"), ""),
        ] {
            let error = FileLogin::parse(text).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.to_string().contains("SUANO"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_seed_of_an_nkey_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.nk");
        let key = KeyPair::new_user();
        std::fs::write(&path, format!("{}\n", key.seed().unwrap())).unwrap();
        let credentials = Credentials::open(&path).await.unwrap();
        let auth = credentials.answer(b"nonce".to_vec()).await.unwrap();
        assert_eq!((auth.jwt, auth.nkey), (None, Some(key.public_key())));
        key.verify(b"nonce", &auth.signature.unwrap()).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_leaves_the_login_that_was_read_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.creds");
        let seed = KeyPair::new_user().seed().unwrap();
        let jwt = async |credentials: &Credentials| {
            let auth = credentials.clone().answer(b"nonce".to_vec()).await.unwrap();
            auth.jwt.unwrap()
        };
        std::fs::write(&path, file("one", &seed)).unwrap();
        let credentials = Credentials::open(&path).await.unwrap();
        std::fs::write(&path, file("two", &seed)).unwrap();
        assert_eq!(jwt(&credentials).await, "two");
        for half in ["", "-----BEGIN NATS USER JWT-----\nthr"] {
            std::fs::write(&path, half).unwrap();
            assert_eq!(jwt(&credentials).await, "two");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(jwt(&credentials).await, "two");
        std::fs::write(&path, file("three", &seed)).unwrap();
        assert_eq!(jwt(&credentials).await, "three");
    }
}
