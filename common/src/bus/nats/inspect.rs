//! Connects to an existing cluster to inspect it.

use grandstand_types::layout::Layout;

use crate::bus::connect_error::ConnectError;
use crate::bus::error::BusError;
use crate::bus::nats::servers::Servers;
use crate::bus::nats::shared::Inner;
use crate::bus::nats::{cluster_record, connect};
use crate::bus::options::BusOptions;
use crate::record::ClusterRecord;
use crate::wire::BUS_PROTOCOL;

/// Connects with the numbers of the cluster's record.
pub(super) async fn connect(
    url: &str,
    options: &BusOptions,
) -> Result<(Inner, Layout), ConnectError> {
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
    connect::check_layout(&inner.servers, &options, &record.layout).await?;
    options.replicas = replicas;
    inner.options = options;
    Ok((inner, record.layout))
}

/// The cluster's record, and the number of replicas of each stream.
async fn record(inner: &Inner) -> Result<(ClusterRecord, usize), ConnectError> {
    let stream = inner.connection.names.record().stream();
    let url = || inner.servers.to_string();
    let read = async {
        let info = inner.connection.stream_info(&stream).await?;
        let record = cluster_record::read(&inner.connection).await?;
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
