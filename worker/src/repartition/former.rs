//! The remains of a former layout: its quarantine records, and the names of its streams.

use grandstand_common::bus::{Bucket, Bus};
use grandstand_common::layout::Layout;
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

/// The names of the streams of a layout, as the `nats` tool shows them.
pub fn names(layout: &Layout) -> Vec<String> {
    let streams = layout.all_streams();
    streams
        .flat_map(|stream| [format!("IN_{stream}"), format!("KV_rooms_{stream}")])
        .collect()
}
