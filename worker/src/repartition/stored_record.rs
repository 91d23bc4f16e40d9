//! The cluster's record, changed by compare-and-swap.

use grandstand_common::bus::{Bucket, Bus, PutError};
use grandstand_common::record::{CLUSTER_KEY, ClusterRecord};

use super::error::RepartitionError;
use super::listing::{encode, failed};

/// The cluster's record as it is stored.
#[derive(Debug)]
pub(super) struct StoredRecord {
    value: ClusterRecord,
    revision: u64,
    /// The time of the write, by the clock of NATS, Unix milliseconds.
    time_ms: u64,
}

impl StoredRecord {
    pub(super) async fn read(bus: &Bus) -> Result<Self, RepartitionError> {
        let entry = bus.get(Bucket::Cluster, CLUSTER_KEY).await?;
        let entry = entry.ok_or(RepartitionError::Record)?;
        let value = entry.value.ok_or(RepartitionError::Record)?;
        Ok(Self {
            value: serde_json::from_slice(&value).map_err(|_| RepartitionError::Record)?,
            revision: entry.revision,
            time_ms: entry.time_ms,
        })
    }

    /// The time of the write, by the clock of NATS, Unix milliseconds.
    pub(super) fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Checks that the record is still as it is known: no other process has changed it, and NATS has not come back with an
    /// older one.
    pub(super) async fn check(&self, bus: &Bus) -> Result<(), RepartitionError> {
        let found = Self::read(bus).await?;
        if (&found.value, found.revision) == (&self.value, self.revision) {
            Ok(())
        } else {
            Err(RepartitionError::Changed)
        }
    }

    pub(super) fn value(&self) -> &ClusterRecord {
        &self.value
    }

    /// Stores a change.
    ///
    /// # Errors
    /// If another process has changed it, or it cannot be stored.
    pub(super) async fn change(
        &mut self,
        bus: &Bus,
        change: impl FnOnce(&mut ClusterRecord),
    ) -> Result<(), RepartitionError> {
        let mut next = self.value.clone();
        change(&mut next);
        let value = encode(CLUSTER_KEY, &next)?;
        let put = bus.put_if(Bucket::Cluster, CLUSTER_KEY, value, self.revision);
        match put.await {
            Ok(revision) => {
                let time_ms = bus.log_clock().now().log_ms;
                *self = Self {
                    value: next,
                    revision,
                    time_ms,
                };
                Ok(())
            }
            Err(PutError::WrongRevision) => Err(RepartitionError::Changed),
            // It may be stored.
            Err(cause) => {
                let found = Self::read(bus).await?;
                if found.value != next {
                    return Err(failed(CLUSTER_KEY, cause));
                }
                *self = found;
                Ok(())
            }
        }
    }
}
