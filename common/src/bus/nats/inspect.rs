//! Connects to an existing cluster to inspect it.

use crate::bus::connect_error::ConnectError;
use crate::bus::error::BusError;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::shared::Inner;
use crate::bus::nats::{connect, streams};
use crate::bus::options::BusOptions;
use crate::bus::types::Bucket;
use crate::record::{CLUSTER_KEY, ClusterRecord};
use crate::wire::BUS_PROTOCOL;

/// Connects with the numbers of the cluster's record.
pub(super) async fn connect(url: &str, options: &BusOptions) -> Result<Inner, ConnectError> {
    let mut options = BusOptions {
        inspect_only: true,
        ..options.clone()
    };
    let servers = Servers::parse(url)?;
    let (connection, tasks) = connect::connect(&servers, &options).await?;
    let mut inner = Inner::new(connection, &options, servers, tasks);
    let (record, replicas) = record(&inner).await?;
    if record.bus_protocol != BUS_PROTOCOL {
        return Err(ConnectError::OtherVersion {
            place: inner.servers.to_string(),
            found: format!("bus protocol {}", record.bus_protocol),
            wanted: BUS_PROTOCOL.to_string(),
        });
    }
    (options.partitions, options.streams) = (record.partitions, record.streams);
    options.replicas = replicas;
    options.check()?;
    inner.options = options;
    Ok(inner)
}

/// The cluster's record, and the number of replicas of each stream.
async fn record(inner: &Inner) -> Result<(ClusterRecord, usize), ConnectError> {
    let bucket = inner.options.bucket_name(Bucket::Cluster);
    let (stream, subject) = (
        streams::kv_name(&bucket),
        streams::kv_subject(&bucket, CLUSTER_KEY),
    );
    let url = || inner.servers.to_string();
    let read = async {
        let info = inner.connection.stream_info(&stream).await?;
        let found = inner
            .connection
            .last_message(&stream, &subject, CLUSTER_KEY);
        let value = found.await?.and_then(|entry| entry.value);
        let record = value
            .map(|value| serde_json::from_slice(&value))
            .transpose();
        let record = record.map_err(|_| BusError::Malformed("the cluster's record"))?;
        Ok(record.map(|record| (record, info.config.num_replicas)))
    };
    match read.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(BusError::NoStream) => Err(ConnectError::NothingThere {
            place: format!("NATS at {}", url()),
        }),
        Err(BusError::Unavailable) => Err(ConnectError::NoJetStream { url: url() }),
        Err(cause) => Err(ConnectError::Setup { stream, cause }),
    }
}
