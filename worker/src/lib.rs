//! A worker owns partitions of rooms by lease, runs their games, and reports updates and processed entries to edges.
//!
//! The modules are declared in reading order, in which data flows.

pub mod lease;

mod room;

pub mod command;

pub mod engine;

mod partition;

pub mod stored;

mod outbox;

mod context;

mod replay_cost;

mod requests;

pub mod counts;

mod deadlines;

pub mod replay;

pub mod process;
