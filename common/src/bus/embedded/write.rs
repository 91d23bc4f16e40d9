//! Writes: appends and puts.

use bytes::Bytes;
use grandstand_types::id::Partition;
use parking_lot::MutexGuard;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::bus::embedded::client::Embedded;
use crate::bus::embedded::faults::WriteOutcome;
use crate::bus::embedded::kv::Value;
use crate::bus::embedded::state::{Ack, PendingWrite, State, StoreChange};
use crate::bus::error::{AppendError, PublishError, Unanswered};
use crate::bus::options;
use crate::bus::receipt::{Answer, PutReceipt, Receipt};
use crate::bus::types::{Bucket, KeyWrite};

impl Embedded {
    pub(crate) async fn append(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<Receipt, PublishError> {
        let permit = self.permit().await;
        let mut guard = self.shared().state.lock();
        let state = &mut *guard;
        if !self.before_send(state, payload.len())? {
            let lost = Err(Unanswered::Disconnected.into());
            return Ok(Receipt::new(Answer::Ready(Some(lost))));
        }
        let Some(partition) = log_partition(&subject).filter(|p| state.log.has(*p)) else {
            return Ok(Receipt::new(Answer::Ready(Some(Err(
                AppendError::Unavailable,
            )))));
        };
        let outcome = state.faults.as_mut().map(|faults| faults.write(true));
        if outcome == Some(WriteOutcome::Lost) {
            return Ok(Receipt::new(never()));
        }
        if outcome == Some(WriteOutcome::Repeated) {
            state.append(partition, subject.clone(), payload.clone());
        }
        let (seq, to_write) = state.append(partition, subject, payload);
        if outcome == Some(WriteOutcome::AckLost) {
            return Ok(Receipt::new(never()));
        }
        let Some(entry) = to_write else {
            return Ok(Receipt::new(Answer::Ready(Some(Ok(seq)))));
        };
        let (sender, receiver) = oneshot::channel();
        let change = StoreChange::Append(partition, entry);
        self.queue(guard, change, Ack::Append(sender, seq), permit);
        Ok(Receipt::new(Answer::Pending(receiver)))
    }

    /// Queues a change for the disk, which answers `ack` once the change is stored.
    pub(super) fn queue(
        &self,
        mut state: MutexGuard<'_, State>,
        change: StoreChange,
        ack: Ack,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        state.queue.push(PendingWrite {
            change,
            ack: Some(ack),
            _permit: permit,
        });
        drop(state);
        self.shared().work.notify_one();
    }

    /// Waits until the disk has caught up enough.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        // Without a disk nothing below waits, and a writer in a loop must let other tasks run now and then.
        tokio::task::coop::consume_budget().await;
        self.shared().disk.as_ref()?;
        self.shared().permits.clone().acquire_owned().await.ok()
    }

    /// Starts to write a key whose revision is `expected`.
    pub(crate) async fn start_write(
        &self,
        bucket: Bucket,
        key: &str,
        write: KeyWrite,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        let (value, ttl_ms) = match write {
            KeyWrite::Value { value, ttl_s } => {
                (Value::InMemory(value), ttl_s.map(|ttl_s| ttl_s * 1000))
            }
            KeyWrite::Deletion { ttl_s } => (Value::Marker, Some(ttl_s * 1000)),
        };
        let bucket = self.shared().bucket(bucket);
        let permit = self.permit().await;
        let mut guard = self.shared().state.lock();
        let state = &mut *guard;
        let size = match &value {
            Value::InMemory(value) => value.len(),
            Value::OnDisk | Value::Marker => 0,
        };
        if !self.before_send(state, size)? {
            let lost = Err(Unanswered::Disconnected.into());
            return Ok(PutReceipt::new(Answer::Ready(Some(lost))));
        }
        let outcome = state.faults.as_mut().map(|faults| faults.write(false));
        if outcome == Some(WriteOutcome::Lost) {
            return Ok(PutReceipt::new(never()));
        }
        let (revision, to_write) = match state.put(bucket, key, value, ttl_ms, expected) {
            Ok(put) => put,
            Err(error) => return Ok(PutReceipt::new(Answer::Ready(Some(Err(error))))),
        };
        if outcome == Some(WriteOutcome::AckLost) {
            return Ok(PutReceipt::new(never()));
        }
        let Some(change) = to_write else {
            return Ok(PutReceipt::new(Answer::Ready(Some(Ok(revision)))));
        };
        let (sender, receiver) = oneshot::channel();
        self.queue(guard, change, Ack::Put(sender, revision), permit);
        Ok(PutReceipt::new(Answer::Pending(receiver)))
    }
}

fn log_partition(subject: &str) -> Option<Partition> {
    let (partition, room) = subject.strip_prefix("in.")?.split_once('.')?;
    if room.contains('.') {
        return None;
    }
    partition.parse().ok().map(Partition)
}

/// The answer that is lost on its way.
pub(super) fn never<E>() -> Answer<E> {
    Answer::Lost(Box::pin(tokio::time::sleep(options::RECEIPT_DEADLINE)))
}
