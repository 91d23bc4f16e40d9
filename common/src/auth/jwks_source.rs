//! The source of a key set: a file or an https address.

use std::io;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use crate::auth::https::{AddressError, Fetch, FetchError};
use crate::auth::jwks::{Jwks, JwksError};
use crate::file;

/// The source of a key set: a file or an https address.
#[derive(Debug, Clone)]
pub struct JwksSource(Place);

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Https(Box<Fetch>),
}

/// The source of a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address is wrong.
    #[error("{0}")]
    Address(AddressError),
    /// The certificates to trust are without use.
    #[error("has no effect, because `jwks` is not an https address")]
    Unused,
}

impl SourceError {
    /// The key of the configuration that is wrong.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Address(AddressError::Authorities { .. }) | Self::Unused => "jwks_ca_file",
            Self::Address(_) => "jwks",
        }
    }
}

/// The reason why a key set was not read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct ReadError {
    place: String,
    why: ReadFailure,
}

#[derive(Debug, thiserror::Error)]
enum ReadFailure {
    #[error("cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Content(#[from] JwksError),
}

impl ReadError {
    /// Whether both have the same kind of cause: a connection that fails does so with changing words.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        use ReadFailure::{Content, Fetch, File};
        match (&self.why, &other.why) {
            (File(a), File(b)) => a.kind() == b.kind(),
            (Fetch(a), Fetch(b)) => discriminant(a) == discriminant(b),
            (Content(a), Content(b)) => a == b,
            _ => false,
        }
    }
}

impl JwksSource {
    /// A key set in a file, or at an address that begins with `https://`.
    ///
    /// # Errors
    /// If the address, or the file of certificates to trust, cannot be used.
    pub fn new(text: &str, authorities: Option<&Path>) -> Result<Self, SourceError> {
        if text.contains("://") {
            let fetch = Fetch::new(text, authorities).map_err(SourceError::Address)?;
            return Ok(Self(Place::Https(Box::new(fetch))));
        }
        match authorities {
            Some(_) => Err(SourceError::Unused),
            None => Ok(Self(Place::File(text.into()))),
        }
    }

    /// Checks a key set in a file. A key set at an address is not fetched.
    ///
    /// # Errors
    /// If the file cannot be read or is not a key set.
    pub fn check(&self) -> Result<(), ReadError> {
        match &self.0 {
            Place::Https(_) => Ok(()),
            Place::File(path) => {
                let text = file::read(path).map_err(ReadFailure::File);
                self.parsed(text).map(drop)
            }
        }
    }

    pub(super) async fn read(&self) -> Result<Jwks, ReadError> {
        let text = match &self.0 {
            Place::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || file::read(&path)).await;
                read.unwrap_or_else(|end| Err(end.into()))
                    .map_err(ReadFailure::File)
            }
            Place::Https(fetch) => fetch.get().await.map(Vec::from).map_err(ReadFailure::Fetch),
        };
        self.parsed(text)
    }

    fn parsed(&self, text: Result<Vec<u8>, ReadFailure>) -> Result<Jwks, ReadError> {
        text.and_then(|text| Ok(Jwks::parse(&text)?))
            .map_err(|why| ReadError {
                place: self.place(),
                why,
            })
    }

    fn place(&self) -> String {
        match &self.0 {
            Place::File(path) => path.display().to_string(),
            Place::Https(fetch) => fetch.url().to_owned(),
        }
    }
}
