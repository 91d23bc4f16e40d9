//! Encodes and decodes records as JSON.

use bytes::Bytes;
use grandstand_common::id::{Epoch, WorkerId};
use grandstand_common::record::{GameVersions, Lease};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a record as it is stored.
pub(super) fn encode(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record)
        .expect("a record of plain values is JSON")
        .into()
}

/// Decodes a stored record; `None` if it is not readable.
pub(super) fn decode<T: DeserializeOwned>(value: &Bytes) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// Creates the lease of `worker`; a released one for `None`.
pub(super) fn lease(worker: Option<&WorkerId>, epoch: Epoch, ready: bool) -> Lease {
    Lease {
        worker: worker.cloned(),
        epoch,
        ready,
        sender: None,
        stuck: Vec::new(),
        needs: GameVersions::new(),
        moved: false,
    }
}
