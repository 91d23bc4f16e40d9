//! The settings that all processes of a cluster share: their bus, and the numbers that they must agree on.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bus::{
    Bucket, Bus, BusError, BusOptions, ConnectError, ConnectionState, LogLimit, PutError, Servers,
    Storage, check_credentials,
};
use crate::exit::Exit;
use crate::process::config::Checks;
use crate::record::{CLUSTER_KEY, ClusterRecord};
use crate::supervisor::Supervisor;
use crate::wire::BUS_PROTOCOL;

/// The section `[cluster]` of every process' configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSettings {
    /// NATS servers, separated by commas.
    pub url: String,
    /// A `.creds` file for NATS; empty for none.
    pub credentials: String,
    /// The number of partitions that rooms are hashed to. The same in all processes, forever.
    pub partitions: u16,
    /// The number of streams that partitions are spread over. The same in all processes, forever.
    pub streams: u16,
    /// The number of servers that keep each stream: 1, 3 or 5.
    pub replicas: u16,
    /// How long the log keeps an entry, in seconds.
    pub log_max_age_s: u64,
    /// The most bytes that each stream of the log may hold; 0 for a share of the storage that NATS has left, -1 for no
    /// limit but the server's. Used when a stream is created.
    pub log_max_bytes: i64,
    /// Keeps streams in the memory of NATS. For tests and benches: the streams do not survive a restart of NATS.
    pub memory_storage: bool,
}

/// Leaves out the login in the URL.
impl fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Servers::parse(&self.url).map(|servers| servers.to_string());
        f.debug_struct("ClusterSettings")
            .field("url", &url)
            .field("credentials", &self.credentials)
            .field("partitions", &self.partitions)
            .field("streams", &self.streams)
            .field("replicas", &self.replicas)
            .field("log_max_age_s", &self.log_max_age_s)
            .field("log_max_bytes", &self.log_max_bytes)
            .field("memory_storage", &self.memory_storage)
            .finish()
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            credentials: String::new(),
            partitions: 64,
            streams: 4,
            replicas: 1,
            log_max_age_s: 3600,
            log_max_bytes: 0,
            memory_storage: false,
        }
    }
}

impl ClusterSettings {
    /// Checks ranges that the types cannot express, the addresses, and the credentials file.
    pub fn validate(&self, checks: &mut Checks) {
        let servers = Servers::parse(&self.url);
        if let Err(error) = &servers {
            checks.require("cluster.url", false, || format!("is wrong: {error}"));
        }
        if !self.credentials.is_empty() {
            if let Err(error) = check_credentials(Path::new(&self.credentials)) {
                checks.require("cluster.credentials", false, || {
                    format!("is wrong: {error}")
                });
            }
            checks.require(
                "cluster.credentials",
                !servers.is_ok_and(|servers| servers.has_login()),
                || "must be empty, because `cluster.url` names a user or token; use one of them",
            );
        }
        checks.range("cluster.partitions", self.partitions.into(), 1..=4096);
        let streams = u64::from(self.partitions.max(1));
        checks.range("cluster.streams", self.streams.into(), 1..=streams);
        checks.require(
            "cluster.replicas",
            matches!(self.replicas, 1 | 3 | 5),
            || "must be 1, 3 or 5",
        );
        checks.range(
            "cluster.log_max_age_s",
            self.log_max_age_s,
            600..=31_536_000,
        );
        checks.require(
            "cluster.log_max_bytes",
            self.log_max_bytes >= -1,
            || "must be a number of bytes, 0 for a share of NATS' storage, or -1 for no limit",
        );
    }

    /// The options of a bus connection called `name`, which the `nats` tool shows. `supervisor` starts its tasks.
    pub fn bus_options(&self, name: &str, supervisor: &Supervisor) -> BusOptions {
        BusOptions {
            supervisor: supervisor.clone(),
            streams: self.streams,
            partitions: self.partitions,
            log_max_age: Duration::from_secs(self.log_max_age_s),
            log_limit: match u64::try_from(self.log_max_bytes) {
                Ok(0) => LogLimit::Share,
                Ok(bytes) => LogLimit::Bytes(bytes),
                Err(_) => LogLimit::Unlimited,
            },
            replicas: self.replicas.into(),
            storage: if self.memory_storage {
                Storage::Memory
            } else {
                Storage::File
            },
            name: name.to_owned(),
            credentials: (!self.credentials.is_empty()).then(|| self.credentials.clone().into()),
            ..BusOptions::default()
        }
    }

