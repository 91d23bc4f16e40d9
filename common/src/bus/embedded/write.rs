//! Writes: appends and puts.

use bytes::Bytes;
use grandstand_types::id::Partition;
use tokio::sync::oneshot;

use crate::bus::embedded::client::Embedded;
use crate::bus::embedded::faults::WriteOutcome;
use crate::bus::embedded::kv::Value;
use crate::bus::embedded::state::{Ack, PendingWrite, StoreChange};
use crate::bus::error::{AppendError, PublishError, Unanswered};
use crate::bus::options;
use crate::bus::receipt::{Answer, PutReceipt, Receipt};
use crate::bus::types::Bucket;

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
            return Ok(Receipt(Answer::Ready(Some(lost))));
        }
        let Some(partition) = log_partition(&subject).filter(|p| state.log.has(*p)) else {
            return Ok(Receipt(Answer::Ready(Some(Err(AppendError::Unavailable)))));
        };
        let outcome = state.faults.as_mut().map(|faults| faults.write(true));
        if outcome == Some(WriteOutcome::Lost) {
            return Ok(Receipt(never()));
        }
        if outcome == Some(WriteOutcome::Repeated) {
            state.append(partition, subject.clone(), payload.clone());
        }
        let (seq, to_write) = state.append(partition, subject, payload);
        if outcome == Some(WriteOutcome::AckLost) {
            return Ok(Receipt(never()));
        }
        let Some(entry) = to_write else {
            return Ok(Receipt(Answer::Ready(Some(Ok(seq)))));
        };
        let (sender, receiver) = oneshot::channel();
        state.queue.push(PendingWrite {
            change: StoreChange::Append(partition, entry),
            ack: Some(Ack::Append(sender, seq)),
            _permit: permit,
        });
        drop(guard);
        self.shared().work.notify_one();
        Ok(Receipt(Answer::Pending(receiver)))
    }

    /// Waits until the disk has caught up enough.
    async fn permit(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        // Without a disk nothing below waits, and a writer in a loop must let other tasks run now and then.
        tokio::task::coop::consume_budget().await;
        self.shared().disk.as_ref()?;
        self.shared().permits.clone().acquire_owned().await.ok()
    }

    pub(crate) async fn start_put_if(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        self.put(bucket, key, (Value::InMemory(value), None), expected)
            .await
    }

    pub(crate) async fn start_put_expiring(
        &self,
        bucket: Bucket,
        key: &str,
        (value, ttl_s): (Bytes, u64),
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        let value = (Value::InMemory(value), Some(ttl_s * 1000));
        self.put(bucket, key, value, expected).await
    }

    pub(crate) async fn start_delete_if(
        &self,
        bucket: Bucket,
        key: &str,
        expected: u64,
        ttl_s: u64,
    ) -> Result<PutReceipt, PublishError> {
        let marker = (Value::Marker, Some(ttl_s * 1000));
        self.put(bucket, key, marker, expected).await
    }

    async fn put(
        &self,
        bucket: Bucket,
        key: &str,
        value: (Value, Option<u64>),
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        let bucket = self.shared().bucket(bucket);
        let permit = self.permit().await;
        let mut guard = self.shared().state.lock();
        let state = &mut *guard;
        let size = match &value.0 {
            Value::InMemory(value) => value.len(),
            Value::OnDisk | Value::Marker => 0,
        };
        if !self.before_send(state, size)? {
            let lost = Err(Unanswered::Disconnected.into());
            return Ok(PutReceipt(Answer::Ready(Some(lost))));
        }
        let outcome = state.faults.as_mut().map(|faults| faults.write(false));
        if outcome == Some(WriteOutcome::Lost) {
            return Ok(PutReceipt(never()));
        }
        let (revision, to_write) = match state.put(bucket, key, value, expected) {
            Ok(put) => put,
            Err(error) => return Ok(PutReceipt(Answer::Ready(Some(Err(error))))),
        };
        if outcome == Some(WriteOutcome::AckLost) {
            return Ok(PutReceipt(never()));
        }
        let Some(change) = to_write else {
            return Ok(PutReceipt(Answer::Ready(Some(Ok(revision)))));
        };
        let (sender, receiver) = oneshot::channel();
        state.queue.push(PendingWrite {
            change,
            ack: Some(Ack::Put(sender, revision)),
            _permit: permit,
        });
        drop(guard);
        self.shared().work.notify_one();
        Ok(PutReceipt(Answer::Pending(receiver)))
    }
}

fn log_partition(subject: &str) -> Option<Partition> {
    let (partition, room) = subject.strip_prefix("in.")?.split_once('.')?;
    if room.contains('.') {
        return None;
    }
    partition.parse().ok().map(Partition)
}

fn never<E>() -> Answer<E> {
    Answer::Lost(Box::pin(tokio::time::sleep(options::RECEIPT_DEADLINE)))
}
