//! An endpoint: where requests go, and by which rules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use grandstand_common::file;
use grandstand_common::id::Topic;
use hyper::Uri;
use hyper::http::uri::InvalidUri;

use super::backoff::Backoff;
use super::sections::{EndpointSection, From};
use super::signature::{SecretError, Signer};

/// The reason why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndpointError {
    #[error("cannot be used: {0}")]
    Url(#[from] InvalidUri),
    #[error("must be https://HOST/PATH, or http://… with `allow_http`")]
    Scheme,
    #[error(
        "must begin with https://, because anybody on the way could read and change http; set `allow_http = true` if the network is \
         trusted"
    )]
    Http,
    #[error("must have no user and no password")]
    Login,
    #[error("{1}")]
    Secret(&'static str, SecretError),
    #[error("cannot be read: {path}: {why}", path = .1.display(), why = .2)]
    File(&'static str, PathBuf, std::io::Error),
    #[error("has no effect beside `{0}_file`; set one of them")]
    TwoSecrets(&'static str),
}

impl EndpointError {
    /// The key of the configuration that is wrong.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::Scheme | Self::Http | Self::Login => "url",
            Self::Secret(key, _) | Self::File(key, ..) | Self::TwoSecrets(key) => key,
        }
    }
}

/// An endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) url: Uri,
    pub(super) topics: Vec<Topic>,
    pub(super) from: From,
    pub(super) signer: Signer,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) answer_bytes: usize,
    pub(super) concurrency: usize,
    pub(super) max_attempts: u32,
    pub(super) max_age_ms: u64,
    pub(super) call_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) breaker_failures: u32,
    pub(super) breaker: Backoff,
}

impl Endpoint {
    /// Reads the files of the secrets.
    ///
    /// # Errors
    /// If the address or a secret cannot be used.
    pub(super) fn new(section: &EndpointSection) -> Result<Self, EndpointError> {
        let url: Uri = section.url.parse()?;
        match (url.scheme_str(), url.host()) {
            (Some("https"), Some(_)) => {}
            (Some("http"), Some(_)) if section.allow_http => {}
            (Some("http"), Some(_)) => return Err(EndpointError::Http),
            _ => return Err(EndpointError::Scheme),
        }
        if url
            .authority()
            .is_some_and(|host| host.as_str().contains('@'))
        {
            return Err(EndpointError::Login);
        }
        let current = secret("secret", &section.secret, &section.secret_file)?;
        let text = &section.previous_secret;
        let previous = secret("previous_secret", text, &section.previous_secret_file)?;
        let secrets = [("secret", current), ("previous_secret", previous)];
        for (key, text) in &secrets {
            let text = text.as_deref();
            Signer::new(text).map_err(|why| EndpointError::Secret(key, why))?;
        }
        let all = secrets.iter().filter_map(|(_, text)| text.as_deref());
        let signer = Signer::new(all).map_err(|why| EndpointError::Secret("secret", why))?;
        let topics = section.topics.iter();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            name: section.name.clone(),
            url,
            // Invalid ones are reported by their own check.
            topics: topics.filter_map(|topic| topic.parse().ok()).collect(),
            from: section.from,
            signer,
            connect_timeout: Duration::from_millis(section.connect_timeout_ms),
            timeout: Duration::from_millis(section.timeout_ms),
            answer_bytes: size(section.answer_bytes),
            concurrency: size(section.concurrency),
            max_attempts: small(section.max_attempts),
            max_age_ms: section.max_age_s * 1_000,
            call_attempts: small(section.call_attempts),
            backoff: Backoff {
                first: Duration::from_millis(section.backoff_ms),
                longest: Duration::from_millis(section.max_backoff_ms),
            },
            breaker_failures: small(section.breaker_failures),
            breaker: Backoff {
                first: Duration::from_millis(section.breaker_ms),
                longest: Duration::from_millis(section.max_breaker_ms),
            },
        })
    }
}

/// A secret of the file, or of the configuration; `None` if neither is set.
fn secret(key: &'static str, text: &str, path: &Path) -> Result<Option<String>, EndpointError> {
    match (text.is_empty(), path.as_os_str().is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(text.to_owned())),
        (false, false) => Err(EndpointError::TwoSecrets(key)),
        (true, false) => {
            let wrong = |why| EndpointError::File(key, path.to_owned(), why);
            let bytes = file::read(path).map_err(wrong)?;
            Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
        }
    }
}
