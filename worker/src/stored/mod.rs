//! The stored form of rooms: snapshots and quarantine records.

pub mod quarantine;

pub(crate) mod error;

pub(crate) mod snapshot;
