//! The section of an endpoint in the configuration.

use std::path::PathBuf;

use grandstand_common::process::config::Secret;
use serde::{Deserialize, Serialize};

/// The configuration of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EndpointSection {
    /// The name, by which games call it.
    pub(super) name: String,
    /// The address.
    pub(super) url: String,
    /// The topics whose items it gets.
    pub(super) topics: Vec<String>,
    /// Whether it gets items from before it was configured.
    pub(super) from: From,
    /// The secret that signs.
    pub(super) secret: Secret,
    /// A file with that secret.
    pub(super) secret_file: PathBuf,
    /// A secret that signs as well.
    pub(super) previous_secret: Secret,
    /// A file with that secret.
    pub(super) previous_secret_file: PathBuf,
    /// Whether the address may be one of http.
    pub(super) allow_http: bool,
    /// The time limit of a connection, milliseconds.
    pub(super) connect_timeout_ms: u64,
    /// The time limit of an attempt, milliseconds.
    pub(super) timeout_ms: u64,
    /// The most bytes of an answer.
    pub(super) answer_bytes: u64,
    /// The most requests under way.
    pub(super) concurrency: u64,
    /// The attempts after which an item becomes a dead letter.
    pub(super) max_attempts: u64,
    /// The age at which an item that fails becomes a dead letter, seconds.
    pub(super) max_age_s: u64,
    /// The attempts of a call, as far as there is time.
    pub(super) call_attempts: u64,
    /// The longest pause after the first attempt, milliseconds.
    pub(super) backoff_ms: u64,
    /// The longest pause, milliseconds.
    pub(super) max_backoff_ms: u64,
    /// The failures in a row after which requests pause.
    pub(super) breaker_failures: u64,
    /// The longest pause of requests after these failures, milliseconds; it doubles while they go on.
    pub(super) breaker_ms: u64,
    /// The longest of these pauses, milliseconds.
    pub(super) max_breaker_ms: u64,
}

impl Default for EndpointSection {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            topics: Vec::new(),
            from: From::New,
            secret: Secret::default(),
            secret_file: PathBuf::new(),
            previous_secret: Secret::default(),
            previous_secret_file: PathBuf::new(),
            allow_http: false,
            connect_timeout_ms: 3_000,
            timeout_ms: 10_000,
            answer_bytes: 65_536,
            concurrency: 8,
            max_attempts: 20,
            max_age_s: 86_400,
            call_attempts: 5,
            backoff_ms: 1_000,
            max_backoff_ms: 3_600_000,
            breaker_failures: 5,
            breaker_ms: 1_000,
            max_breaker_ms: 60_000,
        }
    }
}

/// The first item that an endpoint gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum From {
    /// The first one after an outlet has first run with the endpoint.
    New,
    /// The oldest one that the stream still has.
    All,
}
