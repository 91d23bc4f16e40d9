//! A worker owns partitions of rooms by lease, runs their games, and reports what it processed.
//!
//! Read in this order, as data flows.

pub mod lease;

mod room;

pub mod command;

pub mod owner;

mod partition;

mod snapshot;

pub mod quarantine;

mod outbox;

mod deadlines;

pub mod metrics;

pub mod replay;

pub mod build;

pub mod driver;

pub mod config;
