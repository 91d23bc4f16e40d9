//! An edge holds clients' connections, and knows nothing of the game.
//!
//! Read in this order, as data flows.

pub mod program;

pub mod process;

pub mod shard;

pub mod server;

pub mod core;

pub mod codec;

pub mod websocket;

pub mod conn;

pub mod time;

#[cfg(test)]
mod alloc_counter;