    /// Connects to NATS.
    ///
    /// # Errors
    /// If NATS cannot be reached or is not configured as needed.
    pub async fn connect(&self, name: &str, supervisor: &Supervisor) -> Result<Bus, ConnectError> {
        Bus::connect_nats(&self.url, &self.bus_options(name, supervisor)).await
    }

    /// Joins the cluster. The first process writes the cluster's record; every other process must match it.
    ///
    /// # Errors
    /// If the cluster's record differs from this process' settings.
    pub async fn join(&self, bus: &Bus) -> Result<(), JoinError> {
        let own = ClusterRecord {
            bus_protocol: BUS_PROTOCOL,
            partitions: self.partitions,
            streams: self.streams,
        };
        loop {
            let found = bus.get(Bucket::Cluster, CLUSTER_KEY).await?;
            let revision = found.as_ref().map_or(0, |entry| entry.revision);
            if let Some(value) = found.and_then(|entry| entry.value) {
                let theirs: ClusterRecord =
                    serde_json::from_slice(&value).map_err(|_| JoinError::Unreadable)?;
                return own.agree(&theirs);
            }
            let value = serde_json::to_vec(&own).map_err(|_| JoinError::Unreadable)?;
            match bus
                .put_if(Bucket::Cluster, CLUSTER_KEY, value.into(), revision)
                .await
            {
                Ok(_) => return Ok(()),
                Err(PutError::WrongRevision | PutError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// [Joins](Self::join) again after every reconnect, because the bus may have come back without the record. Ends
    /// with the bus.
    pub async fn keep_joined(self, bus: Bus) {
        let mut connection_state = bus.connection_state();
        while connection_state.changed().await.is_ok() {
            if !matches!(
                *connection_state.borrow_and_update(),
                ConnectionState::Up(_)
            ) {
                continue;
            }
            while let Err(error) = self.join(&bus).await {
                if error.exit() == Exit::Config {
                    tracing::error!(%error, "this process no longer fits the cluster");
                    break;
                }
                tracing::debug!(%error, "cannot read the cluster's record");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// The pause before a failed read of the cluster's record is repeated.
const RETRY: Duration = Duration::from_secs(1);

impl ClusterRecord {
    fn agree(&self, theirs: &Self) -> Result<(), JoinError> {
        let differ = |key, own: u32, theirs: u32| match own == theirs {
            true => Ok(()),
            false => Err(JoinError::Differs { key, own, theirs }),
        };
        if self.bus_protocol != theirs.bus_protocol {
            return Err(JoinError::Protocol {
                own: self.bus_protocol,
                theirs: theirs.bus_protocol,
            });
        }
        differ(
            "cluster.partitions",
            self.partitions.into(),
            theirs.partitions.into(),
        )?;
        differ(
            "cluster.streams",
            self.streams.into(),
            theirs.streams.into(),
        )
    }
}

/// Why a process cannot join the cluster.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// This process and the cluster speak different versions of the bus protocol.
    #[error(
        "this process speaks bus protocol {own}, the cluster {theirs}: run a build that speaks {theirs}, or use another \
         NATS account"
    )]
    Protocol {
        /// The version that this process speaks.
        own: u32,
        /// The version that the cluster speaks.
        theirs: u32,
    },
    /// A setting of this process differs from the cluster's.
    #[error(
        "this process has {key} {own}, the cluster has {theirs}: set it to {theirs}, or use another NATS account"
    )]
    Differs {
        /// The key of the setting.
        key: &'static str,
        /// This process' value.
        own: u32,
        /// The cluster's value.
        theirs: u32,
    },
    /// The cluster's record cannot be parsed.
    #[error(
        "the cluster's record (bucket cluster, key settings) cannot be read: delete it if the cluster is empty"
    )]
    Unreadable,
    /// The record cannot be read from the bus.
    #[error("cannot read the cluster's record: {0}")]
    Bus(#[from] BusError),
    /// The record cannot be written to the bus.
    #[error("cannot write the cluster's record: {0}")]
    Put(#[from] PutError),
}

impl JoinError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Protocol { .. } | Self::Differs { .. } | Self::Unreadable => Exit::Config,
            Self::Bus(_) | Self::Put(_) => Exit::Unavailable,
        }
    }
}
