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
}

impl StoredRecord {
    pub(super) async fn read(bus: &Bus) -> Result<Self, RepartitionError> {
        let entry = bus.get(Bucket::Cluster, CLUSTER_KEY).await?;
        let entry = entry.ok_or(RepartitionError::Record)?;
        let value = entry.value.ok_or(RepartitionError::Record)?;
        Ok(Self {
            value: serde_json::from_slice(&value).map_err(|_| RepartitionError::Record)?,
            revision: entry.revision,
        })
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
                (self.value, self.revision) = (next, revision);
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
