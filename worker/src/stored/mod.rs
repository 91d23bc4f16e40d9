//! The stored form of rooms: snapshots and quarantine records.

pub mod quarantine;

pub(crate) mod error;

pub(crate) mod outlet;

mod room;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub(crate) mod head;

pub(crate) mod record;

pub(crate) mod snapshot;

pub(crate) mod world;
