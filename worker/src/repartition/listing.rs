//! Lists and writes keys of buckets.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Bus, BusError, KvEntry, PutError, Read};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RepartitionError;

/// The number of attempts of a write whose outcome is unknown.
const ATTEMPTS: u32 = 20;
/// The pause between them.
const RETRY: Duration = Duration::from_millis(500);
/// The time that the marker of a deleted key is kept.
const MARKER: Duration = Duration::from_secs(60);

/// The keys of a bucket that have a value.
pub(super) async fn list(bus: &Bus, bucket: Bucket) -> Result<Vec<KvEntry>, BusError> {
    let mut reader = bus.watch(bucket, "").await?;
    let mut found = Vec::new();
    loop {
        match reader.next().await {
            Read::Item(entry, behind) => {
                found.push(entry);
                if behind == 0 {
                    break;
                }
            }
            Read::Idle => break,
            Read::Lost => return Err(BusError::Disconnected),
        }
    }
    found.retain(|entry| entry.value.is_some());
    Ok(found)
}

/// Encodes a record as it is stored.
pub(super) fn encode(key: &str, record: &impl Serialize) -> Result<Bytes, RepartitionError> {
    let value = serde_json::to_vec(record);
    let value = value.map_err(|cause| RepartitionError::Encode {
        what: key.to_owned(),
        cause,
    })?;
    Ok(value.into())
}

/// Decodes a stored record.
///
/// # Errors
/// If it cannot be read. To take it for missing would lose what it protects.
pub(super) fn decode<T: DeserializeOwned>(
    bucket: &'static str,
    key: &str,
    value: &Bytes,
) -> Result<T, RepartitionError> {
    serde_json::from_slice(value).map_err(|cause| RepartitionError::Unreadable {
        bucket,
        key: key.to_owned(),
        cause,
    })
}

/// Writes a key that has no value. A key with a value was written by an interrupted run.
pub(super) async fn create(
    bus: &Bus,
    bucket: Bucket,
    key: &str,
    value: Bytes,
) -> Result<(), RepartitionError> {
    let mut revision = 0;
    for attempt in 1.. {
        let cause = match bus.put_if(bucket, key, value.clone(), revision).await {
            Ok(_) => return Ok(()),
            Err(cause) => cause,
        };
        let may_pass = matches!(
            cause,
            PutError::WrongRevision | PutError::Unknown(_) | PutError::NotSent(_)
        );
        if !may_pass || attempt == ATTEMPTS {
            return Err(failed(key, cause));
        }
        if !matches!(cause, PutError::WrongRevision) {
            tokio::time::sleep(RETRY).await;
        }
        match bus.get(bucket, key).await {
            Ok(Some(entry)) if entry.value.is_some() => return Ok(()),
            // The marker of a key that an undone run had written.
            Ok(entry) => revision = entry.map_or(0, |entry| entry.revision),
            Err(error) => tracing::debug!(%error, key, "cannot read a key"),
        }
    }
    Ok(())
}

/// Writes a key, whatever its value is.
pub(super) async fn replace(
    bus: &Bus,
    bucket: Bucket,
    key: &str,
    value: Bytes,
) -> Result<(), RepartitionError> {
    let found = bus.get(bucket, key).await?;
    let revision = found.map_or(0, |entry| entry.revision);
    let put = bus.put_if(bucket, key, value, revision).await;
    put.map(drop).map_err(|cause| failed(key, cause))
}

/// Deletes a key.
pub(super) async fn delete(
    bus: &Bus,
    bucket: Bucket,
    entry: &KvEntry,
) -> Result<(), RepartitionError> {
    let deleted = bus
        .delete_if(bucket, &entry.key, entry.revision, MARKER)
        .await;
    match deleted {
        Ok(_) | Err(PutError::WrongRevision) => Ok(()),
        Err(cause) => Err(failed(&entry.key, cause)),
    }
}

/// The error of a key that cannot be written.
pub(super) fn failed(key: &str, cause: PutError) -> RepartitionError {
    RepartitionError::Put {
        what: key.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use grandstand_common::record::Lease;

    use super::*;

    #[test]
    fn a_record_that_cannot_be_encoded_is_an_error_and_no_empty_value() {
        let no_json = BTreeMap::from([((1, 2), 3)]);
        let error = encode("7", &no_json).unwrap_err().to_string();
        assert!(error.starts_with("7 cannot be encoded: "), "{error}");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_with_its_place() {
        let error = decode::<Lease>("leases", "7", &Bytes::new()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("key 7 of the bucket leases"), "{error}");
    }
}
