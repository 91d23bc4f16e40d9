//! The stream of what games emit.

use bytes::Bytes;
use grandstand_types::id::Topic;

use crate::bus::api::Bus;
use crate::bus::error::{BusError, PublishError};
use crate::bus::reader::{OutReader, Source};
use crate::bus::receipt::Receipt;
use crate::bus::stats::BusStats;
use crate::bus::subject_check;
use crate::bus::types::OutPosition;

impl Bus {
    /// Appends an item to the stream of what games emit (`out.{topic}`). The receipt later tells that it is stored, and its
    /// sequence. An item whose id was stored in the last two minutes is not stored again; its receipt tells the first one's
    /// sequence. `id` has the characters of a key, at most 128.
    ///
    /// # Errors
    /// If the item cannot be sent.
    pub async fn emit(
        &self,
        topic: &Topic,
        id: &str,
        body: Bytes,
    ) -> Result<Receipt, PublishError> {
        subject_check::message_id(id)?;
        BusStats::count(&self.stats().emits);
        match self {
            Self::Nats(bus) => bus.emit(topic, id, body).await,
            Self::Embedded(bus) => bus.emit(topic, id, body).await,
        }
    }

    /// Reads the items of some topics, or of all and the calls if `topics` is empty: those that are stored behind a position, then new
    /// ones. Without a position it begins with the first one that still exists. [`OutReader::gap`] says whether items behind
    /// the position are gone. Each item comes at least once: a consumer tolerates repeats of an id.
    ///
    /// # Errors
    /// If reading cannot start.
    pub async fn read_out(
        &self,
        topics: &[Topic],
        after: Option<OutPosition>,
    ) -> Result<OutReader, BusError> {
        let (stream, source) = match self {
            Self::Nats(bus) => {
                let (stream, receiver) = bus.read_out(topics, after).await?;
                (stream, Source::Nats(receiver))
            }
            Self::Embedded(bus) => {
                let (stream, cursor) = bus.read_out(topics, after).await?;
                (stream, Source::Embedded(cursor))
            }
        };
        Ok(OutReader {
            source,
            created_ms: stream.created_ms,
            last: stream.last,
            gap: OutPosition::resume(after, &stream).1,
        })
    }
}
