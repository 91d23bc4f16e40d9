//! The bucket of outlets: places, letters, and which process is at work.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Bus, BusError, KvEntry, PutError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

/// The pause before a write is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// The time for which the marker of a deletion stays.
const MARKER: Duration = Duration::from_secs(3600);

/// The lifetime of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Forever,
    For(Duration),
}

/// The bucket of outlets. Only the process at work writes, besides the command that sends dead letters again.
#[derive(Debug, Clone)]
pub(super) struct Store(Bus);

impl Store {
    pub(super) fn new(bus: Bus) -> Self {
        Self(bus)
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.0
    }

    /// A value and its revision. One that this build cannot read counts as missing.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<(Option<T>, u64), BusError> {
        let Some(entry) = self.0.get(Bucket::Outlet, key).await? else {
            return Ok((None, 0));
        };
        Ok((parse(&entry), entry.revision))
    }

    /// Writes a value over one of this revision.
    ///
    /// # Errors
    /// See [`PutError`].
    pub(super) async fn write<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        expected: u64,
        keep: Keep,
    ) -> Result<u64, PutError> {
        // Strings, numbers and lists of them can be written as JSON.
        let text: Bytes = serde_json::to_vec(value).unwrap_or_default().into();
        match keep {
            Keep::Forever => self.0.put_if(Bucket::Outlet, key, text, expected).await,
            Keep::For(ttl) => {
                let put = self
                    .0
                    .put_expiring(Bucket::Outlet, key, text, ttl, expected);
                put.await
            }
        }
    }

    /// Writes a value, however long it takes, over whatever is there.
    pub(super) async fn write_for_sure<T: Serialize + DeserializeOwned + PartialEq>(
        &self,
        key: &str,
        value: &T,
        mut expected: u64,
        keep: Keep,
    ) -> u64 {
        loop {
            let error = match self.write(key, value, expected, keep).await {
                Ok(revision) => return revision,
                Err(error) => error,
            };
            tracing::debug!(key, %error, "a value is written again");
            sleep(RETRY).await;
            if let Ok((found, revision)) = self.read::<T>(key).await {
                if found.as_ref() == Some(value) {
                    return revision;
                }
                expected = revision;
            }
        }
    }

    /// Deletes a key of this revision.
    ///
    /// # Errors
    /// See [`PutError`].
    pub(super) async fn delete(&self, key: &str, expected: u64) -> Result<u64, PutError> {
        self.0
            .delete_if(Bucket::Outlet, key, expected, MARKER)
            .await
    }

    /// Deletes a key, however long it takes, unless another process has changed it.
    pub(super) async fn delete_for_sure(&self, key: &str, expected: u64) {
        loop {
            match self.delete(key, expected).await {
                Ok(_) | Err(PutError::WrongRevision) => return,
                Err(error) => tracing::debug!(key, %error, "a value is deleted again"),
            }
            sleep(RETRY).await;
        }
    }
}

/// The value of an entry; `None` if it is deleted, or cannot be read.
pub(super) fn parse<T: DeserializeOwned>(entry: &KvEntry) -> Option<T> {
    let value = entry.value.as_ref()?;
    let parsed = serde_json::from_slice(value);
    parsed
        .inspect_err(|error| tracing::error!(key = entry.key, %error, "a value cannot be read"))
        .ok()
}
