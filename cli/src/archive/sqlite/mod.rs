//! The archive in SQLite, in this process. Calls block for about a millisecond.

mod open;

mod read;

mod write;

pub(super) use open::SqliteDatabase;
pub(super) use read::SqliteReading;
pub(super) use write::SqliteStore;
