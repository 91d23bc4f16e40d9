//! Records as JSON.

use bytes::Bytes;
use grandstand_common::id::{Epoch, WorkerId};
use grandstand_common::record::Lease;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record as it is stored.
pub(super) fn encode(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record)
        .expect("a record of plain values is JSON")
        .into()
}

/// A stored record; `None` if it cannot be read.
pub(super) fn decode<T: DeserializeOwned>(value: &Bytes) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// The lease of an owner.
pub(super) fn lease(worker: Option<&WorkerId>, epoch: Epoch, ready: bool) -> Lease {
    Lease {
        worker: worker.cloned(),
        epoch,
        ready,
    }
}
