//! What the bus stores of rooms: snapshots and quarantine records.

pub mod quarantine;

pub(crate) mod error;

pub(crate) mod snapshot;
