//! Code that edges and workers share: names, messages, the bus, and the frame of a process.
//!
//! The modules are declared in the order in which they build on each other; read them in that order.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub use grandstand_types::{data, id, layout, listing, scores};

pub mod error;

pub mod envelope;

pub mod record;

pub mod wire;

pub mod subject;

pub mod supervisor;

pub mod exit;

pub mod http;

pub mod authorities;

pub mod file;

pub mod process;

pub mod auth;

pub mod by_name;

pub mod histogram;

pub mod clock;

pub mod log_clock;

pub mod bus;

pub mod cluster;

pub mod follow;

pub mod leaderboard;

#[cfg(test)]
mod testing;
