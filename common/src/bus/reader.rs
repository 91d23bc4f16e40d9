//! Readers of the log and of buckets.

use tokio::sync::mpsc;

use crate::bus::embedded::{Cursor, KvPosition, LogPosition, OutKeys};
use crate::bus::types::{KvEntry, LogEntry, OutGap, OutItem, OutPosition, Read};

/// The source of a reader's entries.
#[derive(Debug)]
pub(crate) enum Source<T, C> {
    /// A task that reads a NATS consumer.
    Nats(mpsc::Receiver<Read<T>>),
    /// A cursor in the embedded store.
    Embedded(C),
}

/// Reads a partition's log: the stored entries from a sequence on, then new ones.
#[derive(Debug)]
pub struct LogReader(pub(crate) Source<LogEntry, Cursor<LogPosition>>);

/// Reads keys of a bucket in the order of revisions: current values and markers, then changes. If a key changes several
/// times meanwhile, only its last value is certain to come.
#[derive(Debug)]
pub struct KvReader(pub(crate) Source<KvEntry, Cursor<KvPosition>>);

impl LogReader {
    /// Returns the next entry, or [`Read::Idle`] once all stored ones are read. Cancel safe. Returns [`Read::Lost`] forever
    /// once the reader is lost.
    pub async fn next(&mut self) -> Read<LogEntry> {
        match &mut self.0 {
            Source::Nats(receiver) => receiver.recv().await.unwrap_or(Read::Lost),
            Source::Embedded(cursor) => cursor.next().await,
        }
    }

    /// The next entry, if it is available already.
    pub fn try_next(&mut self) -> Option<Read<LogEntry>> {
        match &mut self.0 {
            Source::Nats(receiver) => received(receiver.try_recv()),
            Source::Embedded(cursor) => cursor.try_next(),
        }
    }
}

impl KvReader {
    /// Returns the next key, or [`Read::Idle`] once all stored ones are read. Cancel safe. Returns [`Read::Lost`] forever
    /// once the reader is lost.
    pub async fn next(&mut self) -> Read<KvEntry> {
        match &mut self.0 {
            Source::Nats(receiver) => receiver.recv().await.unwrap_or(Read::Lost),
            Source::Embedded(cursor) => cursor.next().await,
        }
    }

    /// The next entry, if it is available already.
    pub fn try_next(&mut self) -> Option<Read<KvEntry>> {
        match &mut self.0 {
            Source::Nats(receiver) => received(receiver.try_recv()),
            Source::Embedded(cursor) => cursor.try_next(),
        }
    }
}

/// Reads what games emit: the stored items behind a position, then new ones.
#[derive(Debug)]
pub struct OutReader {
    pub(crate) source: Source<OutItem, Cursor<OutKeys>>,
    pub(crate) created_ms: u64,
    pub(crate) last: u64,
    pub(crate) gap: OutGap,
}

impl OutReader {
    /// Returns the next item, or [`Read::Idle`] once all stored ones are read. Cancel safe. Returns [`Read::Lost`] forever
    /// once the reader is lost; another one goes on behind the last item.
    pub async fn next(&mut self) -> Read<OutItem> {
        match &mut self.source {
            Source::Nats(receiver) => receiver.recv().await.unwrap_or(Read::Lost),
            Source::Embedded(cursor) => cursor.next().await,
        }
    }

    /// The position behind an item of this reader, from which another reader goes on.
    pub fn position(&self, item: &OutItem) -> OutPosition {
        OutPosition {
            created_ms: self.created_ms,
            seq: item.seq,
        }
    }

    /// The position behind the last item of the stream, when the reader was opened.
    pub fn end(&self) -> OutPosition {
        OutPosition {
            created_ms: self.created_ms,
            seq: self.last,
        }
    }

    /// The gap behind the position, when the reader was opened.
    pub fn gap(&self) -> OutGap {
        self.gap
    }
}

fn received<T>(result: Result<Read<T>, mpsc::error::TryRecvError>) -> Option<Read<T>> {
    match result {
        Ok(read) => Some(read),
        Err(mpsc::error::TryRecvError::Empty) => None,
        Err(mpsc::error::TryRecvError::Disconnected) => Some(Read::Lost),
    }
}
