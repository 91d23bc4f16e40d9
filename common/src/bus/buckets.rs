//! The buckets of a bus: reads, writes and watches of keys.

use std::time::Duration;

use bytes::Bytes;

use crate::bus::api::Bus;
use crate::bus::error::{BusError, PublishError, PutError};
use crate::bus::key_filter::KeyFilter;
use crate::bus::operation::Operation;
use crate::bus::options::whole_seconds;
use crate::bus::reader::{KvReader, Source};
use crate::bus::receipt::PutReceipt;
use crate::bus::stats::BusStats;
use crate::bus::subject_check;
use crate::bus::types::{Bucket, KeyWrite, KvEntry};

impl Bus {
    /// Reads a key's value, or the marker of its deletion. Never returns an older one than was acked.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<KvEntry>, BusError> {
        subject_check::key(key)?;
        let timing = self.begin(Operation::KvGet);
        let found = match self {
            Self::Nats(bus) => bus.get(bucket, key).await,
            Self::Embedded(bus) => bus.get(bucket, key).await,
        };
        timing.end_with(&found);
        found
    }

    /// Compare-and-swap: writes a value if the key still has revision `expected`, and returns the new revision.
    /// Revision 0 means that the key was never written, or its marker has expired.
    ///
    /// # Errors
    /// See [`PutError`]. After [`PutError::Unknown`] the value may have been written.
    pub async fn put_if(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<u64, PutError> {
        self.start_put_if(bucket, key, value, expected).await?.await
    }

    /// Writes like [`put_if`](Self::put_if), pipelined like [`append`](Self::append).
    ///
    /// # Errors
    /// If the value cannot be sent.
    pub async fn start_put_if(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        let write = KeyWrite::Value { value, ttl_s: None };
        self.start_write(bucket, key, write, expected).await
    }

    /// Writes like [`put_if`](Self::put_if) a value that is removed after `ttl` (rounded up to whole seconds). A
    /// watcher is not told of the removal.
    ///
    /// # Errors
    /// See [`PutError`]. After [`PutError::Unknown`] the value may have been written.
    pub async fn put_expiring(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        ttl: Duration,
        expected: u64,
    ) -> Result<u64, PutError> {
        let ttl_s = Some(whole_seconds(ttl));
        let write = KeyWrite::Value { value, ttl_s };
        self.start_write(bucket, key, write, expected).await?.await
    }

    /// Deletes a key that still has revision `expected`: writes a marker, which expires after `ttl` (rounded up to
    /// whole seconds), and returns the marker's revision.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn delete_if(
        &self,
        bucket: Bucket,
        key: &str,
        expected: u64,
        ttl: Duration,
    ) -> Result<u64, PutError> {
        let ttl_s = whole_seconds(ttl);
        let write = KeyWrite::Deletion { ttl_s };
        self.start_write(bucket, key, write, expected).await?.await
    }

    async fn start_write(
        &self,
        bucket: Bucket,
        key: &str,
        write: KeyWrite,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        subject_check::key(key)?;
        BusStats::count(&self.stats().puts);
        let timing = self.begin(Operation::KvPut);
        let sent = match self {
            Self::Nats(bus) => bus.start_write(bucket, key, write, expected).await,
            Self::Embedded(bus) => bus.start_write(bucket, key, write, expected).await,
        };
        sent.map(|receipt| receipt.timed(timing))
    }

    /// Reads the keys with `prefix`: their current values and markers, then changes. An empty prefix means all keys;
    /// others are whole tokens with their dot, for example `7.`.
    ///
    /// # Errors
    /// If reading cannot start.
    pub async fn watch(&self, bucket: Bucket, prefix: &str) -> Result<KvReader, BusError> {
        self.watch_all(bucket, &[prefix]).await
    }

    /// Reads the keys with any of these prefixes, like [`watch`](Self::watch). One reader of many prefixes looks at each
    /// key once, where many readers would look at each key once each.
    ///
    /// # Errors
    /// If reading cannot start, or if there is no prefix.
    pub async fn watch_all<P: AsRef<str>>(
        &self,
        bucket: Bucket,
        prefixes: &[P],
    ) -> Result<KvReader, BusError> {
        let filter = KeyFilter::new(prefixes)?;
        let timing = self.begin(Operation::Read);
        let source = match self {
            Self::Nats(bus) => Source::Nats(bus.watch(bucket, &filter).await?),
            Self::Embedded(bus) => Source::Embedded(bus.watch(bucket, filter).await?),
        };
        timing.end();
        Ok(KvReader(source))
    }
}
