//! The bytes of the messages that wait in the client library to be written (D26).
//!
//! The library bounds their number only. A large payload therefore holds permits until the library drops it, which it
//! does once it has written it. Small ones are bounded by their number.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The most bytes of large payloads that wait to be written. Further senders wait.
const MAX_BYTES: usize = 32 << 20;
/// The size up to which a payload counts as small: as many as the library queues have 4 MiB.
const SMALL: usize = 1024;

/// The bytes of a connection that wait to be written.
#[derive(Debug, Clone)]
pub(super) struct SendQueue(Arc<Semaphore>);

/// A payload and the permits that it holds.
struct QueuedPayload {
    payload: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for QueuedPayload {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl SendQueue {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BYTES)))
    }

    /// Counts a payload, without waiting; `None` if there is no room.
    pub(super) fn try_count(&self, payload: &Bytes) -> Option<Bytes> {
        if payload.len() <= SMALL {
            return Some(payload.clone());
        }
        match self.0.clone().try_acquire_many_owned(permits(payload)) {
            Ok(permit) => Some(queued(payload.clone(), permit)),
            Err(TryAcquireError::NoPermits) => None,
            // It is never closed.
            Err(TryAcquireError::Closed) => Some(payload.clone()),
        }
    }

    /// Counts a payload, and waits until there is room for it. Cancel safe.
    pub(super) async fn count(&self, payload: Bytes) -> Bytes {
        match self.0.clone().acquire_many_owned(permits(&payload)).await {
            Ok(permit) => queued(payload, permit),
            // It is never closed.
            Err(_) => payload,
        }
    }
}

/// The permits of a payload: a larger one than all of them has the queue to itself.
fn permits(payload: &Bytes) -> u32 {
    u32::try_from(payload.len().min(MAX_BYTES)).unwrap_or(u32::MAX)
}

fn queued(payload: Bytes, permit: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(QueuedPayload {
        payload,
        _permit: permit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d26_payloads_that_wait_to_be_written_are_bounded_in_bytes() {
        let queue = SendQueue::new();
        let payload = Bytes::from(vec![7; 1 << 20]);
        let mut waiting = Vec::new();
        while let Some(queued) = queue.try_count(&payload) {
            assert_eq!(queued, payload);
            waiting.push(queued);
        }
        assert_eq!(waiting.len(), MAX_BYTES >> 20);
        assert!(queue.try_count(&Bytes::from_static(b"small")).is_some());
        // A part of a payload keeps all of it.
        let part = waiting.pop().map(|payload| payload.slice(..1));
        assert!(queue.try_count(&payload).is_none());
        drop(part);
        assert!(queue.try_count(&payload).is_some());
        drop(waiting);
        assert!(queue.try_count(&Bytes::from(vec![7; 40 << 20])).is_some());
    }
}
