//! A worker owns partitions of rooms by lease, runs their games, and reports updates and processed entries to edges.
//!
//! The modules are declared from the process down to one room, each before those that it uses. `replay`, `check` and
//! `repartition` come last: commands of the program run them, and no worker does.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod process;

pub mod lease;

pub mod engine;

mod partition;

mod context;

mod loads;

mod requests;

pub mod counts;

pub mod tallies;

pub mod stored;

mod outbox;

mod room;

pub mod command;

mod deadlines;

mod replay_cost;

pub mod current_call;

mod crash_guard;

pub mod replay;

pub mod check;

pub mod repartition;
