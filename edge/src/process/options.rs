//! What an edge is started with beside its configuration, and why it does not start.

use std::sync::Arc;

use grandstand_common::auth::AuthConfigError;
use grandstand_common::bus::{Bus, BusError, ConnectError};
use grandstand_common::cluster::JoinError;
use grandstand_common::exit::Exit;

use crate::process::config::EdgeConfig;
use crate::server::listen::ListenError;
use crate::server::routes::Pages;
use crate::shard::admission::AdmissionPolicy;

/// Why an edge does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Its address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It cannot connect to the bus.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster does not want it.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The bus does not take its subscriptions.
    #[error("cannot subscribe on the bus: {0}")]
    Subscribe(#[from] BusError),
    /// A thread or runtime cannot be had.
    #[error("cannot start a shard: {0}")]
    Thread(#[from] std::io::Error),
    /// A shard ended by itself.
    #[error("a shard has ended by itself; the log says why")]
    Ended,
}

impl EdgeError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Listen(ListenError::Taken { .. }) => Exit::AddressInUse,
            Self::Listen(_) => Exit::Config,
            Self::Connect(error) => error.exit(),
            Self::Subscribe(_) => Exit::Unavailable,
            Self::Join(error) => error.exit(),
            Self::Thread(_) | Self::Ended => Exit::Internal,
        }
    }
}

/// How shards get to the bus.
#[derive(Debug, Clone)]
pub enum BusSource {
    /// Each connects to NATS by itself, as the configuration says.
    Nats,
    /// All use this one: the embedded bus.
    Shared(Bus),
}

/// What the configuration file does not say.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    /// How shards get to the bus.
    pub bus: BusSource,
    /// Who may come in.
    pub admission: AdmissionPolicy,
    /// Pages to serve beside the WebSockets.
    pub pages: Pages,
    /// Serve `/v1/echo`.
    pub echo: bool,
}

/// Makes an [`AdmissionPolicy`] from the configuration.
///
/// # Errors
/// If the key cannot be used.
pub fn admission(config: &EdgeConfig) -> Result<AdmissionPolicy, AuthConfigError> {
    Ok(AdmissionPolicy {
        verifier: Some(Arc::new(config.auth.verifier()?)),
        origins: config.edge.origins.clone(),
        trust_user: false,
    })
}
