//! Joins a cluster: all of its processes must agree on the cluster's record.

use std::time::Duration;

use super::settings::ClusterSettings;
use crate::bus::{Bucket, Bus, BusError, ConnectionState, PutError};
use crate::exit::Exit;
use crate::record::{CLUSTER_KEY, ClusterRecord};
use crate::wire::BUS_PROTOCOL;

impl ClusterSettings {
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
