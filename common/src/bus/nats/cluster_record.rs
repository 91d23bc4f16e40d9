//! The cluster's record, which says how many partitions and streams there are.

use std::time::Duration;

use bytes::Bytes;
use grandstand_types::layout::Layout;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::bus::connect_error::ConnectError;
use crate::bus::error::{BusError, PutError};
use crate::bus::nats::connection::Connection;
use crate::bus::nats::replies::Waiter;
use crate::bus::nats::{names, streams};
use crate::bus::options::BusOptions;
use crate::bus::receipt::{Answer, PutReceipt};
use crate::bus::types::KvEntry;
use crate::record::{CLUSTER_KEY, ClusterRecord};
use crate::wire::BUS_PROTOCOL;

/// The pause before a put without an outcome is followed by another read.
const RETRY: Duration = Duration::from_millis(100);

pub(super) async fn read(connection: &Connection) -> Result<Option<ClusterRecord>, BusError> {
    parse(get(connection).await?.as_ref())
}

fn parse(entry: Option<&KvEntry>) -> Result<Option<ClusterRecord>, BusError> {
    let Some(value) = entry.and_then(|entry| entry.value.as_ref()) else {
        return Ok(None);
    };
    let record: Option<ClusterRecord> = serde_json::from_slice(value).ok();
    match record.filter(|record| record.layout.is_valid()) {
        Some(record) => Ok(Some(record)),
        None => Err(BusError::Malformed("the cluster's record")),
    }
}

/// Creates missing streams of the cluster's layout and checks existing ones.
pub(super) async fn ensure(
    connection: &Connection,
    options: &BusOptions,
    url: &str,
) -> Result<(), ConnectError> {
    if options.inspect_only {
        return Ok(());
    }
    streams::ensure_record(connection, options, url).await?;
    let layout = settle(connection, options).await?;
    connection.replies.set_layout(layout);
    streams::ensure_layout(connection, options, url, &layout).await?;
    connection.replies.on_set_up();
    Ok(())
}

/// Returns the stored layout. The first process of a cluster stores its own, whose streams must not exist with others'
/// partitions; a process that has known a layout stores it again if the record is gone.
async fn settle(connection: &Connection, options: &BusOptions) -> Result<Layout, ConnectError> {
    let setup = |cause| ConnectError::Setup {
        stream: connection.names.record().stream(),
        cause,
    };
    loop {
        let found = get(connection).await.map_err(setup)?;
        if let Some(record) = parse(found.as_ref()).map_err(setup)? {
            check_protocol(&record)?;
            return Ok(record.layout);
        }
        if !options.creates() {
            let stream = connection.names.record().stream();
            return Err(ConnectError::NotSetUp { stream });
        }
        let layout = connection.replies.layout().unwrap_or(options.layout());
        let checked = streams::check_existing(connection, options, &layout).await;
        // Another process may have stored its record and created these streams in between.
        if checked.is_err() && read(connection).await.map_err(setup)?.is_none() {
            checked?;
        }
        let record = ClusterRecord {
            bus_protocol: BUS_PROTOCOL,
            layout,
            next: None,
            previous: None,
        };
        let value = encode(&record).map_err(setup)?;
        let stored = put(connection, value, found.map_or(0, |entry| entry.revision)).await;
        if !matches!(stored, Ok(_) | Err(PutError::WrongRevision)) {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Checks that this program and the cluster speak the same protocol.
fn check_protocol(record: &ClusterRecord) -> Result<(), ConnectError> {
    if record.bus_protocol == BUS_PROTOCOL {
        Ok(())
    } else {
        Err(ConnectError::OtherProtocol {
            own: BUS_PROTOCOL,
            theirs: record.bus_protocol,
        })
    }
}

async fn get(connection: &Connection) -> Result<Option<KvEntry>, BusError> {
    let bucket = connection.names.record();
    let stream = bucket.stream();
    let subject = bucket.subject(CLUSTER_KEY);
    connection
        .last_message(&stream, &subject, CLUSTER_KEY)
        .await
}

fn encode(record: &impl Serialize) -> Result<Bytes, BusError> {
    let value = serde_json::to_vec(record);
    let value = value.map_err(|_| BusError::NotEncoded("the cluster's record"))?;
    Ok(value.into())
}

async fn put(connection: &Connection, value: Bytes, revision: u64) -> Result<u64, PutError> {
    let subject = connection.names.record().subject(CLUSTER_KEY);
    let headers = names::expecting(revision);
    let (sender, receiver) = oneshot::channel();
    connection
        .ask(subject, Some(headers), value, Waiter::Put(sender))
        .await?
        .keep();
    PutReceipt::new(Answer::Pending(receiver)).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_record_that_cannot_be_encoded_is_an_error_and_no_empty_value() {
        let no_json = BTreeMap::from([((1, 2), 3)]);
        let error = encode(&no_json).unwrap_err();
        assert_eq!(error, BusError::NotEncoded("the cluster's record"));
    }
}
