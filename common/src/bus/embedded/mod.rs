//! The bus in this process: as NATS behaves, without NATS.
//!
//! In memory, or with a folder that keeps the log and the buckets; and, for simulations, with a seeded plan of what can
//! go wrong with NATS.

mod clock;

mod route;

mod log;

mod kv;

mod faults;

mod format;

mod disk;

mod state;

mod store;

mod committer;

mod cursor;

mod open;

mod inspect;

mod client;

mod write;

#[cfg(test)]
mod tests;

pub use self::client::Embedded;
pub(crate) use self::cursor::{Cursor, KvPosition, LogPosition};
pub use self::faults::Faults;
