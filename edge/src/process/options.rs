//! Start options beside the configuration file, and the errors of a start.

use std::sync::Arc;

use grandstand_common::auth::{AuthConfigError, KeySet};
use grandstand_common::bus::{Bus, BusError};
use grandstand_common::cluster::StartError;
use grandstand_common::exit::{Exit, ExitError};
use grandstand_common::supervisor::Supervisor;

use crate::process::api::EdgeApi;
use crate::process::config::EdgeConfig;
use crate::server::listen::ListenError;
use crate::server::routes::Pages;
use crate::server::tls::TlsError;
use crate::shard::admission::AdmissionPolicy;
use crate::shard::origins::Origins;

/// An error of an edge, at its start or later.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The edge cannot listen on an address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The edge cannot use its UDP address.
    #[error("UDP {0}")]
    Quic(ListenError),
    /// Its certificates cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// The edge cannot connect to the bus, or not join the cluster.
    #[error(transparent)]
    Bus(#[from] StartError),
    /// The bus refused a subscription.
    #[error("cannot subscribe on the bus: {0}")]
    Subscribe(#[from] BusError),
    /// A thread, a runtime or a file descriptor is unavailable.
    #[error("cannot start a shard: {0}")]
    Thread(#[from] std::io::Error),
    /// A shard ended before it was ready.
    #[error("a shard ended before it was ready; the log says why")]
    Ended,
}

impl ExitError for EdgeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Listen(ListenError::Taken { .. }) | Self::Quic(ListenError::Taken { .. }) => {
                Exit::AddressInUse
            }
            Self::Listen(_) | Self::Quic(_) | Self::Tls(_) => Exit::Config,
            Self::Bus(error) => error.exit(),
            Self::Subscribe(_) => Exit::Unavailable,
            Self::Thread(_) | Self::Ended => Exit::Internal,
        }
    }
}

/// The bus to which shards connect.
#[derive(Debug, Clone)]
pub enum BusSource {
    /// Each shard has its own connection to NATS, as configured.
    Nats,
    /// All shards share this embedded bus.
    Shared(Bus),
}

/// Start options that are not in the configuration file.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    /// The bus to which shards connect.
    pub bus: BusSource,
    /// Decides which clients may connect.
    pub admission: AdmissionPolicy,
    /// Pages served beside the WebSockets.
    pub pages: Arc<dyn Pages>,
    /// Whether to serve `/v1/echo`.
    pub echo: bool,
    /// Whether another process or edge may get the listening sockets, so that copies are kept. A listener is closed only once
    /// they are dropped.
    pub is_replaceable: bool,
    /// The admin API; `None` without one.
    pub api: Option<Arc<EdgeApi>>,
    /// Starts the parts of the edge.
    pub supervisor: Supervisor,
}

/// The reason why a configuration makes no [`AdmissionPolicy`].
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// There is no key for tokens, or one cannot be used.
    #[error("auth: {0}")]
    Auth(#[from] AuthConfigError),
    /// An origin cannot be used.
    #[error("edge.origins: it {0}")]
    Origins(String),
}

/// Creates the [`AdmissionPolicy`] of the configuration.
///
/// # Errors
/// See [`AdmissionError`].
pub fn admission(config: &EdgeConfig) -> Result<AdmissionPolicy, AdmissionError> {
    let auth = &config.auth;
    let verifier = auth.verifier()?;
    let key_set = KeySet::new(auth.key_set()?, verifier.clone());
    Ok(AdmissionPolicy {
        verifier,
        key_set,
        origins: Origins::new(config.edge.origins().map_err(AdmissionError::Origins)?),
        issuer: auth.token_issuer()?,
        trust_user: false,
    })
}
