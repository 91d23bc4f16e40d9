//! The stored form of rooms: snapshots and quarantine records.

pub mod quarantine;

pub(crate) mod error;

mod room;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub(crate) mod head;

pub(crate) mod record;

pub(crate) mod snapshot;

pub(crate) mod world;
