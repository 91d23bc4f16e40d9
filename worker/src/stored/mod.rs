//! The stored form of rooms: snapshots and quarantine records.

pub mod quarantine;

pub(crate) mod error;

mod room;

pub(crate) mod head;

pub(crate) mod snapshot;
