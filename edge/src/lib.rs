//! The edge holds clients' connections and knows nothing of the games.
//!
//! The modules are listed from the process down to the protocol; each uses only later ones, except that `server` and `core`
//! do not use each other.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod program;

pub mod process;

pub mod shard;

pub mod server;

pub mod core;

pub mod codec;

pub mod websocket;

pub mod limits;

pub mod conn;

pub mod time;

#[cfg(test)]
mod alloc_counter;
