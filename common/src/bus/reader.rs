//! The handles that the log and buckets are read with.

use tokio::sync::mpsc;

use crate::bus::embedded::{Cursor, KvPosition, LogPosition};
use crate::bus::types::{KvEntry, LogEntry, Read};

/// Where a reader gets its entries.
#[derive(Debug)]
pub(crate) enum Source<T, C> {
    /// A task that reads a NATS consumer.
    Nats(mpsc::Receiver<Read<T>>),
    /// A place in the embedded store.
    Embedded(C),
}

/// Reads a partition's log: what is stored from a sequence on, then live.
#[derive(Debug)]
pub struct LogReader(pub(crate) Source<LogEntry, Cursor<LogPosition>>);

/// Reads keys of a bucket: their current values (and markers), then changes. In the order of revisions; of a key that
/// changed several times meanwhile only the last value is sure to come.
#[derive(Debug)]
pub struct KvReader(pub(crate) Source<KvEntry, Cursor<KvPosition>>);

impl LogReader {
    /// The next entry, or that there is none now. Cancel safe. Yields [`Read::Lost`] for ever once it was lost.
    pub async fn next(&mut self) -> Read<LogEntry> {
        match &mut self.0 {
            Source::Nats(receiver) => receiver.recv().await.unwrap_or(Read::Lost),
            Source::Embedded(cursor) => cursor.next().await,
        }
    }

    /// The same, if it is there already.
    pub fn try_next(&mut self) -> Option<Read<LogEntry>> {
        match &mut self.0 {
            Source::Nats(receiver) => received(receiver.try_recv()),
            Source::Embedded(cursor) => cursor.try_next(),
        }
    }
}

impl KvReader {
    /// The next entry, or that there is none now. Cancel safe. Yields [`Read::Lost`] for ever once it was lost.
    pub async fn next(&mut self) -> Read<KvEntry> {
        match &mut self.0 {
            Source::Nats(receiver) => receiver.recv().await.unwrap_or(Read::Lost),
            Source::Embedded(cursor) => cursor.next().await,
        }
    }

    /// The same, if it is there already.
    pub fn try_next(&mut self) -> Option<Read<KvEntry>> {
        match &mut self.0 {
            Source::Nats(receiver) => received(receiver.try_recv()),
            Source::Embedded(cursor) => cursor.try_next(),
        }
    }
}

fn received<T>(result: Result<Read<T>, mpsc::error::TryRecvError>) -> Option<Read<T>> {
    match result {
        Ok(read) => Some(read),
        Err(mpsc::error::TryRecvError::Empty) => None,
        Err(mpsc::error::TryRecvError::Disconnected) => Some(Read::Lost),
    }
}
