//! Makes one connection to NATS: the login, and errors in NATS' words.

use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerError};
use rand::RngExt as _;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use tokio::time::timeout;

use crate::bus::connect_error::ConnectError;
use crate::bus::nats::credentials::{self, Credentials};
use crate::bus::nats::names::Names;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::tls_files;
use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::bus::options::BusOptions;

/// The most time for one address.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most time for all addresses.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The prefix of the client library before NATS' words.
const WORDS: &str = "nats: ";

/// Connects to one of the servers.
pub(super) async fn connect(
    options: ConnectOptions,
    servers: &Servers,
) -> Result<Client, ConnectError> {
    let url = servers.to_string();
    let connecting = options.connect(servers.addresses());
    let Ok(connecting) = timeout(CONNECT_DEADLINE, connecting).await else {
        let after = CONNECT_DEADLINE;
        return Err(ConnectError::TimedOut { url, after });
    };
    connecting.map_err(|cause| match cause.kind() {
        ConnectErrorKind::TimedOut => {
            let after = CONNECT_TIMEOUT;
            ConnectError::TimedOut { url, after }
        }
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            ConnectError::Login { url, cause }
        }
        // Such as an expired login, or too many connections.
        _ => match words_in(&cause.to_string()).map(|words| NatsError::parse(&words).kind) {
            Some(NatsErrorKind::Login) => ConnectError::Login { url, cause },
            _ => ConnectError::Unreachable { url, cause },
        },
    })
}

/// NATS' words in an error.
pub(super) fn words(error: &ServerError) -> String {
    let text = error.to_string();
    text.strip_prefix(WORDS).unwrap_or(&text).to_owned()
}

/// NATS' words in the text of an error of the client library, if it has any.
pub(super) fn words_in(text: &str) -> Option<String> {
    let (_, words) = text.split_once(WORDS)?;
    Some(words.to_owned())
}

/// The first options of each connection: the login in the URL or of the credentials file, TLS, and where requests of the
/// client library are answered. The files are read for each connection.
pub(super) async fn options(
    servers: &Servers,
    options: &BusOptions,
) -> Result<ConnectOptions, ConnectError> {
    choose_cryptography();
    let first = tls_files::add_to(login(servers, options).await?, &options.tls);
    let requires_tls = servers.requires_tls() || options.tls.any();
    let inbox = Names::new(options).inbox();
    Ok(first.require_tls(requires_tls).custom_inbox_prefix(inbox))
}

/// Chooses the cryptography of the process for TLS, unless its program has. The client library would panic in a build with two
/// of them: rustls cannot choose then.
fn choose_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster.
        default_provider().install_default().ok();
    }
}

async fn login(servers: &Servers, options: &BusOptions) -> Result<ConnectOptions, ConnectError> {
    let Some(path) = &options.credentials else {
        return Ok(servers.with_login(ConnectOptions::new()));
    };
    if servers.has_login() {
        return Err(ConnectError::TwoLogins { path: path.clone() });
    }
    let opened = Credentials::open(path).await;
    let credentials = opened.map_err(|cause| ConnectError::Credentials {
        path: path.clone(),
        cause,
    })?;
    let answer = move |nonce| credentials.clone().answer(nonce);
    Ok(servers.with_login(ConnectOptions::with_auth_callback(answer)))
}

/// Checks that a credentials file can be read, and has a JWT and a key or the seed of an nkey in it.
///
/// # Errors
/// If it has not.
pub fn check_credentials(path: &Path) -> Result<(), ConnectError> {
    credentials::check(path).map_err(|cause| ConnectError::Credentials {
        path: path.to_owned(),
        cause,
    })
}

/// 22 random letters and digits, like the inbox names of other NATS clients.
pub(super) fn random_id() -> String {
    let rng = rand::rng();
    rng.sample_iter(rand::distr::Alphanumeric)
        .take(22)
        .map(char::from)
        .collect()
}
