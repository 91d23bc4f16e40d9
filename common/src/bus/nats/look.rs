//! Connecting to a cluster that is there, only to look at it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::bus::nats::{Inner, Nats, link, streams};
use crate::bus::{Bucket, BusError, BusOptions, ConnectError};
use crate::cluster;
use crate::record::ClusterRecord;
use crate::wire::BUS_PROTOCOL;

impl Nats {
    /// With the numbers that the cluster's record has.
    pub(crate) async fn look(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        let mut options = BusOptions {
            look: true,
            ..options.clone()
        };
        let servers = link::parse(url)?;
        let (wire, tasks) = link::connect(&servers, &options).await?;
        let mut inner = Inner {
            wire,
            options: options.clone(),
            servers,
            tasks,
            readers: AtomicU64::new(0),
        };
        let record = record(&inner).await?;
        if record.bus_protocol != BUS_PROTOCOL {
            return Err(ConnectError::OtherVersion {
                place: link::shown(&inner.servers),
                found: format!("bus protocol {}", record.bus_protocol),
                wanted: BUS_PROTOCOL.to_string(),
            });
        }
        (options.partitions, options.streams) = (record.partitions, record.streams);
        options.check()?;
        inner.options = options;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

async fn record(inner: &Inner) -> Result<ClusterRecord, ConnectError> {
    let bucket = inner.options.bucket_name(Bucket::Cluster);
    let (stream, subject) = (
        streams::kv_name(&bucket),
        streams::kv_subject(&bucket, cluster::KEY),
    );
    let found = match inner
        .wire
        .last_message(&stream, &subject, cluster::KEY)
        .await
    {
        Ok(found) => found,
        Err(BusError::NoStream) => None,
        Err(BusError::Unavailable) => {
            let url = link::shown(&inner.servers);
            return Err(ConnectError::NoJetStream { url });
        }
        Err(cause) => return Err(ConnectError::Setup { stream, cause }),
    };
    let Some(value) = found.and_then(|entry| entry.value) else {
        let place = format!("NATS at {}", link::shown(&inner.servers));
        return Err(ConnectError::NothingThere { place });
    };
    serde_json::from_slice(&value).map_err(|_| ConnectError::Setup {
        stream,
        cause: BusError::Malformed("the cluster's record"),
    })
}
