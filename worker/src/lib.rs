//! A worker owns partitions of rooms by lease, runs their games, and reports updates and processed entries to edges.
//!
//! The modules are declared in reading order, in which data flows.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

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

pub mod progress;

mod loads;

pub mod counts;

mod deadlines;

pub mod replay;

pub mod repartition;

pub mod process;
