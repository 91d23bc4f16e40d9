//! The archive in PostgreSQL.

mod error;

mod copy;

mod connect;

mod migrate;

mod read;

mod write;

pub(super) use connect::PostgresDatabase;
pub(super) use read::{PostgresReader, PostgresReading};
pub(super) use write::PostgresStore;
