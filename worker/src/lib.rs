//! A worker owns partitions of rooms by lease, runs their games, and reports what it processed.
//!
//! The modules are listed in reading order, as data flows.

pub mod lease;

mod room;

pub mod command;

pub mod engine;

mod partition;

pub mod stored;

mod outbox;

mod context;

mod requests;

pub mod counts;

mod deadlines;

pub mod replay;

pub mod process;
