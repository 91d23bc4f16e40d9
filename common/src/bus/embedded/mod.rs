//! A bus inside the process, with the behaviour of NATS.
//!
//! It lives in memory, or keeps its log and buckets in a folder. For simulations it follows a seeded plan of NATS'
//! failures.

mod clock;

mod route;

mod log;

mod kv;

mod faults;

mod format;

mod marks;

mod report;

mod record;

mod journal;

mod tables;

mod copy;

mod out_memory;

mod state;

mod key_changes;

mod disk;

mod contents;

mod examine;

mod accept;

mod store;

mod committer;

mod cursor;

mod open;

mod inspect;

mod client;

mod write;

mod out;

#[cfg(test)]
mod tests;

pub use self::client::Embedded;
pub(crate) use self::cursor::{Cursor, KvPosition, LogPosition};
pub use self::faults::Faults;
pub(crate) use self::out::OutKeys;
