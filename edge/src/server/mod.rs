//! Clients' sockets: from the listener to whole messages.

pub mod listen;

pub mod http;

pub(crate) mod limiter;

pub mod context;

pub mod connection;

pub mod connections;

pub mod handler;

pub mod echo;

pub mod metrics;

pub(crate) mod yielding;

#[cfg(test)]
pub(crate) mod testing;
