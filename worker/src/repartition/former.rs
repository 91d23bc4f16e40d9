//! The remains of a former layout: its quarantine records.

use grandstand_common::bus::{Bucket, Bus};
use grandstand_common::subject;

use super::error::RepartitionError;
use super::listing::{delete, list};

/// Deletes the quarantine records of a layout.
pub(super) async fn delete_records(bus: &Bus) -> Result<(), RepartitionError> {
    for entry in list(bus, Bucket::Quarantine).await? {
        let place = subject::parse_room_key(&entry.key);
        if place.is_some_and(|(partition, _)| bus.layout().index_of(partition).is_some()) {
            delete(bus, Bucket::Quarantine, &entry).await?;
        }
    }
    Ok(())
}
