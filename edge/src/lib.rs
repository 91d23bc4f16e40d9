//! An edge holds clients' connections, and knows nothing of the game.
//!
//! Read in this order, as data flows.

pub mod config;

pub mod run;

pub mod leases;

pub mod alive;

pub mod shard;

pub mod front;

pub mod listen;

pub mod handshake;

pub mod drive;

pub mod session;

pub mod endpoint;

pub mod gate;

pub mod core;

pub mod ingress;

pub mod interest;

pub mod egress;

pub mod hub;

pub mod frames;

pub mod deflate;

pub mod sink;

pub mod dense;

mod coarse;

mod courtesy;

pub mod conns;

pub mod outbox;

pub mod wheel;

pub mod metrics;

#[cfg(test)]
mod counted;
