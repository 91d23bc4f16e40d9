//! The queue of what tasks have read for a room loop, bounded in items and in bytes (D26).

use std::sync::Arc;

use grandstand_common::bus::{KvEntry, LogEntry, Message, Read};
use grandstand_common::id::Partition;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::command::KvSource;

/// The most items that wait for the loop.
pub(super) const QUEUE: usize = 1024;
/// The most bytes of large items that wait for the loop.
const LARGE_BYTES: usize = 8 * 1024 * 1024;
/// The bytes up to which an item is small. Small items are bounded by their number.
const SMALL: usize = 4 * 1024;

/// An item that a task has read for the engine.
#[derive(Debug)]
pub(super) enum Work {
    /// An entry of a partition's log.
    Log(Partition, Read<LogEntry>),
    /// An entry of a room's log, from the reader with this number.
    Room(Partition, u64, Read<LogEntry>),
    /// A key of a partition.
    Kv(Partition, KvSource, Read<KvEntry>),
    /// The subscriptions of `ctl.{p}` and `live.{p}` are there.
    Listening(Partition),
    Live(Partition, Message),
    /// A request with an edge's interest.
    Ctl(Partition, Message),
    /// A request about a gap in the numbers of a link.
    LinkRequest(Message),
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Log(_, Read::Item(entry, _)) | Self::Room(_, _, Read::Item(entry, _)) => {
                entry.payload.len()
            }
            Self::Kv(_, _, Read::Item(entry, _)) => entry.value.as_ref().map_or(0, |v| v.len()),
            Self::Log(..) | Self::Room(..) | Self::Kv(..) | Self::Listening(_) => 0,
            Self::Live(_, message) | Self::Ctl(_, message) | Self::LinkRequest(message) => {
                message.payload.len()
            }
        }
    }
}

/// An item with the number of the task that has read it, and its share of the bytes.
#[derive(Debug)]
struct Queued {
    task: u64,
    work: Work,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// The end of the queue at which tasks add items.
#[derive(Debug, Clone)]
pub(super) struct WorkSender {
    items: mpsc::Sender<Queued>,
    large: Arc<Semaphore>,
}

/// The end of the queue from which the loop takes items.
#[derive(Debug)]
pub(super) struct WorkReceiver {
    items: mpsc::Receiver<Queued>,
}

pub(super) fn work_queue() -> (WorkSender, WorkReceiver) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let large = Arc::new(Semaphore::new(LARGE_BYTES));
    let items = sender;
    (
        WorkSender { items, large },
        WorkReceiver { items: receiver },
    )
}

impl WorkSender {
    /// Adds an item of a task, and waits while the queue is full. Returns whether the loop still takes items.
    pub(super) async fn send(&self, task: u64, work: Work) -> bool {
        let bytes = work.bytes();
        let permit = if bytes > SMALL {
            // The limit fits in a `u32`.
            let share = bytes.min(LARGE_BYTES) as u32;
            self.large.clone().acquire_many_owned(share).await.ok()
        } else {
            None
        };
        let queued = Queued {
            task,
            work,
            _bytes: permit,
        };
        self.items.send(queued).await.is_ok()
    }
}

impl WorkReceiver {
    /// Waits for the next item and the number of its task. Dropping the future loses no item.
    pub(super) async fn recv(&mut self) -> Option<(u64, Work)> {
        let queued = self.items.recv().await?;
        Some((queued.task, queued.work))
    }

    /// Returns the next item and the number of its task, if there is one.
    pub(super) fn try_recv(&mut self) -> Option<(u64, Work)> {
        let queued = self.items.try_recv().ok()?;
        Some((queued.task, queued.work))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn key(bytes: usize) -> Work {
        let entry = KvEntry {
            key: "1.echo-1".into(),
            value: Some(vec![0; bytes].into()),
            revision: 1,
            time_ms: 0,
        };
        Work::Kv(Partition(1), KvSource::Rooms, Read::Item(entry, 0))
    }

    fn fits(sender: &WorkSender, bytes: usize) -> bool {
        sender.send(1, key(bytes)).now_or_never().is_some()
    }

    #[test]
    fn d26_what_waits_for_a_room_loop_is_bounded_in_bytes() {
        let (sender, mut receiver) = work_queue();
        for _ in 0..8 {
            assert!(fits(&sender, 1024 * 1024));
        }
        assert!(!fits(&sender, 1024 * 1024));
        assert!(fits(&sender, SMALL), "small items have space of their own");
        assert!(receiver.try_recv().is_some());
        assert!(fits(&sender, 1024 * 1024));
        // An item above the limit is taken alone.
        while receiver.try_recv().is_some() {}
        assert!(fits(&sender, 2 * LARGE_BYTES));
        assert!(!fits(&sender, 2 * LARGE_BYTES));
        assert!(receiver.try_recv().is_some());
    }
}
